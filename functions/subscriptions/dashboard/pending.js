// What waits on the ladder of a webhook.

import { button, empty, h, region, table, time, until } from "./dom.js";
import { pages } from "./pages.js";

const COLUMNS = ["Event type", "Event", "Accepted", "Attempts", "Next attempt", ""];

/** The list: `queue` holds what is known of it, `refresh` asks for the newest. */
export function pendingList({ call, act, say, confirmed, link, can }, of, limit) {
  const queue = pages(async (cursor) => {
    const page = await call("GET /v1/webhooks/{webhook}/deliveries", of, { query: { status: "pending", cursor, limit } });
    return { items: page.deliveries, next_cursor: page.next_cursor };
  }, ({ id }) => id);

  const sendNow = ({ id: delivery, event_id }) => act(async () => {
    await call("POST /v1/webhooks/{webhook}/deliveries/{delivery}/retry", { ...of, delivery });
    say(`Delivery of ${event_id} sent.`);
  });
  const cancel = ({ id: delivery, event_id }) => act(async () => {
    await call("POST /v1/webhooks/{webhook}/deliveries/{delivery}/cancel", { ...of, delivery });
    queue.drop(delivery);
    say(`Delivery of ${event_id} cancelled.`);
  });
  const cancelAll = () => act(async () => {
    if (!await confirmed("Cancel all waiting deliveries?", "They are not sent unless somebody recovers them.", "Cancel all")) return;
    await call("POST /v1/webhooks/{webhook}/deliveries/cancel", of, { body: { statuses: ["pending"] } });
    say("All waiting deliveries are being cancelled.");
  });

  const row = (item) => [
    item.event_type,
    h("a", { href: link(["events", item.event_id]) }, h("code", null, item.event_id)),
    time(item.created_at), `${item.attempts}`,
    h("span", null, until(item.next_attempt_at), h("span", { class: "sub" }, time(item.next_attempt_at))),
    can("manage") && h("div", { class: "actions" },
      button("Send now", () => sendNow(item), { id: `send-${item.id}`, "aria-label": `Send now: ${item.event_id}` }),
      button("Cancel", () => cancel(item), { id: `cancel-${item.id}`, "aria-label": `Cancel: ${item.event_id}` })),
  ];
  const rows = region({ class: "card" }, ({ items, cursor }) => [
    items.length > 0
      ? [
        table("Waiting deliveries", COLUMNS, items.map(row)),
        can("manage") && h("div", { class: "actions end" }, button("Cancel all…", cancelAll, { id: "cancel-all", class: "danger" })),
      ]
      : empty("Nothing is waiting", "Deliveries that wait for their next attempt appear here."),
    cursor && button("Older", () => act(() => queue.older()), { id: "older", class: "more" }),
  ]);
  return {
    element: rows.element,
    queue,
    async refresh() {
      await queue.refresh();
      rows.show({ items: queue.items, cursor: queue.cursor });
    },
  };
}
