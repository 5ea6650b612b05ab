// The operator's tenants.

import { button, choice, empty, field, h, region, table, time } from "./dom.js";

export async function tenants({ call, act, link, go, say }) {
  let [known, cursor] = [[], null];
  const find = h("input", { type: "search", id: "find", placeholder: "Name or id", autocomplete: "off", spellcheck: "false", input: () => draw() });
  const list = region({ class: "card" }, ({ rows, more }) => [
    rows.length > 0
      ? table("Tenants", ["Tenant", "Id", "Dialect", "Plan", "Since"], rows.map(({ id, name, dialect, plan, created_at }) => [
        h("a", { class: "row-link", href: link(["t", id, "webhooks"]) }, name ?? id), h("code", null, id), dialect, plan, time(created_at),
      ]))
      : find.value
        ? empty("No match in the list", more ? "Press Enter to open the tenant with exactly this id." : "Check the spelling.")
        : empty("No tenants yet", "Add one below: each of your customers is a tenant."),
    more && button("Show more", older, { id: "older", class: "more" }),
  ]);

  const matching = () => {
    const wanted = find.value.trim().toLowerCase();
    return known.filter(({ id, name }) => `${id} ${name}`.toLowerCase().includes(wanted));
  };
  function draw() {
    list.show({ rows: matching(), more: Boolean(cursor), wanted: find.value.trim() });
  }
  async function older() {
    const page = await call("GET /v1/tenants", {}, { query: { limit: 100, cursor } });
    known = [...known, ...page.tenants];
    cursor = page.next_cursor;
    draw();
  }
  const [{ dialects }] = await Promise.all([call("GET /v1"), older()]);

  /** Enter opens the only match, or else the tenant of exactly this id where the list is not whole. */
  function openFound(event) {
    event.preventDefault();
    const [only, ...others] = matching();
    const id = find.value.trim();
    if (only && (others.length === 0 || only.id === id)) return go(["t", only.id, "webhooks"]);
    if (cursor && /^[A-Za-z0-9_-]{1,64}$/.test(id)) return go(["t", id, "webhooks"]);
    return undefined;
  }
  const text = (id, hint) => h("input", { type: "text", id, placeholder: hint, autocomplete: "off", spellcheck: "false", autocapitalize: "off" });
  const [id, name, plan] = [text("tenant-id", "generated"), text("tenant-name"), text("plan", "none")];
  const dialect = choice(dialects.map((each) => each.name), "standard", { id: "dialect" });
  const form = h("form", { class: "card", submit: (event) => {
    event.preventDefault();
    act(async () => {
      const body = { id: id.value.trim() || undefined, name: name.value.trim(), dialect: dialect.value, plan: plan.value.trim() || undefined };
      const { tenant } = await call("POST /v1/tenants", {}, { body });
      say("Tenant created.");
      go(["t", tenant.id, "webhooks"]);
    });
  } },
    h("h2", null, "Add a tenant"),
    h("div", { class: "actions" }, field("Name", name), field("Id (optional)", id), field("Dialect", dialect), field("Plan (optional)", plan),
      h("button", { type: "submit", class: "primary", id: "make-tenant" }, "Add")));
  return {
    title: "Tenants",
    element: h("div", null,
      h("div", { class: "heading" }, h("h1", null, "Tenants"), h("form", { role: "search", submit: openFound }, field("Find", find))), list.element, form),
  };
}
