// One attempt: what was sent, what came back, and the other attempts of its delivery.

import { badge, button, copyButton, count, duration, facts, h, region, setNow, table, time, until, words } from "./dom.js";
import { pretty } from "./json.js";

/** An attempt's answer in short. */
export const answer = ({ response_status: status, status: outcome }) => h("span", { class: (!status || outcome === "failed") && "bad" }, status ?? "none");

/** The columns of attempts, and what one has there. */
export const COLUMNS = ["Status", "Event type", "Time", "Response", "Duration", "Attempt", "Next attempt"];
export const cells = (entry, webhook, link) => [
  badge(entry.status),
  h("div", null,
    h("a", { class: "row-link", href: link(["webhooks", webhook, "attempts", entry.id]) }, entry.event_type),
    !entry.response_status && h("span", { class: "sub clip" }, entry.error)),
  time(entry.attempted_at),
  answer(entry),
  duration(entry.response_time_ms),
  h("span", null, entry.attempt, entry.trigger !== "event" && h("span", { class: "aside" }, ` ${entry.trigger}`)),
  until(entry.next_attempt_at),
];

/** A body as it went over the wire, or a member a line. */
export function body(text, name) {
  const code = h("code");
  const shown = h("pre", { tabindex: 0, "aria-label": name }, code);
  const easy = pretty(text);
  const draw = (raw) => { code.textContent = raw || easy === undefined ? text : easy; };
  const toggle = easy !== undefined && h("label", { class: "toggle" },
    h("input", { type: "checkbox", change: ({ target }) => draw(target.checked) }), "as sent");
  draw(false);
  const bytes = new TextEncoder().encode(text).length;
  return h("div", { class: "body" },
    h("div", { class: "bar" }, h("h3", null, name), h("span", { class: "sub" }, `${count(bytes)} bytes`), toggle, copyButton(text, `Copy the ${name.toLowerCase()}`)), shown);
}

/** The request as a command line; what is secret is left to the reader. */
function commandLine({ url, headers: fields, body: sent }) {
  const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;
  const own = Object.entries(fields).map(([name, value]) => `  -H ${quoted(`${name}: ${value ?? "SECRET"}`)}`);
  return [`curl -X POST ${quoted(url)}`, ...own, ...(sent === null ? [] : [`  --data-raw ${quoted(sent)}`])].join(" \\\n");
}

const headers = (fields) => {
  const names = Object.keys(fields);
  return names.length > 0 && h("details", { open: true },
    h("summary", null, "Headers"),
    h("dl", { class: "headers" }, names.map((name) => h("div", null, h("dt", null, name), h("dd", null, fields[name] ?? "(secret)")))));
};

export async function attempt({ call, act, say, link, can, params }) {
  const of = { webhook: params.webhook };
  const [{ log }, { webhook }] = await Promise.all([
    call("GET /v1/webhooks/{webhook}/logs/{log}", params),
    call("GET /v1/webhooks/{webhook}", of),
  ]);
  const about = region({ class: "card" }, ({ next }) => facts([
    ["Attempt", h("span", null, log.attempt, ` (${words(log.trigger)})`)],
    ["Started", time(log.attempted_at)],
    ["Duration", duration(log.response_time_ms)],
    ["Next attempt", next && h("span", null, time(next), " (", until(next), ")")],
    // A test's event is nowhere but here.
    ["Event", h(log.trigger === "test" ? "span" : "a", { href: log.trigger !== "test" && link(["events", log.event_id]) }, h("code", null, log.event_id))],
    ["Delivery", h("code", null, log.delivery_id)],
    ["Log entry", h("code", null, log.id)],
  ]));
  const others = region({ class: "card" }, ({ logs }) => [
    h("h2", null, "All attempts of this delivery"),
    table("Attempts of this delivery", COLUMNS, logs.map((entry) => cells(entry, params.webhook, link))),
  ]);
  async function refresh() {
    const [{ logs }, { stats }] = await Promise.all([
      call("GET /v1/webhooks/{webhook}/logs", of, { query: { delivery_id: log.delivery_id, limit: 20 } }),
      call("GET /v1/webhooks/{webhook}/stats", of),
    ]);
    setNow(stats.until);
    about.show({ next: logs.find(({ id }) => id === log.id)?.next_attempt_at });
    others.show({ logs });
  }
  await refresh();
  const retry = can("manage") && log.trigger !== "test" && button("Send again now", () => act(async () => {
    await call("POST /v1/webhooks/{webhook}/logs/{log}/retry", params);
    say("Sent again. The attempt appears below.");
  }), { class: "primary", id: "retry" });
  const { request, response } = log;
  const none = log.trigger === "test" ? "The body of a test is not stored." : "The event and its body have expired.";
  const sent = h("section", { class: "card" },
    h("div", { class: "bar" }, h("h2", null, "Request"), copyButton(commandLine(request), "Copy as curl", "Copy as curl")),
    h("p", null, h("strong", null, "POST "), h("code", null, request.url)),
    headers(request.headers),
    request.body === null ? h("p", { class: "sub" }, none) : body(request.body, "Body"));
  const received = h("section", { class: "card" },
    h("h2", null, "Response"),
    response
      ? [
        h("p", null, h("strong", null, "Status "), answer(log)),
        headers(response.headers),
        response.body ? body(response.body, "Body") : h("p", { class: "sub" }, "Empty body."),
      ]
      : h("p", null, "No response."));
  return {
    title: log.event_type,
    refresh,
    element: h("div", null,
      h("nav", { class: "crumbs", "aria-label": "Breadcrumbs" },
        h("a", { href: link(["webhooks"]) }, "Webhooks"),
        h("a", { href: link(["webhooks", webhook.id]) }, webhook.name ?? webhook.url)),
      h("div", { class: "heading" }, h("h1", null, badge(log.status), " ", log.event_type), h("div", { class: "actions" }, retry)),
      log.error && h("p", { class: "notice bad" }, log.error),
      about.element,
      h("div", { class: "exchange" }, sent, received),
      others.element),
  };
}
