// Messages that no function could handle: for the operator, who sends them through once more when the cause is mended.

import { button, choice, count, empty, field, h, region, table, time } from "./dom.js";
import { tiles } from "./figures.js";
import { named } from "./lang.js";

/** Whoever looks at dead letters hides them for five seconds, from a redrive too. So they are looked at this seldom, once all are seen. */
const LOOK_MS = 10_000;
const PAGE = 50;

export async function deadLetters({ call, act, say, can, confirmed, link, narrow, query }) {
  const { queue = "" } = query;
  const summary = region(null, (counts) => tiles(Object.entries(counts).map(([name, number]) => [`Queue ${name}`, count(number), number > 0 && "bad"])));
  const rows = region({ class: "card" }, ({ letters, away }) => [
    letters.length > 0 && table("Dead letters", ["Kind", "Queue", "Tenant", "Webhook", "Event", "Attempt", "Receives", "Sent"], letters.map((letter) => [
      named(letter.kind), letter.queue,
      letter.tenant_id && h("a", { href: link(["t", letter.tenant_id, "webhooks"]) }, letter.tenant_id),
      letter.webhook_id && h("a", { href: link(["t", letter.tenant_id, "webhooks", letter.webhook_id]) }, h("code", null, letter.webhook_id)),
      letter.event_id && h("a", { href: link(["t", letter.tenant_id, "events", letter.event_id]) }, h("code", null, letter.event_id)),
      letter.attempt, `${letter.receives}`, time(letter.sent_at),
    ])),
    letters.length === 0 && (away > 0
      ? empty(`${count(away)} cannot be shown at present`, "They are being looked at or sent round again elsewhere. What stays appears here within a minute.")
      : empty("No dead letters", "Messages that no function could handle appear here.")),
  ]);
  let [known, looked] = [[], 0];
  const redrive = () => act(async () => {
    const which = queue ? `of the queue ${queue}` : "of both queues";
    if (!await confirmed(`Send the dead letters ${which} through again?`, "Do this when what stopped them is mended. Whatever cannot be handled comes back here.", "Redrive")) return;
    await call("POST /v1/dead-letters/redrive", {}, { body: { queue: queue || undefined } });
    // What is moved is not known any more, and nobody is in its way.
    [known, looked] = [[], Date.now()];
    say("The redrive has begun.", { link: [link(["jobs"], { kind: "redrive" }), "View the jobs"] });
  });
  async function refresh() {
    if (Date.now() - looked < LOOK_MS) return;
    looked = Date.now();
    const { dead_letters: seen, counts } = await call("GET /v1/dead-letters", {}, { query: { queue, limit: PAGE } });
    const all = queue ? counts[queue] : Object.values(counts).reduce((sum, number) => sum + number);
    // Those that are hidden were seen before, if they are still there.
    const hidden = known.filter(({ id }) => seen.every((letter) => letter.id !== id));
    const most = Math.min(all, PAGE);
    known = [...seen, ...hidden].slice(0, most).toSorted((one, other) => other.sent_at.localeCompare(one.sent_at));
    if (known.length < most) looked = 0;
    summary.show(counts);
    rows.show({ letters: known, away: all - known.length });
  }
  await refresh();
  const chooser = choice([["", "Both"], "deliver", "retry"], queue, { id: "queue", change: ({ target }) => narrow({ queue: target.value }) });
  return {
    title: "Dead letters",
    refresh,
    element: h("div", null,
      h("div", { class: "heading" }, h("h1", null, "Dead letters"), h("div", { class: "filters" }, field("Queue", chooser), can("admin") && button("Redrive…", redrive, { id: "redrive" }))),
      summary.element, rows.element),
  };
}
