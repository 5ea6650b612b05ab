// The operator's tenants, and which of their webhooks fail.

import { badge, button, empty, field, h, region, table, time } from "./dom.js";
import { form, part, textInput } from "./fields.js";
import { named } from "./lang.js";
import { dialectAndPlan } from "./plan.js";
import { title } from "./webhooks.js";

/** So many failing and disabled webhooks are shown, over all tenants. */
const FAILING = 100;

/** The webhooks that fail now, those that have failed for longest first. */
function failingList(link) {
  return region(null, ({ failing, isWhole }) => failing.length > 0 && h("section", { class: "card", id: "failing" },
    h("h2", null, isWhole ? `Failing now: ${failing.length}` : `Failing now: more than ${failing.length}`),
    table("Failing webhooks", ["Webhook", "Tenant", "Since", "Last failure"], failing.map((webhook) => [
      h("div", { class: "endpoint" },
        h("a", { class: "row-link clip", href: link(["t", webhook.tenant_id, "webhooks", webhook.id]) }, title(webhook)),
        h("span", { class: "sub clip" }, webhook.url)),
      h("a", { href: link(["t", webhook.tenant_id, "webhooks"], { sort: "worst" }) }, webhook.tenant_id),
      time(webhook.failing_since),
      webhook.last_failure && h("span", null, named(webhook.last_failure.error_code), " ", time(webhook.last_failure.at)),
    ]))));
}

/** The form of a new tenant. */
function newTenant({ call, go, say, fail }, dialects) {
  const parts = [
    part("name", "Name", textInput({ id: "tenant-name" }), "As you call the customer."),
    part("id", "Id", textInput({ id: "tenant-id", placeholder: "generated" }), "Optional. As your product calls it."),
    ...dialectAndPlan(dialects, { dialect: "standard" }, { dialect: "The format of what is sent.", plan: "Optional. One of the dialect's plans." }),
  ];
  const save = async () => {
    const [name, id, dialect, plan] = parts.map(({ input }) => input);
    const body = { id: id.value.trim() || undefined, name: name.value.trim(), dialect: dialect.value, plan: plan.value.trim() || undefined };
    const { tenant } = await call("POST /v1/tenants", {}, { body });
    say("Tenant created.");
    go(["t", tenant.id, "webhooks"]);
  };
  const submit = h("button", { type: "submit", class: "primary", id: "make-tenant" }, "Add");
  return form({ class: "card" }, parts, submit, save, fail,
    h("h2", null, "Add a tenant"), h("div", { class: "actions" }, parts.map(({ element }) => element)), h("div", { class: "actions end" }, submit));
}

export async function tenants(context) {
  const { call, act, can, link, go, narrow, query } = context;
  const { q = "" } = query;
  let [known, cursor, failing, isWhole] = [[], null, [], true];
  const failures = failingList(link);
  const list = region({ class: "card" }, ({ rows, bad, more }) => [
    rows.length > 0
      ? table("Tenants", ["Tenant", "Id", "Health", "Dialect", "Plan", "Since"], rows.map(({ id, name, dialect, plan, created_at }) => [
        h("a", { class: "row-link", href: link(["t", id, "webhooks"]) }, name ?? id), h("code", null, id),
        bad[id] ? h("span", null, badge("failing"), ` ${bad[id]}`) : "", dialect, plan, time(created_at),
      ]))
      : q
        ? empty("No matching tenant", "Check the spelling.")
        : empty("No tenants yet", "Add one below: each of your customers is a tenant."),
    more && button("Show more", () => act(older), { id: "older", class: "more" }),
  ]);
  function draw() {
    const bad = {};
    for (const { tenant_id: id } of failing) bad[id] = (bad[id] ?? 0) + 1;
    failures.show({ failing, isWhole });
    // Worst first, and else as they are listed.
    list.show({ rows: known.toSorted((one, other) => (bad[other.id] ?? 0) - (bad[one.id] ?? 0)), bad, more: Boolean(cursor) });
  }
  async function older() {
    const page = await call("GET /v1/tenants", {}, { query: { limit: 100, q, cursor } });
    known = [...known, ...page.tenants];
    cursor = page.next_cursor;
    draw();
  }
  async function refresh() {
    const page = await call("GET /v1/webhooks", {}, { query: { health: "failing", limit: FAILING } });
    failing = page.webhooks.toSorted((one, other) => (one.failing_since ?? "").localeCompare(other.failing_since ?? ""));
    isWhole = page.next_cursor === null;
    draw();
  }
  const [{ dialects }] = await Promise.all([call("GET /v1/me"), older(), refresh()]);

  const find = h("input", { type: "search", id: "find", value: q, placeholder: "Name or id", autocomplete: "off", spellcheck: "false" });
  /** Enter searches; the only match, or the tenant of exactly this id, is opened. */
  const search = (event) => {
    event.preventDefault();
    act(async () => {
      const wanted = find.value.trim();
      const { tenants: found } = await call("GET /v1/tenants", {}, { query: { limit: 2, q: wanted } });
      const same = found.find(({ id }) => id === wanted) ?? (wanted && found.length === 1 && found[0]);
      if (same) go(["t", same.id, "webhooks"]);
      else narrow({ q: wanted });
    });
  };
  return {
    title: "Tenants",
    refresh,
    element: h("div", null,
      h("div", { class: "heading" }, h("h1", null, "Tenants"), h("form", { role: "search", submit: search }, field("Find", find))),
      failures.element, list.element, can("admin") && newTenant(context, dialects)),
  };
}
