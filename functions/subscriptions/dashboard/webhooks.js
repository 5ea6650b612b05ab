// A tenant's webhooks, and how each has done.

import { spark } from "./chart.js";
import { badge, button, choice, count, duration, empty, field, h, region, setNow, share, table, words } from "./dom.js";
import { pages } from "./pages.js";

/** So many on a page: each asks for its own statistics. */
const PAGE = 20;
const STATS_MS = 60_000;

/** Figures of a span. */
export function tiles(figures) {
  return h("dl", { class: "tiles" }, figures.map(([name, value, kind]) => h("div", { class: kind }, h("dt", null, name), h("dd", null, value))));
}

/** What stands out in a span's counts. */
export const figures = (stats) => [
  ["Attempts", count(stats.attempts)],
  ["Succeeded", share(stats.succeeded, stats.attempts)],
  ["Failed", count(stats.failed), stats.failed > 0 && "bad"],
  ["Latency p50 / p95", `${duration(stats.latency_ms.p50)} / ${duration(stats.latency_ms.p95)}`],
];

export async function webhooks({ call, can, link, query, narrow, act, fail }) {
  const { health = "", q = "" } = query;
  const statistics = new Map();
  const summary = region(null, (stats) => tiles(figures(stats)));
  const rows = region({ class: "card" }, ({ items, statistics, cursor }) => [
    items.length > 0
      ? table("Webhooks", ["Endpoint", "Events", "Status", "Succeeded", "Last 24 hours"], items.map((webhook) => {
        const stats = statistics[webhook.id];
        const reason = webhook.disabled && h("span", { class: "sub" }, words(webhook.disabled.code));
        const more = webhook.events.length - 3;
        return [
          h("div", { class: "endpoint" },
            h("a", { class: "row-link clip", href: link(["webhooks", webhook.id]) }, webhook.name ?? webhook.description ?? webhook.url),
            h("span", { class: "sub clip", title: webhook.url }, webhook.name || webhook.description ? webhook.url : webhook.id)),
          h("div", { class: "types" },
            webhook.events.slice(0, 3).map((name) => h("code", null, name)),
            more > 0 && h("span", { class: "sub" }, `and ${more} more`)),
          h("div", null, badge(webhook.health), reason),
          stats
            ? h("span", null, share(stats.succeeded, stats.attempts), stats.failed > 0 && h("span", { class: "sub bad" }, `${count(stats.failed)} failed`))
            : "…",
          stats ? spark(stats) : h("div", { class: "spark" }),
        ];
      }))
      : cursor
        ? empty("No match so far", "More webhooks have not been searched yet.")
        : health || q
          ? empty("No matching webhooks")
          : empty("No webhooks yet", can("add") && h("a", { class: "button primary", href: link(["add"]) }, "Add webhook")),
    cursor && button("Show more", older, { id: "older", class: "more" }),
  ]);
  const draw = () => rows.show({ items: list.items, cursor: list.cursor, statistics: Object.fromEntries([...statistics].map(([id, { stats }]) => [id, stats])) });

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
  const healths = [["", "All"], ["healthy", "Healthy"], ["failing", "Failing"], ["paused", "Paused"], ["disabled", "Disabled"]];
  const filter = choice(healths, health, { id: "health", change: ({ target }) => narrow({ ...query, health: target.value }) });
  const find = h("input", { type: "search", id: "find", value: q, placeholder: "Name, URL or id", autocomplete: "off", spellcheck: "false" });
  const search = h("form", { role: "search", submit: (event) => {
    event.preventDefault();
    narrow({ ...query, q: find.value.trim() });
  } }, field("Find", find));
  return {
    title: "Webhooks",
    refresh,
    element: h("div", null,
      h("div", { class: "heading" }, h("h1", null, "Webhooks"),
        h("div", { class: "filters" }, search, field("Health", filter), can("add") && h("a", { class: "button primary", id: "add", href: link(["add"]) }, "Add webhook"))),
      can("total") && [summary.element, h("p", { class: "caption" }, "All webhooks, last 24 hours")], rows.element),
  };
}
