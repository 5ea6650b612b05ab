// What was published, where it went, and publishing by hand.

import { body } from "./attempt.js";
import { badge, button, count, empty, facts, field, h, region, table, time, until } from "./dom.js";
import { member, pretty } from "./json.js";
import { pages } from "./pages.js";
import { catalogueOf, typeInput } from "./types.js";

export async function events({ call, act, can, go, link, narrow, query }) {
  const catalogue = await catalogueOf(call);
  const list = pages(async (cursor) => {
    const page = await call("GET /v1/events", {}, { query: { type: query.type, cursor, limit: 25 } });
    return { items: page.events, next_cursor: page.next_cursor };
  }, ({ id }) => id);
  const rows = region({ class: "card" }, ({ items, cursor }) => [
    items.length > 0
      ? table("Events", ["Type", "Id", "Accepted", "Webhooks"], items.map(({ id, type, created_at, deliveries, reason }) => [
        h("a", { class: "row-link", href: link(["events", id]) }, type), h("code", null, id), time(created_at),
        deliveries > 0 ? `${count(deliveries)} ${deliveries === 1 ? "webhook" : "webhooks"}` : h("span", { class: "wait" }, `none${reason ? `: ${reason}` : ""}`),
      ]))
      : cursor
        ? empty("No match so far", "Older events have not been searched yet.")
        : query.type
          ? empty("No matching events")
          : empty("No events yet", can("publish") && ["Publish one with ", h("code", null, "POST /v1/events"), ", or ", h("a", { href: link(["publish"]) }, "here"), "."]),
    cursor && button(items.length > 0 ? "Older" : "Search further back", () => act(() => list.older()), { id: "older", class: "more" }),
  ]);
  async function refresh() {
    await list.refresh();
    rows.show({ items: list.items, cursor: list.cursor });
  }
  await refresh();
  const types = typeInput(catalogue, query.type ?? "", "All", { id: "type", change: ({ target }) => narrow({ type: target.value }) });
  const id = h("input", { type: "search", id: "event-id", placeholder: "evt_…", required: true, autocomplete: "off", spellcheck: "false" });
  const byId = h("form", { role: "search", submit: (event) => {
    event.preventDefault();
    go(["events", id.value.trim()]);
  } }, field("Open by id", id));
  return {
    title: "Events",
    refresh,
    element: h("div", null, h("div", { class: "heading" }, h("h1", null, "Events"), h("div", { class: "filters" }, byId, field("Type", types.element))), rows.element),
  };
}

export async function event({ call, ask, act, link, params }) {
  const [{ data, text }, { webhooks }] = await Promise.all([
    ask("GET /v1/events/{event}", params, {}),
    call("GET /v1/webhooks", {}, { query: { limit: 100 } }),
  ]);
  const { event } = data;
  const names = new Map(webhooks.map(({ id, name, url }) => [id, name ?? url]));
  const payload = member(text, ["data", "event", "payload"]);
  const list = pages(async (cursor) => {
    const page = await call("GET /v1/events/{event}", params, { query: { cursor } });
    return { items: page.deliveries, next_cursor: page.next_cursor };
  }, ({ webhook_id }) => webhook_id);
  const rows = region({ class: "card" }, ({ items, cursor }) => [
    h("h2", null, "Deliveries"),
    items.length > 0
      ? table("Deliveries", ["Webhook", "Status", "Attempts", "Next attempt"], items.map(({ webhook_id: id, status, attempts, next_attempt_at }) => [
        h("div", { class: "endpoint" },
          h("a", { class: "row-link", href: link(["webhooks", id], { event_id: event.id }) }, names.get(id) ?? id),
          names.has(id) && h("span", { class: "sub" }, id)),
        badge(status), `${attempts}`, until(next_attempt_at),
      ]))
      : empty("No deliveries", event.reason),
    cursor && button("Show more", () => act(() => list.older()), { id: "older", class: "more" }),
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
      h("nav", { class: "crumbs", "aria-label": "Breadcrumbs" }, h("a", { href: link(["events"]) }, "Events")),
      h("div", { class: "heading" }, h("h1", null, event.type)),
      h("div", { class: "card" }, facts([["Id", h("code", null, event.id)], ["Accepted", time(event.created_at)], ["Event time", time(event.timestamp)]])),
      rows.element,
      h("section", { class: "card" }, payload && payload !== "null"
        ? body(payload, "Payload in the tenant's dialect")
        : h("p", { class: "sub" }, "No payload in the tenant's own dialect."))),
  };
}

export async function publish({ call, ask, act, say, link, go }) {
  const catalogue = await catalogueOf(call);
  const first = catalogue.event_types[0]?.type ?? "";
  const hint = catalogue.any_type ? "for example order.paid" : undefined;
  const { element: type, input: chosen } = typeInput(catalogue, first, hint, { id: "type", name: "type", required: true });
  const data = h("textarea", { id: "data", rows: 14, spellcheck: "false", autocapitalize: "off", "aria-describedby": "problem" });
  const id = h("input", { type: "text", id: "id", placeholder: "generated", spellcheck: "false", autocapitalize: "off" });
  const problem = h("p", { class: "problem", id: "problem", role: "alert" });
  const description = h("p", { class: "sub" });
  let sample = "";

  /** Puts the type's sample in, unless somebody has written something of their own. */
  async function offer() {
    const known = catalogue.event_types.find(({ type }) => type === chosen.value);
    description.textContent = known?.description ?? "";
    if (!chosen.value || (data.value && data.value !== sample)) return;
    sample = "{}";
    if (known) {
      const { text } = await ask("GET /v1/event-types/{type}", { type: chosen.value }, {});
      sample = pretty(member(text, ["data", "event_type", "sample"])) ?? "{}";
      if (sample === "null") sample = "{}";
    }
    data.value = sample;
  }
  chosen.addEventListener("change", () => act(offer));
  await offer();
  const submit = h("button", { type: "submit", class: "primary", id: "publish" }, "Publish");
  const send = async () => {
    problem.textContent = "";
    const text = data.value.trim() || "{}";
    try {
      JSON.parse(text);
    } catch (error) {
      problem.textContent = `Invalid JSON: ${error.message}`;
      return data.focus();
    }
    // As it was written, digit by digit.
    const members = [`"type":${JSON.stringify(chosen.value)}`, ...(id.value ? [`"id":${JSON.stringify(id.value)}`] : []), `"data":${text}`];
    const { event, deliveries, reason } = await call("POST /v1/events", {}, { body: `{${members.join()}}` });
    if (deliveries > 0) {
      say(`Published to ${count(deliveries)} ${deliveries === 1 ? "webhook" : "webhooks"}.`);
      return go(["events", event.id]);
    }
    say(`Published to no webhook: ${reason}.`, { kind: "wait", link: [link(["events", event.id]), "View the event"] });
  };
  return {
    title: "Publish",
    element: h("form", { class: "card publish", submit: async (event) => {
      event.preventDefault();
      submit.disabled = true;
      await act(send);
      submit.disabled = false;
    } }, h("h1", null, "Publish an event"), field("Event type", type), description, field("Data", data), problem, field("Id (optional)", id),
    h("p", { class: "sub" }, "This publishes a real event to every webhook that subscribes to it."), h("div", { class: "actions end" }, submit)),
  };
}
