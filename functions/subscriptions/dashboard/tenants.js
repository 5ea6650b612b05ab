// The operator's tenants, and which of their webhooks fail.

import { badge, button, empty, field, h, region, table, time } from "./dom.js";
import { form, part, textInput } from "./fields.js";
import { named } from "./lang.js";
import { remember, remembered } from "./pages.js";
import { dialectAndPlan } from "./plan.js";
import { title } from "./webhooks.js";

/** So many failing and so many disabled webhooks are shown, over all tenants. */
const FAILING = 100;
/** Why webhooks are disabled that somebody has to look at; the others were disabled on purpose, or have not begun. */
const FAILED = ["ladder_used_up", "consecutive_failures", "failing_too_long", "gone"];
/** So many tenants with failing webhooks are brought to the front of the list, from wherever they stand in it. */
const BROUGHT = 20;

/** So many webhooks that a search finds are shown. */
const FOUND = 20;

/** Since when a webhook gets nothing or fails. */
const badSince = ({ failing_since: since, disabled }) => since ?? disabled?.at ?? "";

/** The webhooks that fail now or were disabled for it, those that have failed for longest first. */
function failingList(link) {
  return region(null, ({ failing, isWhole }) => failing.length > 0 && h("section", { class: "card", id: "failing" },
    h("h2", null, isWhole ? `Failing now: ${failing.length}` : `Failing now: more than ${failing.length}`),
    table("Failing webhooks", ["Webhook", "Health", "Tenant", "Since", "Last failure"], failing.map((webhook) => [
      h("div", { class: "endpoint" },
        h("a", { class: "row-link clip", href: link(["t", webhook.tenant_id, "webhooks", webhook.id]) }, title(webhook)),
        h("span", { class: "sub clip" }, webhook.url)),
      h("div", null, badge(webhook.health), webhook.disabled && h("span", { class: "sub" }, named(webhook.disabled.code))),
      h("a", { href: link(["t", webhook.tenant_id, "webhooks"], { sort: "worst" }) }, webhook.tenant_id),
      time(badSince(webhook)),
      webhook.last_failure && h("span", null, named(webhook.last_failure.error_code), " ", time(webhook.last_failure.at)),
    ]))));
}

/** The webhooks of whichever tenant that a search finds. */
const foundList = (link) => region(null, ({ webhooks, isWhole }) => webhooks.length > 0 && h("section", { class: "card", id: "found" },
  h("h2", null, isWhole ? "Webhooks found" : `Webhooks found: the newest ${webhooks.length}`),
  table("Webhooks found", ["Webhook", "Health", "Tenant"], webhooks.map((webhook) => [
    h("div", { class: "endpoint" },
      h("a", { class: "row-link clip", href: link(["t", webhook.tenant_id, "webhooks", webhook.id]) }, title(webhook)),
      h("span", { class: "sub clip" }, webhook.url)),
    badge(webhook.health), h("a", { href: link(["t", webhook.tenant_id, "webhooks"]) }, webhook.tenant_id),
  ]))));

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
  const [failures, found] = [failingList(link), foundList(link)];
  const list = region({ class: "card" }, ({ rows, bad, more }) => [
    rows.length > 0
      ? table("Tenants", ["Tenant", "Id", "Health", "Dialect", "Plan", "Since"], rows.map(({ id, name, dialect, plan, created_at }) => [
        h("a", { class: "row-link", href: link(["t", id, "webhooks"]) }, name ?? id), h("code", null, id),
        bad[id] ? h("span", null, Object.entries(bad[id]).map(([health, number]) => [badge(health), ` ${number} `])) : "", dialect, plan, time(created_at),
      ]))
      : q
        ? empty("No matching tenant", "Check the spelling.")
        : empty("No tenants yet", "Add one below: each of your customers is a tenant."),
    more && button("Show more", () => act(more), { id: "older", class: "more" }),
  ]);
  /** Tenants with failing webhooks that a later page of the list has. */
  const brought = new Map();
  function draw() {
    const bad = {};
    for (const { tenant_id: id, health } of failing) {
      bad[id] ??= {};
      bad[id][health] = (bad[id][health] ?? 0) + 1;
    }
    const number = ({ id }) => Object.values(bad[id] ?? {}).reduce((sum, each) => sum + each, 0);
    const rest = [...brought.values()].filter((tenant) => tenant && bad[tenant.id] && !known.some(({ id }) => id === tenant.id));
    failures.show({ failing, isWhole });
    // Worst first, and else as they are listed.
    list.show({ rows: [...known, ...rest].toSorted((one, other) => number(other) - number(one)), bad, more: Boolean(cursor) });
  }
  async function bring() {
    // A search shows what was found.
    if (q || !cursor) return;
    const away = new Set(failing.map(({ tenant_id: id }) => id).filter((id) => !known.some((tenant) => tenant.id === id)));
    const wanted = [...away].slice(0, BROUGHT).filter((id) => !brought.has(id));
    await Promise.all(wanted.map(async (tenant) => {
      const found = await call("GET /v1/tenants/{tenant}", { tenant }).catch((error) => { if (error.status !== 404) throw error; });
      brought.set(tenant, found?.tenant);
    }));
  }
  let further = 0;
  async function older() {
    const page = await call("GET /v1/tenants", {}, { query: { limit: 100, q, cursor } });
    known = [...known, ...page.tenants];
    cursor = page.next_cursor;
    draw();
  }
  const more = async () => {
    await older();
    further += 1;
    remember("tenants", further);
  };
  /** The list as far as it was shown when it was left. */
  async function begin() {
    const again = remembered("tenants");
    await older();
    while (further < again && cursor) await more();
  }
  async function refresh() {
    const pages = await Promise.all(["failing", "disabled"].map((health) => call("GET /v1/webhooks", {}, { query: { health, limit: FAILING } })));
    const bad = pages.flatMap(({ webhooks }) => webhooks).filter(({ disabled }) => !disabled || FAILED.includes(disabled.code));
    failing = bad.toSorted((one, other) => badSince(one).localeCompare(badSince(other)));
    isWhole = pages.every(({ next_cursor }) => next_cursor === null);
    await bring();
    draw();
  }
  const searched = async () => {
    const page = q && await call("GET /v1/webhooks", {}, { query: { q, limit: FOUND } });
    if (page) found.show({ webhooks: page.webhooks, isWhole: page.next_cursor === null });
  };
  const [{ dialects }] = await Promise.all([call("GET /v1/me"), begin(), searched()]);
  await refresh();

  const find = h("input", { type: "search", id: "find", value: q, placeholder: "Tenant or webhook", maxlength: 128, autocomplete: "off", spellcheck: "false" });
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
      failures.element, found.element, list.element, can("admin") && newTenant(context, dialects)),
  };
}
