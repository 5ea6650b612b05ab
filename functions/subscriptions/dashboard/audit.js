// Who changed what in a tenant.

import { button, choice, empty, h, region, table, time } from "./dom.js";
import { forgiving, slot } from "./filters.js";
import { t } from "./lang.js";
import { pages } from "./pages.js";

const PAGE = 50;
const kinds = () => [["", t`Everything`], ["webhook", t`Webhooks`], ["key", t`API keys`], ["portal_link", t`Portal links`], ["tenant", t`Tenant`], ["event_type", t`Event types`], ["event", t`Events`]];

const value = (each) => (each === null ? "–" : typeof each === "string" ? each : JSON.stringify(each));
const change = ({ field: name, before, after, hidden }) => h("li", null, h("code", null, name), ": ", hidden ? t`changed (secret)` : `${value(before)} → ${value(after)}`);

export async function audit({ call, act, narrow, query }) {
  const kind = query.kind ?? "";
  const filter = slot("action", t`Show`, choice(kinds(), kind, { id: "kind", change: ({ target }) => narrow({ kind: target.value }) }));
  const list = pages(forgiving([filter], async (cursor) => {
    const page = await call("GET /v1/audit", {}, { query: { action: kind && `${kind}.*`, cursor, limit: PAGE } });
    return { items: page.entries, next_cursor: page.next_cursor };
  }), ({ id }) => id, "audit");
  const rows = region({ class: "card" }, ({ items, cursor }) => [
    items.length > 0
      ? table(t`Audit log`, [t`Action`, t`Who`, t`Changes`, t`When`], items.map(({ at, actor, action, target, changes, ip }) => [
        h("div", { class: "endpoint" }, action, h("span", { class: "sub" }, target.id)),
        h("div", { class: "who" }, actor.name ?? actor.id ?? actor.kind, h("span", { class: "sub" }, [actor.kind, ip].filter(Boolean).join(", "))),
        changes.length > 0 ? h("ul", { class: "choices" }, changes.map(change)) : "",
        time(at),
      ]))
      : empty(t`No entries`),
    cursor && button(t`Older`, () => act(() => list.older()), { id: "older", class: "more" }),
  ]);
  async function refresh() {
    await list.refresh();
    rows.show({ items: list.items, cursor: list.cursor });
  }
  await refresh();
  return { title: t`Audit log`, refresh, element: h("div", null, h("div", { class: "heading" }, h("h1", null, t`Audit log`), h("div", { class: "filters" }, filter.element)), rows.element) };
}
