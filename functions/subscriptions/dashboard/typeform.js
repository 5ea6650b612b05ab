// The form of an event type: defines one, or changes what is said of it. The definition is replaced whole.

import { h } from "./dom.js";
import { Invalid, form, objectIn, part, textInput, textLines } from "./fields.js";
import { member, pretty } from "./json.js";

export async function typeForm({ ask, call, fail, goOn, link, params, query, say, spans }) {
  const asked = { query: { dialect: query.dialect } };
  const changing = Boolean(params.type);
  const read = changing ? await ask("GET /v1/event-types/{type}", params, asked) : undefined;
  const old = read?.data.event_type;
  const textOf = (name) => (old?.[name] ? pretty(member(read.text, ["data", "event_type", name])) : "");
  const parts = [
    part("type", "Type", textInput({ id: "type", value: old?.type, required: true, readonly: changing, placeholder: "order.paid" }), "What publishers send and webhooks subscribe to."),
    part("description", "Description", textInput({ id: "description", value: old?.description }), "What has happened, for those who choose events."),
    part("groups", "Groups", textInput({ id: "groups", value: old?.groups.join(", "), placeholder: "order" }), "Names that several types are subscribed to by, with commas between. Optional."),
    part("sample", "Sample data", textLines({ id: "sample", rows: 8 }, textOf("sample")), "A JSON object as publishers send it. Tests send it, so it must meet the schema."),
    part("schema", "JSON Schema of the data", textLines({ id: "schema", rows: 10 }, textOf("schema")), "Events that do not meet it are refused. Empty takes any data."),
    part("deprecated", "Deprecated", h("input", { type: "checkbox", id: "deprecated", checked: Boolean(old?.deprecated) }), "Still published, but not to be chosen any more."),
    part("deprecated.use", "Use instead", textInput({ id: "use", value: old?.deprecated?.use, placeholder: "order.paid.v2" }), "The type that takes its place. Optional."),
    part("archived", "Archived", h("input", { type: "checkbox", id: "archived", checked: Boolean(old?.archived) }), "Publishing it is refused, and it is not listed any more."),
  ];
  const inputs = Object.fromEntries(parts.map(({ name, input }) => [name, input]));
  async function save() {
    const type = inputs.type.value.trim();
    // The name is a part of the address, which would be another one without it.
    if (!/^[\w./-]{1,128}$/.test(type) || /(^|\/)\.{0,2}(\/|$)/.test(type)) throw new Invalid("type", "Enter a name of 1 to 128 letters, digits, dots, underscores, dashes and slashes.");
    const groups = inputs.groups.value.split(",").map((name) => name.trim()).filter(Boolean);
    const deprecated = inputs.deprecated.checked ? { since: old?.deprecated?.since, use: inputs["deprecated.use"].value.trim() || undefined } : null;
    const fields = { description: inputs.description.value.trim() || null, groups, deprecated, archived: inputs.archived.checked };
    // As they were written, digit by digit.
    const members = ["sample", "schema"].map((name) => [name, objectIn(inputs[name].value, name)]).filter(([, found]) => found).map(([name, { text }]) => `"${name}":${text}`);
    const body = `{${[JSON.stringify(fields).slice(1, -1), ...members].join()}}`;
    try {
      await call("PUT /v1/event-types/{type}", { type }, { ...asked, body, ifMatch: read?.etag, ifNone: !changing });
    } catch (error) {
      if (changing || error.status !== 412) throw error;
      throw new Invalid("type", "There is a type of this name already. Open it among the event types to change it.");
    }
    say("Event type saved.");
    goOn(["types", type], { dialect: query.dialect });
  }
  const submit = h("button", { type: "submit", class: "primary", id: "save-type" }, "Save");
  const title = changing ? `Edit ${old.type}` : "Add event type";
  return {
    title,
    element: form({ class: "card publish", "data-guarded": true }, parts, submit, save, fail,
      h("nav", { class: "crumbs", "aria-label": "Breadcrumbs" }, h("a", { href: link(["types"], { dialect: query.dialect }) }, "Event types")),
      h("h1", null, title),
      h("p", { class: "sub" }, spans ? `For every tenant of the dialect ${query.dialect ?? "standard"}.` : "For this tenant alone; it comes before what the deployment says."),
      parts.map(({ element }) => element),
      h("div", { class: "actions end" }, h("a", { class: "button", href: link(changing ? ["types", old.type] : ["types"], { dialect: query.dialect }) }, "Back"), submit)),
  };
}
