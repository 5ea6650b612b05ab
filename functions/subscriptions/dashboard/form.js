// The form of a webhook: makes one, or changes one.

import { choice, h } from "./dom.js";
import { Invalid, form, objectIn, part, textInput, textLines } from "./fields.js";
import { mark } from "./filters.js";
import { member } from "./json.js";
import { t } from "./lang.js";
import { eventPicker } from "./picker.js";
import { preview } from "./preview.js";
import { keepSecret } from "./secret.js";
import { catalogueOf } from "./types.js";

/** Headers from lines of `Name: value`. */
function headersIn(written, name) {
  const headers = {};
  for (const line of written.split("\n").map((each) => each.trim()).filter(Boolean)) {
    const [, key, value] = line.match(/^([^:]+):\s*(.*)$/) ?? [];
    if (!key) throw new Invalid(name, t`“${line}” has not the form “Name: value”.`);
    headers[key.trim()] = value;
  }
  return headers;
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
  const number = ({ value }) => (value === "" ? null : Number(value));
  const fields = {
    url: inputs.url.value.trim(), events,
    name: orNull(inputs.name.value), description: orNull(inputs.description.value),
    rate_limit_per_second: number(inputs.rate_limit_per_second), max_in_flight: number(inputs.max_in_flight),
    headers: { ...headers, ...Object.fromEntries(removed(old?.headers ?? {}, headers)) },
  };
  const gone = inputs.removed.filter(({ checked }) => checked).map(({ value }) => [value, null]);
  if (Object.keys(secretHeaders).length > 0 || gone.length > 0) fields.secret_headers = { ...Object.fromEntries(gone), ...secretHeaders };
  const [certificate, key] = [inputs.client_certificate, inputs["client_certificate.private_key"]].map(({ value }) => value.trim());
  if (certificate || key) fields.client_certificate = { certificate, private_key: key };
  else if (inputs.dropped?.checked) fields.client_certificate = null;
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

/** The fields that everybody fills in, and those that few do. */
function partsOf(draft, old, me, tenants) {
  const removed = (old?.secret_headers ?? []).map((value) => h("input", { type: "checkbox", value }));
  const headerLines = Object.entries(old?.headers ?? {}).map(([name, value]) => `${name}: ${value}`).join("\n");
  const whole = (id, max, value) => h("input", { type: "number", id, min: 1, max, step: 1, value });
  const main = [
    part("url", t`URL`, h("input", { type: "url", id: "url", required: true, value: old?.url, placeholder: t`Where events are sent`, autocomplete: "off", spellcheck: "false" }),
      t`Events are sent there by POST. Use HTTPS.`),
    part("name", t`Name`, textInput({ id: "name", value: old?.name }), t`How the webhook is listed. Optional.`),
    part("description", t`Description`, textInput({ id: "description", value: old?.description }), t`Optional.`),
  ];
  const more = [
    part("filter", t`Filter`, textLines({ id: "filter", placeholder: '{"amount": [{"numeric": [">", 100]}]}' }, draft.filter), t`Only events whose data matches this pattern are sent. Empty sends all.`),
    part("rate_limit_per_second", t`Rate limit`, whole("rate", 500, old?.rate_limit_per_second), t`Deliveries per second, 1 to 500. Empty for no limit.`),
    part("max_in_flight", t`At the same time`, whole("in-flight", 1000, old?.max_in_flight), t`How many deliveries may be under way at once. Empty for no limit of its own.`),
    part("headers", t`Headers`, textLines({ id: "headers", placeholder: "X-Region: eu" }, headerLines), t`Sent with each delivery. One per line.`),
    part("secret_headers", t`Secret headers`, textLines({ id: "secret-headers", placeholder: "Authorization: Bearer …" }), t`For credentials. Stored encrypted and never shown again. One per line.`),
    part("client_certificate", t`Client certificate`, textLines({ id: "client-certificate", placeholder: "-----BEGIN CERTIFICATE-----" }), t`For receivers that demand one. PEM, the client's own certificate first.`),
    part("client_certificate.private_key", t`Its private key`, textLines({ id: "client-key", placeholder: "-----BEGIN PRIVATE KEY-----" }), t`PEM, without a passphrase. Stored encrypted and never shown again.`),
    part("metadata", t`Metadata`, textLines({ id: "metadata", placeholder: '{"team": "billing"}' }, draft.metadata), t`A JSON object for your own use.`),
  ];
  if (removed.length > 0) {
    more[4].element.append(h("div", { class: "actions" }, removed.map((box) => h("label", { class: "check" }, box, t`Remove`, " ", h("code", null, box.value)))));
  }
  const dropped = old?.client_certificate && h("input", { type: "checkbox", id: "client-certificate-removed" });
  if (dropped) more[5].element.append(h("div", { class: "actions" }, h("label", { class: "check" }, dropped, t`Remove`, " ", h("code", null, old.client_certificate.sha256.slice(0, 16)))));
  if (!old) {
    more.push(
      part("secret", t`Signing secret`, textInput({ id: "secret" }), t`Leave empty to have one generated.`),
      part("dialect", t`Dialect`, choice([["", tenants ? t`The tenant's` : t`The usual one`], ...me.dialects.map(({ name }) => name)], "", { id: "dialect" }), t`The format of what is sent.`),
      part("challenge", t`Verify the endpoint first`, h("input", { type: "checkbox", id: "challenge" }), t`Nothing is sent before the endpoint has echoed a challenge.`),
    );
  }
  return { main, more, removed, dropped };
}

/** The view that creates a webhook, or changes the one that the address names. */
export async function webhookForm(context) {
  const { call, ask, can, link, goOn, say, fail, tenant, params: of } = context;
  const changing = Boolean(of.webhook);
  const [catalogue, me, draft] = await Promise.all([
    catalogueOf(call), changing ? undefined : call("GET /v1/me"), changing ? draftOf(ask, of) : { filter: "", metadata: "" },
  ]);
  const old = draft.webhook;
  const picker = eventPicker(catalogue, old?.events);
  const { main, more, removed, dropped } = partsOf(draft, old, me, tenant);
  const events = { ...part("events", "", h("input", { type: "hidden" }), ""), focus: picker.focus };
  events.element.replaceChildren(picker.element, events.problem);
  const parts = [...main, events, ...more];
  const inputs = { ...Object.fromEntries(parts.map(({ name, input }) => [name, input])), removed, dropped };

  // A link for one webhook does not see the other events.
  if (can("add")) {
    const filter = parts.find(({ name }) => name === "filter");
    filter.element.append(preview(context, parts, () => {
      const own = picker.events();
      const fields = { events: own.length > 0 ? own : null, dialect: old?.dialect ?? (inputs.dialect.value || null) };
      return `${JSON.stringify(fields).slice(0, -1)},"filter":${objectIn(filter.input.value, "filter")?.text ?? "null"}}`;
    }));
  }

  async function save() {
    const body = bodyOf(inputs, picker.events(), old);
    if (changing) {
      await ask("PATCH /v1/webhooks/{webhook}", of, { body, ifMatch: draft.etag });
      say(t`Webhook saved.`);
      return goOn(["webhooks", of.webhook]);
    }
    const { webhook } = await call("POST /v1/webhooks", {}, { body });
    keepSecret(webhook);
    say(t`Webhook created.`);
    return goOn(["webhooks", webhook.id]);
  }
  // Told while it is typed: what appeared on leaving the field would move the page under the pointer.
  inputs.url.addEventListener("input", () => {
    const begun = inputs.url.value.trim();
    // What may still become a scheme is not wrong yet.
    const isBegun = ["https", "http"].some((name) => `${name}://`.startsWith(begun.toLowerCase()));
    if (/\s/.test(begun)) mark(main[0], t`A URL has no blanks in it.`);
    else if (!isBegun && !(/^https?:[/][/]/i.test(begun) && URL.canParse(begun))) mark(main[0], t`Enter a whole URL, with HTTPS at its beginning.`);
  });
  const submit = h("button", { type: "submit", class: "primary", id: "save" }, changing ? t`Save` : t`Create webhook`);
  const title = changing ? t`Edit webhook` : t`Add webhook`;
  return {
    title,
    element: form({ class: "card publish", "data-guarded": true }, parts, submit, save, fail,
      h("nav", { class: "crumbs", "aria-label": t`Breadcrumbs` },
        h("a", { href: link(["webhooks"]) }, t`Webhooks`), changing && h("a", { class: "clip", href: link(["webhooks", of.webhook]) }, old.name ?? old.url)),
      h("h1", null, title),
      main.map(({ element }) => element), events.element,
      h("details", { id: "advanced" }, h("summary", null, t`More settings`), h("div", { class: "fields" }, more.map(({ element }) => element))),
      h("div", { class: "actions end" },
        h("a", { class: "button", href: link(changing ? ["webhooks", of.webhook] : ["webhooks"]) }, t`Back`), submit)),
  };
}
