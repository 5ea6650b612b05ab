// The page's own words in the reader's language: English as it stands in the scripts, others from a file of their own, or of the operator's.

import { sentencesAt } from "./api.js";

const LANGUAGES = { de: () => import("./de.js") };

let known = {};

/** Speaks this language, or else the first of the browser's that there is; with the sentences at an address, if there is one. */
export async function speak(language, address) {
  if (address) {
    known = await sentencesAt(address);
    document.documentElement.lang = language;
    return;
  }
  const wanted = language ? [language] : navigator.languages.map((code) => code.split("-")[0]);
  let found = wanted.find((code) => code === "en" || code in LANGUAGES) ?? "en";
  try {
    known = found === "en" ? {} : (await LANGUAGES[found]()).default;
  } catch {
    // What has not come is not waited for.
    [found, known] = ["en", {}];
  }
  document.documentElement.lang = found;
}

/** Whether the page speaks English, as the API does. */
export const isEnglish = () => document.documentElement.lang === "en";

/** The text of a tagged template, in the language; where an element is among the values, a list of texts and elements. */
export function t(parts, ...values) {
  const text = parts.reduce((before, part, index) => `${before}{${index - 1}}${part}`);
  const pieces = (known[text] ?? text).split(/\{(\d+)\}/).map((piece, index) => (index % 2 ? values[piece] : piece));
  return pieces.some((piece) => piece !== null && typeof piece === "object") ? pieces : pieces.join("");
}

/** What the API writes as one of a few names, for people; a name that the page does not know is shown as it is. */
export function named(name) {
  const names = {
    active: t`active`, healthy: t`healthy`, failing: t`failing`, paused: t`paused`, disabled: t`disabled`,
    succeeded: t`succeeded`, failed: t`failed`, pending: t`pending`, held: t`held`, missed: t`missed`, cancelled: t`cancelled`,
    queued: t`queued`, running: t`running`, deprecated: t`deprecated`, archived: t`archived`,
    recover: t`recovery`, cancel: t`cancellation`, redrive: t`redrive`, erase: t`erasure`, export: t`export`,
    ladder_used_up: t`all attempts failed`, consecutive_failures: t`too many failures in a row`, failing_too_long: t`failing for days`,
    gone: t`410 Gone`, plan: t`plan without webhooks`, unverified: t`endpoint not verified`,
    status: t`response refuses`, timeout: t`no response in time`, dns: t`host not found`, refused: t`connection refused`, unreachable: t`host unreachable`,
    reset: t`connection lost`, tls: t`TLS failed`, protocol: t`no valid HTTP`, address_forbidden: t`address not public`, url_forbidden: t`URL not allowed`,
    request: t`request not possible`,
    dialect: t`the dialect`, deployment: t`the deployment`, tenant: t`the tenant`,
    event: t`event`, retry: t`retry`, manual: t`by hand`, test: t`test`, any: t`every event`, passed: t`passed`, skipped: t`skipped`, matches: t`matches`, left_out: t`left out`,
  };
  return names[name] ?? String(name).replaceAll("_", " ");
}

/** What went wrong, in a person's words; what has none of its own is said as the API says it. */
export function sentence({ code, message }) {
  const sentences = {
    unreachable: t`No answer. Are you online?`,
    unauthorized: t`This key is not valid, or it was revoked.`,
    key_expired: t`This key has expired.`,
    token_expired: t`This link has ended. Open the page from your product again.`,
    forbidden: t`You may not do this here.`,
    too_many_requests: t`Too many requests. Wait a moment and try again.`,
    precondition_failed: t`It was changed since you opened this page. Reload to see how it is now.`,
    webhook_disabled: t`The webhook is disabled. Enable it first.`,
    webhook_unverified: t`The endpoint is not verified yet. Verify it first.`,
    not_found: t`There is nothing of this id, or not any more.`,
    plan_without_webhooks: t`The plan has no webhooks.`,
    too_many_webhooks: t`There are as many webhooks as there may be. Delete one first.`,
    too_many_secrets: t`Too many older secrets still sign. Finish the rotation first.`,
    delivery_succeeded: t`The delivery has succeeded already.`,
    event_expired: t`The event is too old to be sent again.`,
    event_erased: t`The event was erased.`,
    busy: t`Somebody else is changing this just now. Try again.`,
    challenge_failed: t`The endpoint has not echoed the challenge: ${message}.`,
    job_ended: t`The job has ended already.`,
    job_not_cancellable: t`This job cannot be stopped any more.`,
    quota_exceeded: t`The plan allows no more events this month.`,
    test_delivery: t`A test cannot be sent again. Send another one.`,
    too_many_attempts: t`The delivery has been attempted too often to be sent again.`,
    rate_limited: t`Too many requests. Wait a moment and try again.`,
    cannot_send: t`It could not be sent. Try again in a moment.`,
    unavailable: t`Not available at the moment. Try again soon.`,
    internal: t`Something went wrong on our side. Try again.`,
  };
  return sentences[code] ?? message;
}
