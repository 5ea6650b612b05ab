// A tenant's webhooks, and how each has done.

import { session } from "./api.js";
import { badge, button, choice, count, empty, field, h, region, setNow, share, table, time } from "./dom.js";
import { figures, spark, tiles } from "./figures.js";
import { forgiving, slot } from "./filters.js";
import { named, t } from "./lang.js";
import { pages, remember, remembered } from "./pages.js";

/** So many on a page: each asks for its own statistics. */
const PAGE = 20;
const STATS_MS = 60_000;
/** So often those that fail are counted. */
const FAILING_MS = 15_000;

/** Worst first: what fails before what rests, and what works last. */
const RANK = ["failing", "disabled", "paused", "healthy"];
/** The API knows no order by name: so many pages of so many are read, and sorted here. */
const [SORTED_PAGES, SORTED_AT_ONCE] = [10, 100];
/** So many calls make a page of the worst; what they have not found waits for "Show more". */
const CALLS = 8;

/** What a webhook is called. */
export const title = ({ name, description, url }) => name ?? description ?? url;

/** What answers a webhook's name by its id, and that of its tenant where all are looked at; none for one that was deleted. */
export function naming(call, spans) {
  const names = new Map();
  return ({ webhook_id: id, tenant_id: tenant }) => {
    if (!id) return undefined;
    const found = () => call("GET /v1/webhooks/{webhook}", { webhook: id }, spans && tenant ? { tenant } : {}).then(({ webhook }) => title(webhook), (error) => {
      if (error.status === 404) return undefined;
      names.delete(id);
      throw error;
    });
    if (!names.has(id)) names.set(id, found());
    return names.get(id);
  };
}

/** A page of those of each health in turn, the worst first. The cursor tells the health with the API's own. */
async function worstFirst(ask, healths, cursor) {
  let [at, from] = cursor ?? [0, undefined];
  const items = [];
  for (let calls = 0; calls < CALLS && items.length < PAGE && at < healths.length; calls += 1) {
    const page = await ask({ health: healths[at], limit: PAGE - items.length, cursor: from });
    items.push(...page.webhooks);
    from = page.next_cursor;
    if (from === null) [at, from] = [at + 1, undefined];
  }
  return { items, next_cursor: at < healths.length ? [at, from] : null };
}

/** The list in its order: its pages, what is shown of them, and how to show more. */
function listOf(call, slots, { health = "", q = "", sort = "" }) {
  const ask = (query) => call("GET /v1/webhooks", {}, { query: { q, ...query } });
  const byName = sort === "name";
  const list = pages(forgiving(slots, async (cursor) => {
    if (sort === "worst") return worstFirst(ask, health ? [health] : RANK, cursor);
    const page = await ask({ health, limit: byName ? SORTED_AT_ONCE : PAGE, cursor });
    return { items: page.webhooks, next_cursor: page.next_cursor };
  }), ({ id }) => id, byName ? undefined : "webhooks");
  let further = byName ? remembered("webhooks") : 0;
  const shown = () => PAGE * (1 + further);
  return {
    async refresh() {
      const more = byName && list.items.length === 0 ? SORTED_PAGES - 1 : 0;
      await list.refresh();
      for (let page = 0; page < more && list.cursor; page += 1) await list.older();
    },
    async more() {
      if (!byName) return list.older();
      further += 1;
      return remember("webhooks", further);
    },
    items: () => (byName ? list.items.toSorted((one, other) => title(one).localeCompare(title(other))).slice(0, shown()) : list.items),
    hasMore: () => (byName ? list.items.length > shown() : Boolean(list.cursor)),
    /** How many were sorted, if those are not all. */
    bound: () => byName && list.cursor && list.items.length,
  };
}

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
  const rows = region({ class: "card" }, ({ items, statistics, cursor, bound }) => [
    bound && h("p", { class: "hint" }, t`Only the newest ${count(bound)} webhooks are sorted by name. Find others by name, URL or id.`),
    items.length > 0
      ? table(t`Webhooks`, [t`Endpoint`, t`Events`, t`Status`, t`Succeeded`, t`Last 24 hours`], items.map((webhook) => row(webhook, statistics[webhook.id])))
      : cursor
        ? empty(t`No match so far`, t`More webhooks have not been searched yet.`)
        : health || q
          ? empty(t`No matching webhooks`)
          : empty(t`No webhooks yet`, can("add") ? h("a", { class: "button primary", href: link(["add"]) }, t`Add webhook`) : session().unplanned && t`The plan has no webhooks.`),
    cursor && button(t`Show more`, older, { id: "older", class: "more" }),
  ]);
  const healths = [["", t`All`], ...RANK.map((name) => [name, named(name)])];
  const filter = choice(healths, health, { id: "health", change: ({ target }) => narrow({ ...query, health: target.value }) });
  const find = h("input", { type: "search", id: "find", value: q, placeholder: t`Name, URL or id`, maxlength: 128, autocomplete: "off", spellcheck: "false" });
  const slots = [slot("health", t`Health`, filter), slot("q", t`Find`, find)];
  const list = listOf(call, slots, query);
  const draw = () => rows.show({ items: list.items(), cursor: list.hasMore(), bound: list.bound(), statistics: Object.fromEntries([...statistics].map(([id, { stats }]) => [id, stats])) });

  /** Statistics of those that have none, or old ones. They are drawn as they come: a slow one holds up nobody. */
  function measure() {
    const old = list.items().filter(({ id }) => !(Date.now() - statistics.get(id)?.at < STATS_MS));
    for (const { id } of old) {
      statistics.set(id, { ...statistics.get(id), at: Date.now() });
      call("GET /v1/webhooks/{webhook}/stats", { webhook: id }).then(({ stats }) => {
        statistics.set(id, { stats, at: Date.now() });
        draw();
      }, fail);
    }
  }
  const older = () => act(() => list.more());
  /** How many fail, wherever the list has them. */
  const failing = region({ role: "status" }, ({ number, more }) => number > 0 && health !== "failing" && h("p", { class: "notice bad" },
    h("a", { id: "failing", href: link(["webhooks"], { ...query, health: "failing" }) }, more ? t`More than ${count(number)} webhooks are failing.` : number === 1 ? t`1 webhook is failing.` : t`${count(number)} webhooks are failing.`)));
  let counted = 0;
  async function countFailing() {
    if (!can("total") || Date.now() - counted < FAILING_MS) return;
    counted = Date.now();
    const page = await call("GET /v1/webhooks", {}, { query: { health: "failing", limit: 100 } });
    failing.show({ number: page.webhooks.length, more: page.next_cursor !== null });
  }
  async function refresh() {
    const [, total] = await Promise.all([list.refresh(), can("total") && call("GET /v1/stats"), countFailing()]);
    if (total) {
      setNow(total.stats.until);
      summary.show({ ...total.stats, until: undefined });
    }
    measure();
    draw();
  }
  await refresh();
  const order = choice([["", t`Newest first`], ["worst", t`Worst first`], ["name", t`Name`]], sort, { id: "sort", change: ({ target }) => narrow({ ...query, sort: target.value }) });
  const search = h("form", { role: "search", submit: (event) => {
    event.preventDefault();
    narrow({ ...query, q: find.value.trim() });
  } }, slots[1].element);
  return {
    title: t`Webhooks`,
    refresh,
    element: h("div", null,
      h("div", { class: "heading" }, h("h1", null, t`Webhooks`),
        h("div", { class: "filters" }, search, slots[0].element, field(t`Sort`, order), can("add") && h("a", { class: "button primary", id: "add", href: link(["add"]) }, t`Add webhook`))),
      can("total") && [failing.element, summary.element, h("p", { class: "caption" }, t`All webhooks, last 24 hours`)], rows.element),
  };
}
