// The attempts of a webhook, newest first: filtered, sent again one by one or several at once.

import { cells, COLUMNS, commandLine } from "./attempt.js";
import { button, choice, copyButton, empty, h, inputTime, localInput, refocus, region, table } from "./dom.js";
import { forgiving, slot } from "./filters.js";
import { named, sentence, t } from "./lang.js";
import { pages } from "./pages.js";
import { typeInput } from "./types.js";

const FILTERS = ["status", "response_status", "event_type", "event_id", "since", "until"];
/** So many are sent again at once. */
const AT_ONCE = 4;

/** The filters of the list, by their names in the address. */
function filtersOf({ query, narrow }, catalogue) {
  const by = (name, read = (value) => value) => ({ target }) => narrow({ ...query, [name]: read(target.value) });
  const when = (id, name) => h("input", { type: "datetime-local", id, value: localInput(query[name]), change: by(name, inputTime) });
  const type = typeInput(catalogue, query.event_type ?? "", t`All`, { id: "event-type", change: by("event_type") });
  // A class of statuses, or one exactly.
  const code = h("input", { type: "text", id: "response", list: "response-list", value: query.response_status, placeholder: t`4xx or 404`, size: 8, autocomplete: "off", spellcheck: "false", change: by("response_status", (value) => value.replace(/\s/g, "").toLowerCase()) });
  return [
    slot("status", t`Status`, choice([["", t`All`], ["succeeded", named("succeeded")], ["failed", named("failed")]], query.status ?? "", { id: "status", change: by("status") })),
    slot("response_status", t`Response`, code, h("span", null, code, h("datalist", { id: "response-list" }, ["2xx", "3xx", "4xx", "5xx"].map((value) => h("option", { value }))))),
    slot("event_type", t`Event type`, type.input, type.element),
    slot("event_id", t`Event id`, h("input", { type: "search", id: "event-id", value: query.event_id ?? "", placeholder: "evt_…", autocomplete: "off", spellcheck: "false", change: by("event_id", (value) => value.trim()) })),
    slot("since", t`Since`, when("from", "since")), slot("until", t`Until`, when("to", "until")),
  ];
}

/** The list and its filters. */
export function deliveries(context, of, catalogue, limit) {
  const { call, act, say, can, link, query } = context;
  const asked = Object.fromEntries(FILTERS.map((name) => [name, query[name]]));
  const filters = filtersOf(context, catalogue);
  // What is chosen stays chosen when newer attempts take its place on the page.
  const chosen = new Map();
  const logs = pages(forgiving(filters, async (cursor) => {
    const page = await call("GET /v1/webhooks/{webhook}/logs", of, { query: { ...asked, cursor, limit } });
    return { items: page.logs, next_cursor: page.next_cursor };
  }), ({ id }) => id, "log");
  const retryable = (entry) => can("manage") && entry.trigger !== "test";

  const retry = (entry) => call("POST /v1/webhooks/{webhook}/logs/{log}/retry", { ...of, log: entry.id });
  const one = (entry) => act(async () => {
    await retry(entry);
    say(t`${entry.event_id} is sent again.`);
  });
  /** Each delivery once, however many of its attempts are chosen. */
  const all = () => act(async () => {
    const entries = new Map([...chosen.values()].map((entry) => [entry.delivery_id, entry]));
    const [open, refused] = [[...entries.values()], []];
    const total = open.length;
    await Promise.all(Array.from({ length: AT_ONCE }, async () => {
      for (let entry = open.pop(); entry; entry = open.pop()) {
        const { event_id: field } = entry;
        await retry(entry).catch((error) => refused.push({ field, problem: sentence(error) }));
      }
    }));
    chosen.clear();
    draw();
    say(total === 1 && refused.length === 0 ? t`1 delivery is sent again.` : t`${total - refused.length} of ${total} deliveries are sent again.`, { kind: refused.length > 0 ? "bad" : "good", details: refused });
  });
  const commandOf = async (entry) => {
    const { log } = await call("GET /v1/webhooks/{webhook}/logs/{log}", { ...of, log: entry.id });
    return commandLine(log.request);
  };
  const row = (entry) => [
    retryable(entry) && h("input", {
      type: "checkbox", id: `choose-${entry.id}`, checked: chosen.has(entry.id), "aria-label": t`Choose ${entry.event_id}`,
      change: ({ target }) => {
        if (target.checked) chosen.set(entry.id, entry);
        else chosen.delete(entry.id);
        draw();
      },
    }),
    ...cells(entry, of.webhook, link),
    h("div", { class: "actions" },
      retryable(entry) && button(t`Send again`, () => one(entry), { id: `again-${entry.id}`, class: "quiet", "aria-label": t`Send again: ${entry.event_id}` }),
      copyButton(() => commandOf(entry), t`Copy as curl: ${entry.event_id}`, t`Copy as curl`)),
  ];
  /** The failed ones of what is shown. */
  const chooseFailed = () => {
    for (const entry of logs.items) if (entry.status === "failed" && retryable(entry)) chosen.set(entry.id, entry);
    draw();
    refocus("send-chosen");
  };
  const narrowed = FILTERS.some((name) => query[name]);
  const list = region({ class: "card" }, ({ items, cursor, number }) => [
    number > 0 && h("div", { class: "actions", id: "selection" },
      h("p", null, t`${number} chosen`),
      button(t`Send again`, all, { id: "send-chosen", class: "primary" }),
      button(t`Choose none`, () => { chosen.clear(); draw(); }, { id: "choose-none" })),
    number === 0 && items.some((entry) => entry.status === "failed" && retryable(entry)) && h("div", { class: "actions" }, button(t`Choose all failed`, chooseFailed, { id: "choose-failed", class: "quiet" })),
    items.length > 0
      ? table(t`Attempts`, [t`Choose`, ...COLUMNS(), ""], items.map(row))
      : cursor
        ? empty(t`No match so far`, t`Older attempts have not been searched yet.`)
        : narrowed ? empty(t`No matching attempts`) : empty(t`No attempts yet`, t`Send a test, or publish an event that the webhook subscribes to.`),
    cursor && button(items.length > 0 ? t`Older` : t`Search further back`, () => act(async () => { await logs.older(); draw(); }), { id: "older", class: "more" }),
  ]);
  const draw = () => list.show({ items: logs.items, cursor: logs.cursor, number: chosen.size, chosen: [...chosen.keys()] });
  return {
    element: list.element,
    filters: h("div", { class: "filters" }, filters.map(({ element }) => element)),
    /** What is chosen, and choosing it again. */
    held: () => chosen,
    hold(held) {
      for (const [id, entry] of held) chosen.set(id, entry);
      draw();
    },
    /** Goes to the first attempt of the list. */
    land() {
      const first = list.element.querySelector("a.row-link");
      first?.scrollIntoView({ block: "center" });
      first?.focus({ preventScroll: true });
    },
    async refresh() {
      await logs.refresh();
      draw();
    },
  };
}
