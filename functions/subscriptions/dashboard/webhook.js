// One webhook: how it does, its attempts, what waits, and what can be done about it.

import { cells, COLUMNS, waiting } from "./attempt.js";
import { charts } from "./chart.js";
import { badge, button, choice, count, duration, empty, facts, field, h, now, region, setNow, table, time, until, words } from "./dom.js";
import { pages } from "./pages.js";
import { figures, tiles } from "./webhooks.js";

const REASONS = {
  manual: "Somebody disabled it.",
  ladder_used_up: "Every attempt of a delivery failed, to the end of its ladder.",
  consecutive_failures: "Too many attempts in a row failed.",
  failing_too_long: "Attempts failed for days, and none succeeded.",
  gone: "The receiver answered 410 Gone.",
  plan: "The tenant's plan has no webhooks.",
  unverified: "Its endpoint has not echoed the challenge yet.",
};

/** Asked for again and again. */
const PAGE = 25;

const UNSUCCESSFUL = "";
const SCOPES = [[UNSUCCESSFUL, "failed, held and missed"], ["failed", "failed"], ["held", "held"], ["missed", "missed"], ["any", "every event, also what succeeded"]];

/** A choice of event types; any text where the dialect takes any type. */
export function typeInput({ event_types, any_type }, chosen, first, attributes) {
  const names = event_types.map(({ type }) => type);
  if (!any_type) return choice([...(first ? [["", first]] : []), ...names], chosen, attributes);
  const list = `${attributes.id}-list`;
  return h("span", null, h("input", { type: "text", list, value: chosen, placeholder: first, spellcheck: "false", autocapitalize: "off", ...attributes }),
    h("datalist", { id: list }, names.map((value) => h("option", { value }))));
}

const inputOf = (element) => element.querySelector?.("input") ?? element;

/** What is where in a time's own zone, as such inputs want it. */
const localTime = (ms) => new Date(ms - new Date(ms).getTimezoneOffset() * 60_000).toISOString().slice(0, 16);

export async function webhook(context) {
  const { call, act, say, confirmed, link, narrow, params, query } = context;
  const of = { webhook: params.webhook };
  const base = ["webhooks", params.webhook];
  const span = query.span === "month" ? "month" : "day";
  const tab = query.tab === "pending" ? "pending" : "attempts";
  let [hook, catalogue] = (await Promise.all([call("GET /v1/webhooks/{webhook}", of), call("GET /v1/event-types")])).map((data) => data.webhook ?? data);

  // ---- What can be done

  const typeToTest = typeInput(catalogue, "", "its first type", { id: "test-type", "aria-label": "Event type of the test" });
  const test = button("Send a test", () => act(async () => {
    const { log } = await call("POST /v1/webhooks/{webhook}/test", of, { body: { event_type: inputOf(typeToTest).value || undefined } });
    const outcome = log.response_status ? `answered ${log.response_status}` : log.error;
    say(`The test of ${log.event_type} ${log.status}: ${outcome}, after ${duration(log.response_time_ms)}.`, {
      kind: log.status === "succeeded" ? "good" : "bad",
      link: [link([...base, "attempts", log.id]), "Look at it"],
    });
  }), { id: "test" });

  async function enable(status) {
    await call("PATCH /v1/webhooks/{webhook}", of, { body: { status } });
    say(status === "active" ? "It is active. What it missed meanwhile waits for “Recover”." : "It is disabled: nothing is sent to it. What is published meanwhile can be recovered.");
  }
  const disable = () => act(async () => {
    const sure = await confirmed("Disable this webhook?", "Attempts stop at once. What waits is held, and what is published meanwhile is missed; both can be sent later by “Recover”.", "Disable it");
    if (sure) await enable("disabled");
  });
  const verify = () => act(async () => {
    await call("POST /v1/webhooks/{webhook}/verify", of);
    say("The endpoint has echoed the challenge; the webhook is active.");
  });

  const head = region({ class: "heading" }, ({ hook }) => [
    h("div", null, h("h1", null, badge(hook.status), " ", hook.name ?? hook.description ?? hook.url.split("/")[2]), h("p", { class: "line-of-text" }, h("code", null, hook.url))),
    h("div", { class: "actions" },
      h("div", { class: "joined" }, typeToTest, test),
      button("Recover…", () => { recovery.hidden = !recovery.hidden; if (!recovery.hidden) recovery.querySelector("input").focus(); }, { id: "recover", "aria-controls": "recovery" }),
      hook.disabled_reason?.reason === "unverified" && button("Verify the endpoint", verify, { id: "verify", class: "primary" }),
      hook.status === "active"
        ? button("Disable", disable, { id: "switch" })
        : hook.disabled_reason?.reason !== "unverified" && button("Enable", () => act(() => enable("active")), { id: "switch", class: "primary" })),
  ]);
  const why = region(null, ({ hook }) => hook.disabled_reason && h("div", { class: "notice bad" },
    h("p", null, h("strong", null, "Disabled "), time(hook.disabled_at), ". ", REASONS[hook.disabled_reason.reason] ?? words(hook.disabled_reason.reason)),
    hook.disabled_reason.log_ids.length > 0 && h("p", null, "The attempts that led to it: ", hook.disabled_reason.log_ids.slice(0, 10).map((id, index) => [index > 0 && ", ", h("a", { href: link([...base, "attempts", id]) }, `${index + 1}`)]))));
  const about = region(null, ({ hook }) => h("details", { class: "card", id: "about", open: aboutOpen, toggle: ({ target }) => { aboutOpen = target.open; } },
    h("summary", null, "Details"),
    facts([
      ["Id", h("code", null, hook.id)],
      ["Events", h("span", { class: "types" }, hook.events.map((name) => h("code", null, name)))],
      ["Filter", hook.filter && h("code", null, JSON.stringify(hook.filter))],
      ["Description", hook.description],
      ["Dialect", hook.dialect], ["Signing", words(hook.signing)],
      ["Public key", hook.public_key && h("code", null, hook.public_key)],
      ["Old secret signs until", time(hook.old_secret_expires_at)],
      ["Rate limit", hook.rate_limit && `${hook.rate_limit} a second`],
      ["Own headers", Object.keys(hook.headers).length > 0 && h("span", { class: "types" }, Object.keys(hook.headers).map((name) => h("code", null, name)))],
      ["Metadata", Object.keys(hook.metadata).length > 0 && h("code", null, JSON.stringify(hook.metadata))],
      ["Made", time(hook.created_at)],
    ])));
  let aboutOpen = false;

  // ---- Recover: count first, then send

  const since = h("input", { type: "datetime-local", id: "since", required: true, value: localTime(Date.parse(hook.disabled_at) || now() - 86_400_000) });
  const scope = choice(SCOPES, UNSUCCESSFUL, { id: "scope" });
  const asked = () => ({ since: new Date(since.value).toISOString(), status: scope.value || undefined });
  let [counted, running] = [undefined, undefined];
  const outcome = region({ class: "outcome", "aria-live": "polite" }, ({ counted, running, status }) => [
    counted && [
      h("p", null, h("strong", null, `${counted.complete ? "" : "More than "}${count(counted.count)}`), counted.count === 1 ? " delivery would be sent again." : " deliveries would be sent again."),
      counted.count > 0 && (status === "active"
        ? button(`Send ${counted.complete ? count(counted.count) : "them"} again`, send, { class: "primary", id: "send" })
        : h("p", { class: "sub" }, "Enable the webhook first.")),
    ],
    running && h("p", null, badge(running.status), ` ${count(running.sent)} sent`, running.skipped > 0 && `, ${count(running.skipped)} skipped`, running.status === "running" && [", has come to ", time(running.reached)]),
  ]);
  const drawOutcome = () => outcome.show({ counted, running, status: hook.status });
  const recount = () => act(async () => {
    if (!since.reportValidity()) return;
    running = undefined;
    counted = await call("POST /v1/webhooks/{webhook}/recover", of, { body: { ...asked(), dry_run: true } });
    drawOutcome();
  });
  const send = () => act(async () => {
    ({ recovery: running } = await call("POST /v1/webhooks/{webhook}/recover", of, { body: asked() }));
    counted = undefined;
    drawOutcome();
  });
  // What was counted is what is sent.
  const forget = () => { counted = undefined; drawOutcome(); };
  since.addEventListener("input", forget);
  scope.addEventListener("change", forget);
  const recovery = h("section", { class: "card", id: "recovery", hidden: true },
    h("h2", null, "Recover"), h("p", { class: "sub" }, "Sends again what was accepted since then, each delivery on a fresh ladder, with the ids and bytes it always had."),
    h("div", { class: "actions" }, field("Since", since), field("What is", scope), button("Count", recount, { id: "count" })), outcome.element);

  // ---- How it does

  const statistics = region({ class: "card" }, ({ stats }) => [
    h("div", { class: "heading" }, h("h2", null, "How it does"), choice([["day", "last 24 hours"], ["month", "last 30 days"]], span, { id: "span", "aria-label": "Span", change: ({ target }) => narrow({ ...query, span: target.value === "month" && "month" }) })),
    tiles([...figures(stats), ["Failed in a row", `${stats.consecutive_failures}${stats.consecutive_failures === 100 ? "+" : ""}`, stats.consecutive_failures > 0 && "bad"]]),
    charts(stats),
  ]);

  // ---- Attempts

  const logs = pages(async (cursor) => {
    const { status, event_type, event_id } = query;
    const page = await call("GET /v1/webhooks/{webhook}/logs", of, { query: { status, event_type, event_id, cursor, limit: PAGE } });
    return { items: page.logs, next_cursor: page.next_cursor };
  }, ({ id }) => id);
  const narrowed = query.status || query.event_type || query.event_id;
  const attempts = region({ class: "card" }, ({ items, cursor, pending, more }) => [
    items.length > 0
      ? table("Attempts", COLUMNS, items.map((entry) => cells(entry, params.webhook, link, waiting(pending, more))))
      : cursor
        ? empty("None among the newest", "Older ones have not been looked at yet.")
        : narrowed ? empty("No such attempts") : empty("No attempts yet", "Send a test, or publish an event that it subscribes to."),
    cursor && button(items.length > 0 ? "Older" : "Look further back", () => act(() => logs.older()), { id: "older", class: "more" }),
  ]);
  const filters = h("div", { class: "filters" },
    field("Status", choice([["", "All"], ["succeeded", "Succeeded"], ["failed", "Failed"]], query.status ?? "", { id: "status", change: ({ target }) => narrow({ ...query, status: target.value }) })),
    field("Event type", typeInput(catalogue, query.event_type ?? "", "All", { id: "event-type", change: ({ target }) => narrow({ ...query, event_type: target.value }) })),
    query.event_id && h("p", { class: "chip" }, "of event ", h("code", null, query.event_id), h("button", { type: "button", class: "quiet", "aria-label": "Of any event", click: () => narrow({ ...query, event_id: "" }) }, "×")));

  // ---- What waits

  const queue = pages(async (cursor) => {
    const page = await call("GET /v1/webhooks/{webhook}/pending", of, { query: { cursor, limit: PAGE } });
    return { items: page.pending, next_cursor: page.next_cursor };
  }, ({ delivery_id }) => delivery_id);
  const pending = region({ class: "card" }, ({ items, cursor }) => [
    items.length > 0
      ? [
        table("Deliveries that wait", ["Event type", "Event", "Accepted", "Attempt", "Next attempt", ""], items.map(({ delivery_id: delivery, event_type, event_id, accepted_at, attempt, next_attempt_at }) => [
          event_type, h("a", { href: link(["events", event_id]) }, h("code", null, event_id)), time(accepted_at), `${attempt}`,
          h("span", null, until(next_attempt_at), h("span", { class: "sub" }, time(next_attempt_at))),
          h("div", { class: "actions" },
            button("Send now", () => act(async () => {
              await call("POST /v1/webhooks/{webhook}/pending/{delivery}/retry", { ...of, delivery });
              say(`The delivery of ${event_id} is on its way.`);
            }), { id: `send-${delivery}`, "aria-label": `Send ${event_id} now` }),
            button("Cancel", () => act(async () => {
              await call("DELETE /v1/webhooks/{webhook}/pending/{delivery}", { ...of, delivery });
              queue.drop(delivery);
              say(`The delivery of ${event_id} is cancelled.`);
            }), { id: `cancel-${delivery}`, "aria-label": `Cancel ${event_id}` })),
        ])),
        h("div", { class: "actions end" }, button("Cancel all…", cancelAll, { id: "cancel-all", class: "danger" })),
      ]
      : empty("Nothing waits", "What fails and is to be tried again stands here until then."),
    cursor && button("Older", () => act(() => queue.older()), { id: "older", class: "more" }),
  ]);
  const cancelAll = () => act(async () => {
    if (!await confirmed("Cancel all that waits?", "None of it is sent any more, unless somebody recovers it.", "Cancel all")) return;
    const { cancelled, complete } = await call("DELETE /v1/webhooks/{webhook}/pending", of);
    say(`${count(cancelled)} cancelled${complete ? "." : "; there are more, so do it again."}`);
  });

  const tabs = region({ class: "tabs", role: "navigation", "aria-label": "Lists" }, ({ waits }) => {
    const { tab: _, ...others } = query;
    const tabLink = (name, label, to) => h("a", { id: `tab-${name}`, href: link(base, to), "aria-current": tab === name && "page" }, label);
    return [tabLink("attempts", "Attempts", others), tabLink("pending", h("span", null, "Pending", waits && h("span", { class: "number" }, waits)), { ...others, tab: "pending" })];
  });

  async function refresh() {
    const following = running?.status === "running" && call("GET /v1/webhooks/{webhook}/recover/{recovery}", { ...of, recovery: running.id });
    const stats = call("GET /v1/webhooks/{webhook}/stats", of, { query: { bucket: span === "month" && "day" } });
    const [found, measured, , , followed] = await Promise.all([call("GET /v1/webhooks/{webhook}", of), stats, queue.refresh(), tab === "attempts" && logs.refresh(), following]);
    hook = found.webhook;
    setNow(measured.stats.until);
    if (followed) running = followed.recovery;
    for (const part of [head, why, about]) part.show({ hook });
    statistics.show({ stats: { ...measured.stats, until: measured.stats.until.slice(0, 13) + ":00:00Z" } });
    tabs.show({ waits: queue.items.length > 0 && `${queue.items.length}${queue.cursor ? "+" : ""}` });
    attempts.show({ items: logs.items, cursor: logs.cursor, pending: queue.items, more: queue.cursor });
    pending.show({ items: queue.items, cursor: queue.cursor });
    drawOutcome();
  }
  await refresh();
  return {
    title: hook.name ?? hook.url,
    refresh,
    element: h("div", null,
      h("nav", { class: "crumbs", "aria-label": "Where this is" }, h("a", { href: link(["webhooks"]) }, "Webhooks")),
      head.element, why.element, recovery, statistics.element, about.element,
      h("div", { class: "heading" }, tabs.element, tab === "attempts" ? filters : null),
      tab === "attempts" ? attempts.element : pending.element),
  };
}
