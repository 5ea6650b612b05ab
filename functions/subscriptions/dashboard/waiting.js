// Deliveries of a webhook that have not succeeded: what waits on the ladder, and what does not go on by itself.

import { backlogOf } from "./chart.js";
import { badge, button, choice, empty, field, h, refocus, region, table, time, until } from "./dom.js";
import { wouldSend } from "./jobs.js";
import { named, t } from "./lang.js";
import { pages } from "./pages.js";

const STATUSES = ["pending", "failed", "held", "missed", "cancelled"];

/** So many pages of what waits are counted, no more often than this. */
const WHOLE_PAGES = 5;
const WHOLE_MS = 15_000;

/** What waits, as far as it is counted. */
async function readWhole(call, of) {
  const items = [];
  let cursor;
  for (let page = 0; page < WHOLE_PAGES && cursor !== null; page += 1) {
    const answer = await call("GET /v1/webhooks/{webhook}/deliveries", of, { query: { status: "pending", cursor, limit: 100 } });
    items.push(...answer.deliveries);
    cursor = answer.next_cursor;
  }
  return { items, cursor };
}

/** The list of the status in the address. */
export function waiting({ call, act, say, confirmed, link, can, narrow, query }, of, limit) {
  const status = STATUSES.includes(query.waiting) ? query.waiting : "pending";
  const isPending = status === "pending";
  const listOf = (wanted) => pages(async (cursor) => {
    const page = await call("GET /v1/webhooks/{webhook}/deliveries", of, { query: { status: wanted, cursor, limit } });
    return { items: page.deliveries, next_cursor: page.next_cursor };
  }, ({ id }) => id, wanted);
  const list = listOf(status);
  // The number of those that wait is shown in any case.
  let whole = { at: 0 };
  const queue = isPending ? list : listOf("pending");

  /** Does something with a row. If it is gone then, the focus goes to the same button of the next one. */
  const withRow = async (button, { id }, action) => {
    const at = list.items.findIndex((item) => item.id === id);
    const near = [list.items[at + 1], list.items[at - 1]].filter(Boolean);
    await act(action);
    refocus(...near.map((item) => `${button}-${item.id}`), "tab-pending");
  };
  const sendNow = (item) => withRow("send", item, async () => {
    await call("POST /v1/webhooks/{webhook}/deliveries/{delivery}/retry", { ...of, delivery: item.id });
    say(t`Delivery of ${item.event_id} sent.`);
  });
  const cancel = (item) => withRow("cancel", item, async () => {
    await call("POST /v1/webhooks/{webhook}/deliveries/{delivery}/cancel", { ...of, delivery: item.id });
    list.drop(item.id);
    say(t`Delivery of ${item.event_id} cancelled.`);
  });
  const cancelAll = () => allOf(async () => {
    if (!await confirmed(t`Cancel all waiting deliveries?`, t`They are not sent unless somebody recovers them.`, t`Cancel all`, t`Keep them`)) return;
    await call("POST /v1/webhooks/{webhook}/deliveries/cancel", of, { body: { statuses: [status] } });
    say(t`All waiting deliveries are being cancelled.`);
  });
  const sendAll = () => allOf(async () => {
    const counted = await call("POST /v1/webhooks/{webhook}/recover", of, { body: { statuses: [status], dry_run: true } });
    if (!await confirmed(t`Send all now?`, wouldSend(counted), t`Send all now`)) return;
    await call("POST /v1/webhooks/{webhook}/recover", of, { body: { statuses: [status] } });
    say(t`All of them are being sent.`);
  });
  const allOf = async (action) => {
    await act(action);
    refocus("send-all", "tab-pending");
  };
  const actions = (item) => h("div", { class: "actions" },
    button(t`Send now`, () => sendNow(item), { id: `send-${item.id}`, "aria-label": t`Send now: ${item.event_id}` }),
    isPending && button(t`Cancel`, () => cancel(item), { id: `cancel-${item.id}`, "aria-label": t`Cancel: ${item.event_id}` }));
  const row = (item) => [
    h("div", null, badge(item.status), " ", item.event_type),
    h("a", { href: link(["events", item.event_id]) }, h("code", null, item.event_id)),
    time(item.created_at), `${item.attempts}`,
    isPending ? h("span", null, until(item.next_attempt_at), h("span", { class: "sub" }, time(item.next_attempt_at))) : time(item.ended_at),
    can("manage") && actions(item),
  ];
  const rows = region({ class: "card" }, ({ items, cursor }) => [
    items.length > 0
      ? [
        table(t`Waiting deliveries`, [t`Event type`, t`Event`, t`Accepted`, t`Attempts`, isPending ? t`Next attempt` : t`Ended`, ""], items.map(row)),
        can("manage") && h("div", { class: "actions end" },
          status !== "cancelled" && button(t`Send all now`, sendAll, { id: "send-all" }),
          isPending && button(t`Cancel all…`, cancelAll, { id: "cancel-all", class: "danger" })),
      ]
      : isPending ? empty(t`Nothing is waiting`, t`Deliveries that wait for their next attempt appear here.`) : empty(t`No deliveries`),
    cursor && button(t`Older`, () => act(async () => { await list.older(); }), { id: "older", class: "more" }),
  ]);
  return {
    element: rows.element,
    filters: h("div", { class: "filters" }, field(t`Status`, choice(STATUSES.map((name) => [name, named(name)]), status, { id: "waiting", change: ({ target }) => narrow({ ...query, waiting: target.value }) }))),
    /** What waits, by when it is due; `isPart` where there is more. The list of it is read further only where it is long, and not at each refresh. */
    async backlog() {
      if (queue.cursor && Date.now() - whole.at > WHOLE_MS) whole = { at: Date.now(), ...await readWhole(call, of) };
      const { items, cursor } = queue.cursor ? whole : queue;
      return { backlog: backlogOf(items), isPart: Boolean(cursor) };
    },
    /** How many wait, as far as is known; `false` for none. */
    count: () => queue.items.length > 0 && `${queue.items.length}${queue.cursor ? "+" : ""}`,
    async refresh() {
      await Promise.all([list.refresh(), queue !== list && queue.refresh()]);
      rows.show({ items: list.items, cursor: list.cursor });
    },
  };
}
