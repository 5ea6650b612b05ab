// A tenant's webhooks, and how each has done.

import { spark } from "./chart.js";
import { badge, button, choice, count, empty, field, h, region, setNow, share, table, time } from "./dom.js";
import { named, t } from "./lang.js";
import { pages } from "./pages.js";
import { figures, tiles } from "./stats.js";

/** So many on a page: each asks for its own statistics. */
const PAGE = 20;
const STATS_MS = 60_000;

/** Worst first: what fails before what rests, and what works last. */
const RANK = { failing: 0, disabled: 1, paused: 2, healthy: 3 };
const SORTS = {
  worst: (one, other) => RANK[one.health] - RANK[other.health],
  name: (one, other) => title(one).localeCompare(title(other)),
};

/** What a webhook is called. */
export const title = ({ name, description, url }) => name ?? description ?? url;

export async function webhooks({ call, can, link, query, narrow, act, fail }) {
  const { health = "", q = "", sort = "" } = query;
  const statistics = new Map();
  const summary = region(null, (stats) => tiles(figures(stats)));
  const row = (webhook, stats) => {
    const more = webhook.events.length - 3;
    return [
      h("div", { class: "endpoint" },
        h("a", { class: "row-link clip", href: link(["webhooks", webhook.id]) }, title(webhook)),
        h("span", { class: "sub clip", title: webhook.url }, webhook.name || webhook.description ? webhook.url : webhook.id)),
      h("div", { class: "types" },
        webhook.events.slice(0, 3).map((name) => h("code", null, name)),
        more > 0 && h("span", { class: "sub" }, t`and ${more} more`)),
      h("div", null, badge(webhook.health), webhook.disabled && h("span", { class: "sub" }, named(webhook.disabled.code)),
        webhook.failing_since && h("span", { class: "sub" }, t`since ${time(webhook.failing_since)}`)),
      stats
        ? h("span", null, share(stats.succeeded, stats.attempts), stats.failed > 0 && h("span", { class: "sub bad" }, t`${count(stats.failed)} failed`))
        : "…",
      stats ? spark(stats) : h("div", { class: "spark" }),
    ];
  };
  const rows = region({ class: "card" }, ({ items, statistics, cursor }) => [
    items.length > 0
      ? table(t`Webhooks`, [t`Endpoint`, t`Events`, t`Status`, t`Succeeded`, t`Last 24 hours`], items.map((webhook) => row(webhook, statistics[webhook.id])))
      : cursor
        ? empty(t`No match so far`, t`More webhooks have not been searched yet.`)
        : health || q
          ? empty(t`No matching webhooks`)
          : empty(t`No webhooks yet`, can("add") && h("a", { class: "button primary", href: link(["add"]) }, t`Add webhook`)),
    cursor && button(t`Show more`, older, { id: "older", class: "more" }),
  ]);
  const sorted = (items) => (SORTS[sort] ? items.toSorted(SORTS[sort]) : items);
  const draw = () => rows.show({ items: sorted(list.items), cursor: list.cursor, statistics: Object.fromEntries([...statistics].map(([id, { stats }]) => [id, stats])) });

  /** Statistics of those that have none, or old ones. They are drawn as they come: a slow one holds up nobody. */
  function measure() {
    const old = list.items.filter(({ id }) => !(Date.now() - statistics.get(id)?.at < STATS_MS));
    for (const { id } of old) {
      statistics.set(id, { ...statistics.get(id), at: Date.now() });
      call("GET /v1/webhooks/{webhook}/stats", { webhook: id }).then(({ stats }) => {
        statistics.set(id, { stats, at: Date.now() });
        draw();
      }, fail);
    }
  }
  const list = pages(async (cursor) => {
    const page = await call("GET /v1/webhooks", {}, { query: { limit: PAGE, health, q, cursor } });
    return { items: page.webhooks, next_cursor: page.next_cursor };
  }, ({ id }) => id);
  const older = () => act(() => list.older());
  async function refresh() {
    const [, total] = await Promise.all([list.refresh(), can("total") && call("GET /v1/stats")]);
    if (total) {
      setNow(total.stats.until);
      summary.show({ ...total.stats, until: undefined });
    }
    measure();
    draw();
  }
  await refresh();
  const healths = [["", t`All`], ...Object.keys(RANK).map((name) => [name, named(name)])];
  const filter = choice(healths, health, { id: "health", change: ({ target }) => narrow({ ...query, health: target.value }) });
  const order = choice([["", t`Newest first`], ["worst", t`Worst first`], ["name", t`Name`]], sort, { id: "sort", change: ({ target }) => narrow({ ...query, sort: target.value }) });
  const find = h("input", { type: "search", id: "find", value: q, placeholder: t`Name, URL or id`, autocomplete: "off", spellcheck: "false" });
  const search = h("form", { role: "search", submit: (event) => {
    event.preventDefault();
    narrow({ ...query, q: find.value.trim() });
  } }, field(t`Find`, find));
  return {
    title: t`Webhooks`,
    refresh,
    element: h("div", null,
      h("div", { class: "heading" }, h("h1", null, t`Webhooks`),
        h("div", { class: "filters" }, search, field(t`Health`, filter), field(t`Sort`, order), can("add") && h("a", { class: "button primary", id: "add", href: link(["add"]) }, t`Add webhook`))),
      can("total") && [summary.element, h("p", { class: "caption" }, t`All webhooks, last 24 hours`)], rows.element),
  };
}
