// What the API says against a field, in a person's words: the API speaks to those who write programs.

import { t } from "./lang.js";

/** What is wrong, by the detail's code or else by its field. */
const sentences = () => ({
  required: t`Fill this in.`,
  unknown_event_type: t`There is no such event type, group or prefix.`,
  reserved_type: t`There is no such event type, group or prefix.`,
  event_type_archived: t`This event type is archived. Choose another one.`,
  invalid_secret: t`Deliveries cannot be signed with this. Leave it empty to have one generated.`,
  schema_violation: t`The data do not meet the schema of the event type.`,
  payload_too_large: t`This is too large.`,
  unstable_number: t`Some receivers would read this number as another one.`,
  reserved_member: t`The format of what is sent has this name for something else.`,
  url: t`Events cannot be sent to this URL.`,
  events: t`Choose at least one event type, and at most 200.`,
  name: t`Enter 1 to 128 characters.`, description: t`Enter at most 1024 characters.`, q: t`Enter 1 to 128 characters.`,
  rate_limit_per_second: t`Enter a whole number from 1 to 500, or nothing.`,
  max_in_flight: t`Enter a whole number from 1 to 1000, or nothing.`,
  headers: t`This cannot be sent as a header.`, secret_headers: t`This cannot be sent as a header.`,
  client_certificate: t`This cannot be used as a certificate.`, "client_certificate.private_key": t`This cannot be used as a private key.`,
  metadata: t`This cannot be kept as metadata.`,
  filter: t`This is not a pattern of a filter.`,
  dialect: t`Choose one of the list.`, health: t`Choose one of the list.`, kind: t`Choose one of the list.`, action: t`Choose one of the list.`, status: t`Choose one of the list.`, statuses: t`Choose one of the list.`,
  "pause.until": t`Choose a time in the future, at most 7 days ahead.`,
  event_type: t`No event type has such a name.`, type: t`No event type has such a name.`,
  event_id: t`No event has such an id.`,
  response_status: t`Enter a status such as 404, or a class such as 4xx.`,
  since: t`Choose another time.`, until: t`Choose another time.`,
});
/** Fields with so many rules, mostly for those who write programs, that the API's own words follow. */
const DETAILED = ["url", "headers", "secret_headers", "client_certificate", "metadata", "filter", "since", "until", "data", "events", "event_id"];

/** What is wrong with a field; what has no sentence of its own is said as the API, or the page itself, says it. */
export function told({ field, code, problem }) {
  if (!code) return problem;
  const known = sentences();
  const [root] = field.split(/[.[]/);
  const sentence = known[code] ?? known[field] ?? known[root];
  if (!sentence) return problem;
  return code !== "required" && DETAILED.includes(root) ? `${sentence} (${problem})` : sentence;
}
