// The event types that there are: what each means, what it looks like, and who defined it; and where deliveries come from.

import { body } from "./attempt.js";
import { badge, button, choice, copyable, empty, facts, field, h, region, table, time } from "./dom.js";
import { member } from "./json.js";
import { named, t } from "./lang.js";
import { catalogueOf } from "./types.js";
import { dialectGuide } from "./verify.js";

/** The dialect whose types an operator looks at, and the choice of it. */
async function dialectOf({ call, spans, query, narrow }) {
  if (!spans) return {};
  const { dialects } = await call("GET /v1/me");
  const dialect = query.dialect ?? "standard";
  return { dialect, chooser: field("Dialect", choice(dialects.map(({ name }) => name), dialect, { id: "dialect", change: ({ target }) => narrow({ ...query, dialect: target.value }) })) };
}

export async function catalogue(context) {
  const { call, can, link, query, narrow } = context;
  const { dialect, chooser } = await dialectOf(context);
  const [{ event_types: types, any_type: open }, { egress_ips: addresses }, { dialects, tenant }] = await Promise.all([
    catalogueOf(call, { dialect, archived: query.archived }), call("GET /v1/egress-ips"), call("GET /v1/me"),
  ]);
  const find = h("input", { type: "search", id: "find-type", placeholder: t`Search event types`, "aria-label": t`Search event types`, autocomplete: "off", value: query.q, spellcheck: "false", input: () => search() });
  const rows = region({ class: "card" }, ({ found }) => (found.length > 0
    ? table(t`Event types`, [t`Type`, t`Groups`, t`Description`], found.map(({ type, groups, description, deprecated, archived }) => [
      h("div", null, h("a", { class: "row-link", href: link(["types", type], { dialect }) }, h("code", null, type)), deprecated && [" ", badge("deprecated")], archived && [" ", badge("archived")]),
      h("div", { class: "types" }, (groups ?? []).map((group) => h("code", null, group))),
      description,
    ]))
    : empty(types.length > 0 ? t`No event type matches.` : t`No event types yet`,
      open && t`Any type may be published. Types that are defined appear here.`)));
  const draw = () => rows.show({ found: types.filter(({ type, description }) => `${type} ${description ?? ""}`.toLowerCase().includes(find.value.trim().toLowerCase())) });
  /** Each letter is in the address, but only the page is one to go back to. */
  const search = () => {
    query.q = find.value.trim();
    history.replaceState(history.state, "", link(["types"], query));
    draw();
  };
  draw();
  const archived = h("label", { class: "check" }, h("input", { type: "checkbox", id: "archived", checked: Boolean(query.archived), change: ({ target }) => narrow({ ...query, archived: target.checked && "true" }) }), t`archived too`);
  return {
    title: t`Event types`,
    element: h("div", null,
      h("div", { class: "heading" }, h("h1", null, t`Event types`),
        h("div", { class: "filters" }, archived, chooser, find, can("define") && h("a", { class: "button primary", id: "new-type", href: link(["new-type"], { dialect }) }, "Add event type"))),
      rows.element,
      dialectGuide(dialects, dialect ?? tenant?.dialect ?? "standard"),
      h("section", { class: "card" }, h("h2", null, t`Where deliveries come from`),
        addresses.length > 0
          ? [h("p", { class: "sub" }, t`If your firewall lets only known addresses in, allow these:`), h("ul", { class: "choices" }, addresses.map((each) => h("li", null, copyable(each, t`Copy the address`))))]
          : h("p", { class: "sub" }, t`No fixed addresses. Verify the signature instead of the sender's address.`))),
  };
}

/** So many values of a list are shown beside its type; all of them stand in the schema. */
const VALUES = 20;

/** What a member may be: its type, and the values if those are listed. */
function kindOf(part) {
  const type = [part?.type ?? part?.$ref ?? []].flat().join(t` or `);
  const values = part && "const" in part ? [part.const] : part?.enum;
  if (!Array.isArray(values)) return type || t`any type`;
  const shown = values.slice(0, VALUES).map((value) => [" ", h("code", null, typeof value === "string" ? value : JSON.stringify(value))]);
  return h("div", null, type, " ", h("span", { class: "types" }, t`one of`, shown, values.length > VALUES && t`and ${values.length - VALUES} more`));
}

/** The members of a schema's objects as rows: path, type, whether required, what it is. */
function membersOf(schema, path = "") {
  const required = new Set(schema?.required ?? []);
  return Object.entries(schema?.properties ?? {}).flatMap(([name, part]) => {
    const own = path + name;
    const row = [h("code", null, own), kindOf(part), required.has(name) ? t`required` : t`optional`, part?.description ?? ""];
    return [row, ...membersOf(part, `${own}.`), ...membersOf(part?.items, `${own}[].`)];
  });
}

export async function eventType({ call, ask, act, say, can, confirmed, goOn, link, params, query }) {
  const asked = { query: { dialect: query.dialect } };
  const { data: { event_type: about }, text } = await ask("GET /v1/event-types/{type}", params, asked);
  const textOf = (name) => member(text, ["data", "event_type", name]);
  const members = membersOf(about.schema);
  const remove = () => act(async () => {
    if (!await confirmed(`Delete the definition of ${about.type}?`, "What the dialect or the deployment says of it is in force again. Archive it instead to refuse its events.", "Delete")) return;
    await call("DELETE /v1/event-types/{type}", params, asked);
    say("Definition deleted.");
    goOn(["types"], { dialect: query.dialect });
  });
  return {
    title: about.type,
    element: h("div", null,
      h("nav", { class: "crumbs", "aria-label": t`Breadcrumbs` }, h("a", { href: link(["types"], { dialect: query.dialect }) }, t`Event types`)),
      h("div", { class: "heading" }, h("h1", null, about.type, about.deprecated && badge("deprecated"), about.archived && badge("archived")),
        can("define") && h("div", { class: "actions" },
          h("a", { class: "button", id: "edit-type", href: link(["types", about.type, "edit"], { dialect: query.dialect }) }, "Edit"),
          about.source !== "dialect" && button("Delete…", remove, { id: "delete-type", class: "danger" }))),
      h("section", { class: "card" },
        h("h2", null, t`Overview`),
        about.description && h("p", null, about.description),
        facts([[t`Defined by`, named(about.source)], [t`Other names`, (about.aliases ?? []).join(", ")], [t`Groups`, (about.groups ?? []).join(", ")], [t`Deprecated since`, about.deprecated && time(about.deprecated.since)], [t`Use instead`, about.deprecated?.use]]),
        about.sample && body(textOf("sample"), t`Sample data`)),
      about.schema && h("section", { class: "card" },
        h("h2", null, t`Data`),
        h("p", { class: "sub" }, t`Version ${about.schema_version} of the schema`),
        members.length > 0 && table(t`Members of the data`, [t`Member`, t`Type`, t`Required`, t`Description`], members),
        body(textOf("schema"), "JSON Schema"))),
  };
}
