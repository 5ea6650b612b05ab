// The form of a webhook: makes one, or changes one.

import { choice, field, h } from "./dom.js";
import { eventPicker } from "./picker.js";
import { member } from "./json.js";
import { keepSecret } from "./secret.js";
import { catalogueOf } from "./types.js";

/** A problem that the page finds before the API is asked. */
class Invalid extends Error {
  constructor(field, problem) {
    super(problem);
    this.details = [{ field, problem }];
  }
}

/** A form field with a hint and room for its problem; `name` is the member of the API. */
function part(name, label, input, hint) {
  const problem = h("p", { class: "problem", id: `problem-${name}` });
  input.setAttribute("aria-describedby", `hint-${name} problem-${name}`);
  const element = h("div", { class: "part", "data-field": name }, field(label, input), h("p", { class: "hint", id: `hint-${name}` }, hint), problem);
  return { name, element, input, problem };
}

const text = (attributes) => h("input", { type: "text", autocomplete: "off", spellcheck: "false", autocapitalize: "off", ...attributes });
const lines = (id, value, placeholder) => h("textarea", { id, rows: 3, placeholder, spellcheck: "false", autocapitalize: "off" }, value);

/** Headers from lines of `Name: value`. */
function headersIn(written, name) {
  const headers = {};
  for (const line of written.split("\n").map((each) => each.trim()).filter(Boolean)) {
    const [, key, value] = line.match(/^([^:]+):\s*(.*)$/) ?? [];
    if (!key) throw new Invalid(name, `“${line}” must have the form Name: value`);
    headers[key.trim()] = value;
  }
  return headers;
}

/** The text of a JSON object, or `null` for none; its digits stay as they were written. */
function objectIn(written, name) {
  const trimmed = written.trim();
  if (!trimmed) return null;
  try {
    const parsed = JSON.parse(trimmed);
    if (parsed !== null && typeof parsed === "object" && !Array.isArray(parsed)) return { parsed, text: trimmed };
  } catch (error) {
    throw new Invalid(name, `invalid JSON: ${error.message}`);
  }
  throw new Invalid(name, "must be a JSON object");
}

/** Members that take those of `before` out which are not in `after`, as a merge patch says it. */
const removed = (before, after) => Object.keys(before).filter((key) => !(key in after)).map((key) => [key, null]);

/** What the form has, as the text of a request's body; for a change, `old` is what the webhook was. */
function bodyOf(inputs, events, old) {
  const orNull = (value) => value.trim() || null;
  const headers = headersIn(inputs.headers.value, "headers");
  const secretHeaders = headersIn(inputs.secret_headers.value, "secret_headers");
  const filter = objectIn(inputs.filter.value, "filter");
  const metadata = objectIn(inputs.metadata.value, "metadata");
  const rate = inputs.rate_limit_per_second.value;
  const fields = {
    url: inputs.url.value.trim(), events,
    name: orNull(inputs.name.value), description: orNull(inputs.description.value),
    rate_limit_per_second: rate === "" ? null : Number(rate),
    headers: { ...headers, ...Object.fromEntries(removed(old?.headers ?? {}, headers)) },
  };
  const gone = inputs.removed.filter(({ checked }) => checked).map(({ value }) => [value, null]);
  if (Object.keys(secretHeaders).length > 0 || gone.length > 0) fields.secret_headers = { ...Object.fromEntries(gone), ...secretHeaders };
  if (!old) {
    if (inputs.secret.value.trim()) fields.secret = inputs.secret.value.trim();
    if (inputs.dialect.value) fields.dialect = inputs.dialect.value;
    fields.challenge = inputs.challenge.checked;
  }
  // As they were written, digit by digit.
  const members = [`"filter":${filter?.text ?? "null"}`];
  const nulls = removed(old?.metadata ?? {}, metadata?.parsed ?? {}).map(([key]) => `${JSON.stringify(key)}:null`);
  if (metadata || nulls.length > 0) {
    const own = (metadata?.text ?? "{}").replace(/^\{|\}$/g, "").trim();
    members.push(`"metadata":{${[own, ...nulls].filter(Boolean).join()}}`);
  }
  return `${JSON.stringify(fields).slice(0, -1)},${members.join()}}`;
}

const draftOf = (ask, of) => ask("GET /v1/webhooks/{webhook}", of).then(({ data: { webhook }, text, etag }) => ({
  webhook, etag,
  filter: webhook.filter ? member(text, ["data", "webhook", "filter"]) : "",
  metadata: Object.keys(webhook.metadata).length > 0 ? member(text, ["data", "webhook", "metadata"]) : "",
}));

/** The view that creates a webhook, or changes the one that the address names. */
export async function webhookForm({ call, ask, link, go, say, fail, params: of }) {
  const changing = Boolean(of.webhook);
  const [catalogue, about, draft] = await Promise.all([
    catalogueOf(call), changing ? undefined : call("GET /v1"), changing ? draftOf(ask, of) : { filter: "", metadata: "" },
  ]);
  const old = draft.webhook;
  const picker = eventPicker(catalogue, old?.events);
  const headerLines = Object.entries(old?.headers ?? {}).map(([name, value]) => `${name}: ${value}`).join("\n");
  const removedSecrets = (old?.secret_headers ?? []).map((value) => h("input", { type: "checkbox", value }));

  const main = [
    part("url", "URL", h("input", { type: "url", id: "url", required: true, value: old?.url, placeholder: "Where events are sent", autocomplete: "off", spellcheck: "false" }),
      "Events are sent there by POST. Use HTTPS."),
    part("name", "Name", text({ id: "name", value: old?.name }), "How the webhook is listed. Optional."),
    part("description", "Description", text({ id: "description", value: old?.description }), "Optional."),
  ];
  const more = [
    part("filter", "Filter", lines("filter", draft.filter, '{"amount": [{"numeric": [">", 100]}]}'), "Only events whose data matches this pattern are sent. Empty sends all."),
    part("rate_limit_per_second", "Rate limit", h("input", { type: "number", id: "rate", min: 1, max: 500, step: 1, value: old?.rate_limit_per_second }), "Deliveries per second, 1 to 500. Empty for no limit."),
    part("headers", "Headers", lines("headers", headerLines, "X-Region: eu"), "Sent with each delivery. One per line."),
    part("secret_headers", "Secret headers", lines("secret-headers", "", "Authorization: Bearer …"), "For credentials. Stored encrypted and never shown again. One per line."),
    part("metadata", "Metadata", lines("metadata", draft.metadata, '{"team": "billing"}'), "A JSON object for your own use."),
  ];
  if (removedSecrets.length > 0) {
    more[3].element.append(h("div", { class: "actions" }, removedSecrets.map((box) => h("label", { class: "check" }, box, "Remove ", h("code", null, box.value)))));
  }
  if (!changing) {
    const own = about.dialects.map(({ name }) => name);
    more.push(
      part("secret", "Signing secret", text({ id: "secret" }), "Leave empty to have one generated."),
      part("dialect", "Dialect", choice([["", "The tenant's"], ...own], "", { id: "dialect" }), "The format of what is sent."),
      part("challenge", "Verify the endpoint first", h("input", { type: "checkbox", id: "challenge" }), "Nothing is sent before the endpoint has echoed a challenge."),
    );
  }
  const events = part("events", "", h("input", { type: "hidden" }), "");
  events.element.replaceChildren(picker.element, events.problem);
  const parts = [...main, events, ...more];
  const inputs = { ...Object.fromEntries(parts.map(({ name, input }) => [name, input])), removed: removedSecrets };
  const advanced = h("details", { id: "advanced" }, h("summary", null, "More settings"), h("div", { class: "fields" }, more.map(({ element }) => element)));

  /** Puts each problem below its field, and goes to the first; what belongs to no field is a message. */
  function tell(error) {
    const rest = [];
    let first;
    for (const { field: path, problem } of error.details ?? []) {
      const found = parts.find(({ name }) => path === name || path.startsWith(`${name}.`) || path.startsWith(`${name}[`));
      if (!found) {
        rest.push({ field: path, problem });
        continue;
      }
      found.problem.textContent = path === found.name ? problem : `${path.slice(found.name.length).replace(/^\./, "")}: ${problem}`;
      found.input.setAttribute("aria-invalid", "true");
      first ??= found;
    }
    if (more.includes(first)) advanced.open = true;
    if (first === events) picker.focus();
    else first?.input.focus();
    if (!first || rest.length > 0) fail(error);
  }

  async function save() {
    for (const { input, problem } of parts) {
      problem.textContent = "";
      input.removeAttribute("aria-invalid");
    }
    const body = bodyOf(inputs, picker.events(), old);
    if (changing) {
      await ask("PATCH /v1/webhooks/{webhook}", of, { body, ifMatch: draft.etag });
      say("Webhook saved.");
      return go(["webhooks", of.webhook]);
    }
    const { webhook } = await call("POST /v1/webhooks", {}, { body });
    keepSecret(webhook);
    say("Webhook created.");
    return go(["webhooks", webhook.id]);
  }
  const submit = h("button", { type: "submit", class: "primary", id: "save" }, changing ? "Save" : "Create webhook");
  const title = changing ? "Edit webhook" : "Add webhook";
  return {
    title,
    element: h("form", { class: "card publish", novalidate: true, submit: async (event) => {
      event.preventDefault();
      submit.disabled = true;
      await save().catch(tell);
      submit.disabled = false;
    } },
      h("nav", { class: "crumbs", "aria-label": "Breadcrumbs" },
        h("a", { href: link(["webhooks"]) }, "Webhooks"), changing && h("a", { href: link(["webhooks", of.webhook]) }, old.name ?? old.url)),
      h("h1", null, title),
      main.map(({ element }) => element), events.element, advanced,
      h("div", { class: "actions end" },
        h("a", { class: "button", href: link(changing ? ["webhooks", of.webhook] : ["webhooks"]) }, "Back"), submit)),
  };
}
