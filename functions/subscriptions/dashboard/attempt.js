// One attempt: what was sent, what came back, and the other attempts of its delivery.

import { badge, button, copyable, copyButton, count, duration, facts, h, region, setNow, time, until } from "./dom.js";
import { pretty } from "./json.js";
import { named, t } from "./lang.js";

/** An attempt's answer in short. */
const answer = ({ response_status: status, status: outcome }) => h("span", { class: (!status || outcome === "failed") && "bad" }, status ?? t`none`);

/** Why an attempt failed: by its code, and in the API's own words, which say more. */
const whyOf = ({ error, error_code: code, response_status: status }) => [h("strong", null, named(code), code === "status" && status && ` (${status})`), ` · ${error}`];

/** The columns of attempts, and what one has there. */
export const COLUMNS = () => [t`Status`, t`Event type`, t`Time`, t`Response`, t`Duration`, t`Attempt`, t`Next attempt`];
export const cells = (entry, webhook, link) => [
  badge(entry.status),
  h("div", null,
    h("a", { class: "row-link", href: link(["webhooks", webhook, "attempts", entry.id]) }, entry.event_type),
    !entry.response_status && h("span", { class: "sub clip", title: entry.error }, entry.error_code && named(entry.error_code))),
  time(entry.attempted_at),
  answer(entry),
  duration(entry.response_time_ms),
  h("span", null, entry.attempt, entry.trigger !== "event" && h("span", { class: "aside" }, ` ${named(entry.trigger)}`)),
  until(entry.next_attempt_at),
];

/** A body as it went over the wire, or a member a line. */
export function body(text, name) {
  const code = h("code");
  const shown = h("pre", { tabindex: 0, "aria-label": name }, code);
  const easy = pretty(text);
  const draw = (raw) => { code.textContent = raw || easy === undefined ? text : easy; };
  const toggle = easy !== undefined && h("label", { class: "toggle" },
    h("input", { type: "checkbox", change: ({ target }) => draw(target.checked) }), t`as sent`);
  draw(false);
  const bytes = new TextEncoder().encode(text).length;
  return h("div", { class: "body" },
    h("div", { class: "bar" }, h("h3", null, name), h("span", { class: "sub" }, t`${count(bytes)} bytes`), toggle, copyButton(text, t`Copy: ${name}`)), shown);
}

/** The request as a command line; what is secret is left to the reader. */
export function commandLine({ url, headers: fields, body: sent }) {
  const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;
  const own = Object.entries(fields).map(([name, value]) => `  -H ${quoted(`${name}: ${value ?? "SECRET"}`)}`);
  return [`curl -X POST ${quoted(url)}`, ...own, ...(sent === null ? [] : [`  --data-raw ${quoted(sent)}`])].join(" \\\n");
}

const headers = (fields) => {
  const names = Object.keys(fields);
  const text = names.map((name) => `${name}: ${fields[name] ?? "SECRET"}`).join("\n");
  return names.length > 0 && h("details", { open: true },
    h("summary", null, t`Headers`),
    h("dl", { class: "headers" }, names.map((name) => h("div", null, h("dt", null, name), h("dd", null, fields[name] ?? t`(secret)`)))),
    copyButton(text, t`Copy the headers`, t`Copy the headers`));
};

/** Request and response of a log entry, side by side. */
export function exchange(log) {
  const { request, response } = log;
  const none = log.trigger === "test" ? t`The body of a test is not stored.` : t`The event and its body have expired.`;
  const sent = h("section", { class: "card" },
    h("div", { class: "bar" }, h("h2", null, t`Request`), copyButton(commandLine(request), t`Copy as curl`, t`Copy as curl`)),
    h("p", null, h("strong", null, "POST "), copyable(request.url, t`Copy the URL`)),
    headers(request.headers),
    request.body === null ? h("p", { class: "sub" }, none) : body(request.body, t`Request body`));
  const received = h("section", { class: "card" },
    h("h2", null, t`Response`),
    response
      ? [
        h("p", null, h("strong", null, t`Status`), " ", answer(log)),
        headers(response.headers),
        response.body ? body(response.body, t`Response body`) : h("p", { class: "sub" }, t`Empty body.`),
      ]
      : h("p", null, t`No response.`));
  return h("div", { class: "exchange" }, sent, received);
}

/** What has happened to a delivery, oldest first, and what comes next. */
function timeline(current, webhook, link) {
  return region({ class: "card", id: "timeline" }, ({ logs, delivery, isWhole }) => {
    const steps = logs.toReversed().map((entry, index, all) => {
      const before = all[index - 1];
      const waited = before && Math.max(0, Date.parse(entry.attempted_at) - Date.parse(before.delivered_at));
      return h("li", { "aria-current": entry.id === current && "step" },
        before && h("span", { class: "sub" }, t`after ${duration(waited)}`),
        h("p", null, badge(entry.status), " ", h("a", { href: link(["webhooks", webhook, "attempts", entry.id]) }, t`Attempt ${entry.attempt}`),
          entry.trigger !== "event" && ` (${named(entry.trigger)})`, " · ", time(entry.attempted_at), " · ", answer(entry), " · ", duration(entry.response_time_ms)),
        entry.error && h("span", { class: "sub" }, whyOf(entry)));
    });
    const next = delivery?.next_attempt_at;
    const last = next
      ? h("li", null, h("p", null, badge("pending"), " ", t`Next attempt ${until(next)}`, " · ", time(next)))
      : delivery && h("li", null, h("p", null, badge(delivery.status), " ", t`Nothing more is due.`));
    return [h("h2", null, t`All attempts of this delivery`), !isWhole && h("p", { class: "sub" }, t`The newest ${logs.length}.`), h("ol", { class: "timeline" }, steps, last)];
  });
}

export async function attempt({ call, act, say, link, can, params }) {
  const of = { webhook: params.webhook };
  const [{ log }, { webhook }] = await Promise.all([
    call("GET /v1/webhooks/{webhook}/logs/{log}", params),
    call("GET /v1/webhooks/{webhook}", of),
  ]);
  const about = region({ class: "card" }, ({ next }) => facts([
    [t`Attempt`, h("span", null, log.attempt, ` (${named(log.trigger)})`)],
    [t`Started`, time(log.attempted_at)],
    [t`Duration`, duration(log.response_time_ms)],
    [t`Next attempt`, next && h("span", null, time(next), " (", until(next), ")")],
    // A test's event is nowhere but here.
    [t`Event`, h("span", { class: "copyable" }, h(log.trigger === "test" ? "span" : "a", { href: log.trigger !== "test" && link(["events", log.event_id]) }, h("code", null, log.event_id)), copyButton(log.event_id, t`Copy the event's id`))],
    [t`Delivery`, copyable(log.delivery_id, t`Copy the delivery's id`)],
    [t`Log entry`, copyable(log.id, t`Copy the log entry's id`)],
  ]));
  const others = timeline(log.id, params.webhook, link);
  // A delivery that succeeded at once has nothing but its log, nor has a test.
  const deliveryOf = () => call("GET /v1/webhooks/{webhook}/deliveries/{delivery}", { ...of, delivery: log.delivery_id }).then(({ delivery }) => delivery, (error) => {
    if (error.status !== 404) throw error;
  });
  async function refresh() {
    const [{ logs, next_cursor }, delivery, { stats }] = await Promise.all([
      call("GET /v1/webhooks/{webhook}/logs", of, { query: { delivery_id: log.delivery_id, limit: 50 } }),
      deliveryOf(),
      call("GET /v1/webhooks/{webhook}/stats", of),
    ]);
    setNow(stats.until);
    about.show({ next: logs.find(({ id }) => id === log.id)?.next_attempt_at });
    others.show({ logs, delivery, isWhole: next_cursor === null });
  }
  await refresh();
  const retry = can("manage") && log.trigger !== "test" && button(t`Send again now`, () => act(async () => {
    await call("POST /v1/webhooks/{webhook}/logs/{log}/retry", params);
    say(t`Sent again. The attempt appears below.`);
  }), { class: "primary", id: "retry" });
  return {
    title: log.event_type,
    refresh,
    element: h("div", null,
      h("nav", { class: "crumbs", "aria-label": t`Breadcrumbs` },
        h("a", { href: link(["webhooks"]) }, t`Webhooks`),
        h("a", { class: "clip", href: link(["webhooks", webhook.id]) }, webhook.name ?? webhook.url)),
      h("div", { class: "heading" }, h("h1", null, badge(log.status), " ", log.event_type), h("div", { class: "actions" }, retry)),
      log.error && h("p", { class: "notice bad" }, whyOf(log)),
      about.element,
      exchange(log),
      others.element),
  };
}
