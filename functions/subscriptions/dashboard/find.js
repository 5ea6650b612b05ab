// The operator's search for an event whose tenant is not known: "we never got that webhook".

import { button, count, empty, field, h, region, table, time } from "./dom.js";

/** So many tenants are asked at once, and so many before somebody wants more. */
const AT_ONCE = 8;
const TENANTS = 1_000;

/** The id and, where it is known, the tenant. */
function searchForm({ go, narrow, query }) {
  const id = h("input", { type: "search", id: "event-id", value: query.event_id, placeholder: "evt_…", size: 28, required: true, autocomplete: "off", spellcheck: "false" });
  const tenant = h("input", { type: "search", id: "event-tenant", placeholder: "Any", autocomplete: "off", spellcheck: "false" });
  return h("form", { role: "search", class: "filters", submit: (event) => {
    event.preventDefault();
    if (tenant.value.trim()) go(["t", tenant.value.trim(), "events", id.value.trim()]);
    else narrow({ event_id: id.value.trim() });
  } }, field("Event id", id), field("Tenant, if known", tenant), h("button", { type: "submit", class: "primary", id: "find-event" }, "Find"));
}

export async function findEvent(context) {
  const { call, act, fail, link, query } = context;
  const { event_id: id } = query;
  const found = [];
  let [asked, cursor, isOver] = [0, undefined, !id];
  /** The event of one tenant, which has it or not: an id is the tenant's own. */
  const ask = async ({ id: tenant, name }) => {
    const answer = await call("GET /v1/events/{event}", { event: id }, { tenant, query: { limit: 100 } }).catch((error) => { if (error.status !== 404) throw error; });
    if (answer) found.push({ ...answer, tenant, name });
    asked += 1;
  };
  async function search() {
    isOver = false;
    for (const end = asked + TENANTS; asked < end && cursor !== null;) {
      const page = await call("GET /v1/tenants", {}, { query: { limit: 100, cursor } });
      const open = [...page.tenants];
      await Promise.all(Array.from({ length: AT_ONCE }, async () => {
        for (let tenant = open.pop(); tenant; tenant = open.pop()) await ask(tenant);
      }));
      cursor = page.next_cursor;
      draw();
    }
    isOver = true;
    draw();
  }
  const sums = (deliveries) => Object.entries(Object.groupBy(deliveries, ({ status }) => status)).map(([status, own]) => `${count(own.length)} ${status}`).join(", ");
  const rows = region({ class: "card", "aria-live": "polite" }, ({ asked, isOver, more }) => [
    found.length > 0 && table("Events", ["Event", "Tenant", "Accepted", "Deliveries"], found.map(({ event, deliveries, next_cursor: next, tenant, name }) => [
      h("a", { class: "row-link", href: link(["t", tenant, "events", event.id]) }, event.type),
      h("a", { href: link(["t", tenant, "webhooks"]) }, name ?? tenant), time(event.created_at),
      deliveries.length > 0 ? `${sums(deliveries)}${next ? ", …" : ""}` : h("span", { class: "wait" }, "none", event.reason && `: ${event.reason}`),
    ])),
    id && isOver && found.length === 0 && empty("No such event", `No tenant that was asked has one of this id. What was never accepted, or is older than the tenant's retention, is not there.`),
    !id && empty("Which event?", "Its id is in the answer to whoever published it, and in what the webhook was sent. Each tenant is asked for it; with the tenant it opens at once."),
    id && h("p", { class: "sub" }, isOver ? `Tenants asked: ${count(asked)}.` : `Asking the tenants: ${count(asked)} so far…`),
    more && button("Ask more tenants", () => act(search), { id: "older", class: "more" }),
  ]);
  const draw = () => rows.show({ asked, isOver, found: found.length, more: isOver && Boolean(cursor) });
  draw();
  // The page stands while it searches, and what is found is shown as it comes.
  if (id) search().catch(fail);
  return { title: "Find an event", element: h("div", null, h("div", { class: "heading" }, h("h1", null, "Find an event"), searchForm(context)), rows.element) };
}
