// The event types that there are: what each means, what it looks like, and who defined it.

import { body } from "./attempt.js";
import { badge, empty, facts, h, region, table } from "./dom.js";
import { member } from "./json.js";
import { catalogueOf } from "./types.js";

export async function catalogue({ call, link }) {
  const { event_types: types, any_type: open } = await catalogueOf(call);
  const find = h("input", { type: "search", id: "find-type", placeholder: "Search event types", "aria-label": "Search event types", autocomplete: "off", spellcheck: "false", input: () => draw() });
  const rows = region({ class: "card" }, ({ found }) => (found.length > 0
    ? table("Event types", ["Type", "Groups", "Description"], found.map(({ type, groups, description, deprecated }) => [
      h("div", null, h("a", { class: "row-link", href: link(["types", type]) }, h("code", null, type)), deprecated && badge("deprecated")),
      h("div", { class: "types" }, (groups ?? []).map((group) => h("code", null, group))),
      description,
    ]))
    : empty(types.length > 0 ? "No event type matches" : "No event types yet",
      open && "Any type may be published. Types that the operator defines appear here.")));
  const draw = () => rows.show({ found: types.filter(({ type, description }) => `${type} ${description ?? ""}`.toLowerCase().includes(find.value.trim().toLowerCase())) });
  draw();
  return { title: "Event types", element: h("div", null, h("div", { class: "heading" }, h("h1", null, "Event types"), find), rows.element) };
}

/** The members of a schema's objects as rows: path, type, whether required, what it is. */
function membersOf(schema, path = "") {
  const required = new Set(schema?.required ?? []);
  return Object.entries(schema?.properties ?? {}).flatMap(([name, part]) => {
    const own = path + name;
    const type = [part?.type ?? (part?.enum ? "one of a list" : part?.$ref ?? "any")].flat().join(" or ");
    const row = [h("code", null, own), type, required.has(name) ? "required" : "optional", part?.description ?? ""];
    return [row, ...membersOf(part, `${own}.`), ...membersOf(part?.items, `${own}[].`)];
  });
}

export async function eventType({ ask, link, params }) {
  const { data: { event_type: about }, text } = await ask("GET /v1/event-types/{type}", params);
  const textOf = (name) => member(text, ["data", "event_type", name]);
  const members = membersOf(about.schema);
  return {
    title: about.type,
    element: h("div", null,
      h("nav", { class: "crumbs", "aria-label": "Breadcrumbs" }, h("a", { href: link(["types"]) }, "Event types")),
      h("div", { class: "heading" }, h("h1", null, about.type, about.deprecated && badge("deprecated"))),
      h("section", { class: "card" },
        h("h2", null, "Overview"),
        about.description && h("p", null, about.description),
        facts([["Groups", (about.groups ?? []).join(", ")], ["Deprecated since", about.deprecated?.since], ["Use instead", about.deprecated?.use]]),
        about.sample && body(textOf("sample"), "Sample data")),
      about.schema && h("section", { class: "card" },
        h("h2", null, "Data"),
        members.length > 0 && table("Members of the data", ["Member", "Type", "Required", "Description"], members),
        body(textOf("schema"), "JSON Schema"))),
  };
}
