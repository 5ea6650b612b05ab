// What was published, and where it went.

import { body } from "./attempt.js";
import { badge, button, copyable, count, empty, facts, field, h, inputTime, localInput, region, table, time, until } from "./dom.js";
import { forgiving, slot } from "./filters.js";
import { member } from "./json.js";
import { t } from "./lang.js";
import { pages } from "./pages.js";
import { catalogueOf, typeInput } from "./types.js";
import { naming, title } from "./webhooks.js";

/** Why an event goes to no webhook; a reason that the page does not know is said as the API says it. */
const reasonOf = ({ reason, reason_code: code }) => ({
  no_webhook: t`There are no webhooks.`, not_subscribed: t`No webhook subscribes to this type.`, filtered: t`The filters of all webhooks that subscribe to this type leave it out.`,
  disabled: t`Every matching webhook is disabled.`, plan: t`The plan has no webhooks.`,
})[code] ?? reason;

export async function events({ call, act, can, go, link, narrow, query }) {
  const catalogue = await catalogueOf(call);
  const by = (name, read = (value) => value) => ({ target }) => narrow({ ...query, [name]: read(target.value) });
  const when = (id, name) => h("input", { type: "datetime-local", id, value: localInput(query[name]), change: by(name, inputTime) });
  const types = typeInput(catalogue, query.type ?? "", t`All`, { id: "type", change: by("type") });
  const filters = [slot("type", t`Type`, types.input, types.element), slot("since", t`Since`, when("from", "since")), slot("until", t`Until`, when("to", "until"))];
  const list = pages(forgiving(filters, async (cursor) => {
    const { type, since, until } = query;
    const page = await call("GET /v1/events", {}, { query: { type, since, until, cursor, limit: 25 } });
    return { items: page.events, next_cursor: page.next_cursor };
  }), ({ id }) => id, "events");
  const rows = region({ class: "card" }, ({ items, cursor }) => [
    items.length > 0
      ? table(t`Events`, [t`Type`, t`Id`, t`Accepted`, t`Webhooks`], items.map(({ id, type, created_at, deliveries, ...why }) => [
        h("a", { class: "row-link", href: link(["events", id]) }, type), h("code", null, id), time(created_at),
        deliveries > 0 ? count(deliveries) : h("span", { class: "wait" }, t`none`, why.reason && `: ${reasonOf(why)}`),
      ]))
      : cursor
        ? empty(t`No match so far`, t`Older events have not been searched yet.`)
        : query.type || query.since || query.until
          ? empty(t`No matching events`)
          : empty(t`No events yet`, can("publish") && ["Publish one with ", h("code", null, "POST /v1/events"), ", or ", h("a", { href: link(["publish"]) }, "here"), "."]),
    cursor && button(items.length > 0 ? t`Older` : t`Search further back`, () => act(() => list.older()), { id: "older", class: "more" }),
  ]);
  async function refresh() {
    await list.refresh();
    rows.show({ items: list.items, cursor: list.cursor });
  }
  await refresh();
  const id = h("input", { type: "search", id: "event-id", placeholder: "evt_…", size: 28, required: true, autocomplete: "off", spellcheck: "false" });
  const byId = h("form", { role: "search", submit: (event) => {
    event.preventDefault();
    go(["events", id.value.trim()]);
  } }, field(t`Open by id`, id));
  return {
    title: t`Events`,
    refresh,
    element: h("div", null,
      h("div", { class: "heading" }, h("h1", null, t`Events`),
        h("div", { class: "filters" }, byId, filters.map(({ element }) => element))),
      rows.element),
  };
}

export async function event({ call, ask, act, link, params }) {
  const [{ data, text }, { webhooks }] = await Promise.all([
    ask("GET /v1/events/{event}", params, {}),
    call("GET /v1/webhooks", {}, { query: { limit: 100 } }),
  ]);
  const { event } = data;
  const nameOf = naming(call);
  const names = new Map(webhooks.map((webhook) => [webhook.id, title(webhook)]));
  /** Finds the names of those that are shown and were not in the list. */
  const nameAll = (items) => Promise.all(items.filter(({ webhook_id: id }) => !names.has(id)).map(async (item) => names.set(item.webhook_id, await nameOf(item))));
  const payload = member(text, ["data", "event", "payload"]);
  const metadata = Object.keys(event.metadata ?? {}).length > 0 && member(text, ["data", "event", "metadata"]);
  const list = pages(async (cursor) => {
    const page = await call("GET /v1/events/{event}", params, { query: { cursor } });
    await nameAll(page.deliveries);
    return { items: page.deliveries, next_cursor: page.next_cursor };
  }, ({ webhook_id }) => webhook_id, "deliveries");
  const rows = region({ class: "card" }, ({ items, cursor }) => [
    h("h2", null, t`Deliveries`),
    items.length > 0
      ? table(t`Deliveries`, [t`Webhook`, t`Status`, t`Attempts`, t`Next attempt`], items.map(({ webhook_id: id, status, attempts, next_attempt_at }) => [
        h("div", { class: "endpoint" },
          h("a", { class: "row-link clip", href: link(["webhooks", id], { event_id: event.id }) }, names.get(id) ?? id),
          names.get(id) && h("span", { class: "sub" }, id)),
        badge(status), `${attempts}`, until(next_attempt_at),
      ]))
      : empty(t`No deliveries`, reasonOf(event)),
    cursor && button(t`Show more`, () => act(() => list.older()), { id: "older", class: "more" }),
  ]);
  async function refresh() {
    await list.refresh();
    rows.show({ items: list.items, cursor: list.cursor });
  }
  await refresh();
  return {
    title: event.type,
    refresh,
    element: h("div", null,
      h("nav", { class: "crumbs", "aria-label": t`Breadcrumbs` }, h("a", { href: link(["events"]) }, t`Events`)),
      h("div", { class: "heading" }, h("h1", null, event.type)),
      h("div", { class: "card" }, facts([[t`Id`, copyable(event.id, t`Copy the event's id`)], [t`Accepted`, time(event.created_at)], [t`Event time`, time(event.timestamp)]])),
      rows.element,
      h("section", { class: "card" }, payload && payload !== "null"
        ? body(payload, t`Payload in the tenant's dialect`)
        : h("p", { class: "sub" }, t`No payload in the tenant's own dialect.`)),
      metadata && h("section", { class: "card" }, body(metadata, t`Metadata`))),
  };
}
