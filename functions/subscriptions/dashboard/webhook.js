// One webhook: how it does, its attempts, what waits, and what can be done about it.

import { cells, COLUMNS } from "./attempt.js";
import { charts } from "./chart.js";
import { badge, button, choice, count, duration, empty, facts, field, h, localInput, region, setNow, table, time, words } from "./dom.js";
import { member } from "./json.js";
import { pages } from "./pages.js";
import { pendingList } from "./pending.js";
import { recovery } from "./recovery.js";
import { secretPanel } from "./secret.js";
import { catalogueOf, typeInput } from "./types.js";
import { figures, tiles } from "./webhooks.js";

const REASONS = {
  manual: "Somebody disabled it.",
  ladder_used_up: "All attempts of a delivery failed.",
  consecutive_failures: "Too many attempts in a row failed.",
  failing_too_long: "Attempts failed for days without a success.",
  gone: "The receiver responded with 410 Gone.",
  plan: "The tenant's plan has no webhooks.",
  unverified: "Its endpoint has not echoed the challenge yet.",
};

const PAUSES = {
  retry_after: "The receiver asked for it.",
  status: "The receiver is overloaded.",
  manual: "Maintenance.",
};

/** Asked for again and again. */
const PAGE = 25;
/** The API counts no further. */
const FAILURES_COUNTED = 100;

const codes = (names) => names.length > 0 && h("span", { class: "types" }, names.map((name) => h("code", null, name)));

export async function webhook(context) {
  const { call, ask, act, say, can, confirmed, go, link, narrow, params: of, query } = context;
  const base = ["webhooks", of.webhook];
  const span = query.span === "month" ? "month" : "day";
  const tab = query.tab === "pending" ? "pending" : "attempts";

  /** The webhook; of what may hold any number, the text. */
  async function read() {
    const { data: { webhook }, text } = await ask("GET /v1/webhooks/{webhook}", of);
    const textOf = (name) => member(text, ["data", "webhook", name]);
    return { ...webhook, filter: webhook.filter && textOf("filter"), metadata: Object.keys(webhook.metadata).length > 0 && textOf("metadata") };
  }
  const [first, catalogue] = await Promise.all([read(), catalogueOf(call)]);
  const panel = recovery(context, of, first);
  const pending = pendingList(context, of, PAGE);
  const secret = secretPanel(context, of);

  // ---- What can be done

  const typeToTest = typeInput(catalogue, "", "first subscribed type", { id: "test-type", "aria-label": "Event type of the test" });
  const test = button("Send test event", () => act(async () => {
    const { log } = await call("POST /v1/webhooks/{webhook}/test", of, { body: { event_type: typeToTest.input.value || undefined } });
    const outcome = log.response_status ? `status ${log.response_status}` : log.error;
    say(`The test of ${log.event_type} ${log.status}: ${outcome}, after ${duration(log.response_time_ms)}.`, {
      kind: log.status === "succeeded" ? "good" : "bad",
      link: [link([...base, "attempts", log.id]), "View the attempt"],
    });
  }), { id: "test" });
  const enable = () => act(async () => {
    await call("PATCH /v1/webhooks/{webhook}", of, { body: { status: "active" } });
    say("Webhook enabled. Use “Recover” to send what it missed.");
  });
  const disable = () => act(async () => {
    const what = "Attempts stop at once. Waiting deliveries are held and new events are missed; “Recover” can send both later.";
    if (!await confirmed("Disable this webhook?", what, "Disable")) return;
    await call("PATCH /v1/webhooks/{webhook}", of, { body: { status: "disabled" } });
    say("Webhook disabled. Nothing is sent to it.");
  });
  const verify = () => act(async () => {
    await call("POST /v1/webhooks/{webhook}/verify", of);
    say("Endpoint verified. The webhook is active.");
  });

  const remove = () => act(async () => {
    const what = "Attempts stop at once, waiting deliveries are cancelled, and its log is erased. This cannot be undone.";
    if (!await confirmed("Delete this webhook?", what, "Delete")) return;
    await call("DELETE /v1/webhooks/{webhook}", of);
    say("Webhook deleted.");
    go(["webhooks"]);
  });

  // ---- What it is

  const head = region({ class: "heading" }, (hook) => [
    h("div", null,
      h("h1", null, badge(hook.health), " ", hook.name ?? hook.description ?? hook.url.split("/")[2]),
      h("p", null, h("code", null, hook.url))),
    h("div", { class: "actions" },
      can("test") && h("div", { class: "joined" }, typeToTest.element, test),
      can("manage") && [
        button("Recover…", panel.toggle, { id: "recover", "aria-controls": "recovery" }),
        hook.status === "active"
          ? button("Disable", disable, { id: "switch" })
          : hook.disabled?.code === "unverified"
            ? button("Verify the endpoint", verify, { id: "verify", class: "primary" })
            : button("Enable", enable, { id: "switch", class: "primary" }),
        h("a", { class: "button", id: "edit", href: link([...base, "edit"]) }, "Edit"),
        button("Delete…", remove, { id: "delete", class: "danger" }),
      ]),
  ]);
  const why = region(null, ({ disabled, pause }) => pause ? h("div", { class: "notice" },
    h("p", null, h("strong", null, "Paused until "), time(pause.until), ". ", PAUSES[pause.cause] ?? words(pause.cause), ` ${count(pause.waiting)} deliveries are pending.`))
    : disabled && h("div", { class: "notice bad" },
    h("p", null, h("strong", null, "Disabled "), time(disabled.at), ". ", REASONS[disabled.code] ?? words(disabled.code)),
    disabled.log_ids.length > 0 && h("p", null, "Caused by attempts ",
      disabled.log_ids.slice(0, 10).map((id, index) => [index > 0 && ", ", h("a", { href: link([...base, "attempts", id]) }, `${index + 1}`)]))));
  let aboutOpen = false;
  const about = region(null, (hook) => h("details", { class: "card", id: "about", open: aboutOpen, toggle: ({ target }) => { aboutOpen = target.open; } },
    h("summary", null, "Details"),
    facts([
      ["Id", h("code", null, hook.id)],
      ["Events", codes(hook.events)],
      ["Filter", hook.filter && h("code", null, hook.filter)],
      ["Description", hook.description],
      ["Dialect", hook.dialect],
      ["Signatures", codes(hook.signatures.map(({ header, scheme }) => `${header}: ${scheme}`))],
      ["Public key", hook.public_key && h("code", null, hook.public_key)],
      ["Signatures", codes(hook.signatures.map(({ header, scheme }) => `${header}: ${scheme}`))],
      ["Rate limit", hook.rate_limit_per_second && `${hook.rate_limit_per_second} per second`],
      ["Under way at once", hook.max_in_flight && `at most ${hook.max_in_flight}`],
      ["Connections", hook.keep_alive === false && "one for each delivery"],
      ["Own headers", codes(Object.keys(hook.headers))],
      ["Secret headers", codes(hook.secret_headers)],
      ["Metadata", hook.metadata && h("code", null, hook.metadata)],
      ["Created", time(hook.created_at)],
    ])));

  // ---- How it does

  const spans = choice([["day", "last 24 hours"], ["month", "last 30 days"]], span, {
    id: "span", "aria-label": "Time span", change: ({ target }) => narrow({ ...query, span: target.value === "month" && "month" }),
  });
  const statistics = region({ class: "card" }, (stats) => {
    const failures = stats.consecutive_failures;
    return [
      h("div", { class: "heading" }, h("h2", null, "Statistics"), spans),
      tiles([...figures(stats), ["Failed in a row", failures < FAILURES_COUNTED ? failures : `${failures}+`, failures > 0 && "bad"]]),
      charts(stats),
    ];
  });

  // ---- Its attempts

  const logs = pages(async (cursor) => {
    const { status, response_status, event_type, event_id, since } = query;
    const page = await call("GET /v1/webhooks/{webhook}/logs", of, { query: { status, response_status, event_type, event_id, since, cursor, limit: PAGE } });
    return { items: page.logs, next_cursor: page.next_cursor };
  }, ({ id }) => id);
  const narrowed = query.status || query.response_status || query.event_type || query.event_id || query.since;
  const attempts = region({ class: "card" }, ({ items, cursor }) => [
    items.length > 0
      ? table("Attempts", COLUMNS, items.map((entry) => cells(entry, of.webhook, link)))
      : cursor
        ? empty("No match so far", "Older attempts have not been searched yet.")
        : narrowed ? empty("No matching attempts") : empty("No attempts yet", "Send a test, or publish an event that the webhook subscribes to."),
    cursor && button(items.length > 0 ? "Older" : "Search further back", () => act(() => logs.older()), { id: "older", class: "more" }),
  ]);
  const by = (name) => ({ target }) => narrow({ ...query, [name]: target.value });
  const filters = h("div", { class: "filters" },
    field("Status", choice([["", "All"], ["succeeded", "Succeeded"], ["failed", "Failed"]], query.status ?? "", { id: "status", change: by("status") })),
    field("Response", choice([["", "All"], "2xx", "3xx", "4xx", "5xx"], query.response_status ?? "", { id: "response", change: by("response_status") })),
    field("Event type", typeInput(catalogue, query.event_type ?? "", "All", { id: "event-type", change: by("event_type") }).element),
    field("Since", h("input", { type: "datetime-local", id: "from", value: localInput(query.since), change: ({ target }) => narrow({ ...query, since: target.value && new Date(target.value).toISOString() }) })),
    query.event_id && h("p", { class: "chip" }, "event ", h("code", null, query.event_id),
      h("button", { type: "button", class: "quiet", "aria-label": "All events", click: () => narrow({ ...query, event_id: "" }) }, "×")));

  const tabs = region({ class: "tabs", role: "navigation", "aria-label": "Lists" }, ({ waits }) => {
    const tabLink = (name, ...label) => h("a", {
      id: `tab-${name}`, href: link(base, { ...query, tab: name === "pending" && name }), "aria-current": tab === name && "page",
    }, label);
    return [tabLink("attempts", "Recent deliveries"), tabLink("pending", "Pending", waits && h("span", { class: "number" }, waits))];
  });

  async function refresh() {
    const [hook, { stats }] = await Promise.all([
      read(),
      call("GET /v1/webhooks/{webhook}/stats", of, { query: { bucket: span === "month" && "day" } }),
      pending.refresh(),
      tab === "attempts" && logs.refresh(),
    ]);
    await panel.refresh(hook.status);
    setNow(stats.until);
    for (const part of [head, why, about, secret]) part.show(hook);
    // Drawn again when something was counted, not because time passes; but for the hour, which moves the chart.
    statistics.show({ ...stats, until: `${stats.until.slice(0, 13)}:00:00Z` });
    const { items: queued, cursor: more } = pending.queue;
    tabs.show({ waits: queued.length > 0 && `${queued.length}${more ? "+" : ""}` });
    attempts.show({ items: logs.items, cursor: logs.cursor });
  }
  await refresh();
  return {
    title: first.name ?? first.url,
    refresh,
    element: h("div", null,
      h("nav", { class: "crumbs", "aria-label": "Breadcrumbs" }, h("a", { href: link(["webhooks"]) }, "Webhooks")),
      head.element, why.element, panel.element, secret.element, statistics.element, about.element,
      h("div", { class: "heading" }, tabs.element, tab === "attempts" && filters),
      tab === "attempts" ? attempts.element : pending.element),
  };
}
