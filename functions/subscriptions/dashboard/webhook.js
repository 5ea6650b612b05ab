// One webhook: how it does, its attempts, what waits, and what can be done about it.

import { badge, button, copyable, copyButton, count, facts, h, region, time } from "./dom.js";
import { deliveries } from "./deliveries.js";
import { member } from "./json.js";
import { named, t } from "./lang.js";
import { maintenance } from "./maintenance.js";
import { recovery } from "./recovery.js";
import { secretPanel } from "./secret.js";
import { measuring, statistics } from "./stats.js";
import { testing } from "./testing.js";
import { catalogueOf } from "./types.js";
import { waiting } from "./waiting.js";
import { title } from "./webhooks.js";

const REASONS = () => ({
  manual: t`Somebody disabled it.`,
  ladder_used_up: t`All attempts of a delivery failed.`,
  consecutive_failures: t`Too many attempts in a row failed.`,
  failing_too_long: t`Attempts failed for days without a success.`,
  gone: t`The receiver responded with 410 Gone.`,
  plan: t`The plan has no webhooks.`,
  unverified: t`Its endpoint has not echoed the challenge yet.`,
});

const PAUSES = () => ({ retry_after: t`The receiver asked for it.`, status: t`The receiver is overloaded.`, manual: t`Maintenance.` });

/** Asked for again and again. */
const PAGE = 25;
/** The API counts no further. */
const FAILURES_COUNTED = 100;

/** The panels of a webhook's page, by the element that holds them: what a person has done there outlasts a change of the address. */
const PANELS = new WeakMap();

const codes = (names) => names.length > 0 && h("span", { class: "types" }, names.map((name) => h("code", null, name)));

/** What can be changed at once: enabled or not, verified, deleted. */
function switches({ call, act, say, confirmed, goOn }, of) {
  return {
    enable: (recover) => act(async () => {
      await call("PATCH /v1/webhooks/{webhook}", of, { body: { status: "active", ...(recover && { recover }) } });
      say(recover ? t`Webhook enabled. What it missed is being sent.` : t`Webhook enabled. Use “Recover” to send what it missed.`);
    }),
    disable: () => act(async () => {
      const what = t`Attempts stop at once. Waiting deliveries are held and new events are missed; “Recover” can send both later.`;
      if (!await confirmed(t`Disable this webhook?`, what, t`Disable`)) return;
      await call("PATCH /v1/webhooks/{webhook}", of, { body: { status: "disabled" } });
      say(t`Webhook disabled. Nothing is sent to it.`);
    }),
    verify: () => act(async () => {
      await call("POST /v1/webhooks/{webhook}/verify", of);
      say(t`Endpoint verified. The webhook is active.`);
    }),
    remove: () => act(async () => {
      const what = t`Attempts stop at once, waiting deliveries are cancelled, and its log is erased. This cannot be undone.`;
      if (!await confirmed(t`Delete this webhook?`, what, t`Delete`)) return;
      await call("DELETE /v1/webhooks/{webhook}", of);
      say(t`Webhook deleted.`);
      goOn(["webhooks"]);
    }),
  };
}

/** Why nothing is sent now. */
function whyNot(base, link) {
  return region(null, ({ disabled, pause }) => {
    if (pause) {
      return h("div", { class: "notice" },
        h("p", null, h("strong", null, t`Paused until ${time(pause.until)}.`), " ", PAUSES()[pause.cause] ?? named(pause.cause), " ", pause.waiting === 1 ? t`1 delivery is waiting.` : t`${count(pause.waiting)} deliveries are waiting.`));
    }
    return disabled && h("div", { class: "notice bad" },
      h("p", null, h("strong", null, t`Disabled ${time(disabled.at)}.`), " ", REASONS()[disabled.code] ?? named(disabled.code)),
      disabled.log_ids.length > 0 && h("p", null, t`Caused by attempts`, " ",
        disabled.log_ids.slice(0, 10).map((id, index) => [index > 0 && ", ", h("a", { href: link([...base, "attempts", id]) }, `${index + 1}`)])));
  });
}

/** Everything else that is known of a webhook. */
function details() {
  let isOpen = false;
  return region(null, (hook) => h("details", { class: "card", id: "about", open: isOpen, toggle: ({ target }) => { isOpen = target.open; } },
    h("summary", null, t`Details`),
    facts([
      [t`Id`, copyable(hook.id, t`Copy the id`)],
      [t`Events`, codes(hook.events)],
      [t`Filter`, hook.filter && h("code", null, hook.filter)],
      [t`Description`, hook.description],
      [t`Dialect`, hook.dialect],
      [t`Signatures`, codes(hook.signatures.map(({ header, scheme }) => `${header}: ${scheme}`))],
      [t`Public key`, hook.public_key && copyable(hook.public_key, t`Copy the public key`)],
      [t`Rate limit`, hook.rate_limit_per_second && t`${hook.rate_limit_per_second} per second`],
      [t`At the same time`, hook.max_in_flight && t`at most ${hook.max_in_flight}`],
      [t`Connections`, hook.keep_alive === false && t`one for each delivery`],
      [t`Own headers`, codes(Object.keys(hook.headers))],
      [t`Secret headers`, codes(hook.secret_headers)],
      [t`Client certificate`, hook.client_certificate && h("code", null, `SHA-256 ${hook.client_certificate.sha256}`)],
      [t`Metadata`, hook.metadata && h("code", null, hook.metadata)],
      [t`Last success`, time(hook.last_success_at)],
      [t`Last failure`, hook.last_failure && time(hook.last_failure.at)],
      [t`Created`, time(hook.created_at)],
    ])));
}

export async function webhook(context) {
  const { call, ask, can, link, narrow, params: of, query } = context;
  const base = ["webhooks", of.webhook];
  const tab = query.tab === "pending" ? "pending" : "attempts";

  /** The webhook; of what may hold any number, the text. */
  async function read() {
    const { data: { webhook }, text } = await ask("GET /v1/webhooks/{webhook}", of);
    const textOf = (name) => member(text, ["data", "webhook", name]);
    return { ...webhook, filter: webhook.filter && textOf("filter"), metadata: Object.keys(webhook.metadata).length > 0 && textOf("metadata") };
  }
  const [first, catalogue] = await Promise.all([read(), catalogueOf(call)]);
  const [test, pause, recover] = [testing(context, of, catalogue, first), maintenance(context, of), await recovery(context, of, first)];
  const [log, queue] = [deliveries(context, of, catalogue, PAGE), waiting(context, of, PAGE)];
  const [secret, why, about] = [secretPanel(context, of), whyNot(base, link), details()];
  const { enable, disable, verify, remove } = switches(context, of);
  const panels = [test, pause, recover];
  const holder = h("div", { id: "panels", class: "panels" }, panels.map(({ element }) => element));
  PANELS.set(holder, { of: of.webhook, panels, log });
  /** Takes over what stands in the panels of the page before, if that was of the same webhook. */
  const takeOver = () => {
    const before = PANELS.get(document.getElementById("panels"));
    if (before?.of !== of.webhook) return;
    for (const [index, { element, held }] of before.panels.entries()) {
      panels[index].hold(held());
      panels[index].element.hidden = element.hidden;
    }
    log.hold(before.log.held());
  };
  /** Opens one panel and closes the others. */
  const toggle = (panel) => {
    for (const other of panels) if (other !== panel) other.element.hidden = true;
    panel.element.hidden = !panel.element.hidden;
    if (!panel.element.hidden) panel.focus();
  };

  const head = region({ class: "heading" }, ({ hook }) => [
    h("div", null,
      h("h1", null, badge(hook.health), " ", h("span", { class: "clip" }, hook.name ?? hook.description ?? hook.url.split("/")[2])),
      h("p", { class: "copyable" }, h("code", { class: "clip", title: hook.url }, hook.url), copyButton(hook.url, t`Copy the URL`))),
    h("div", { class: "actions" },
      can("test") && button(t`Send test event`, () => toggle(test), { id: "test", "aria-controls": "testing" }),
      can("manage") && [
        button(t`Recover…`, () => toggle(recover), { id: "recover", "aria-controls": "recovery" }),
        hook.status === "active" && button(t`Pause…`, () => toggle(pause), { id: "pause", "aria-controls": "maintenance" }),
        hook.status === "active"
          ? button(t`Disable`, disable, { id: "switch" })
          : hook.disabled?.code === "unverified"
            ? button(t`Verify the endpoint`, verify, { id: "verify", class: "primary" })
            : [
              button(t`Enable`, () => enable(false), { id: "switch", class: "primary" }),
              button(t`Enable and send what it missed`, () => enable(true), { id: "switch-recover" }),
            ],
        h("a", { class: "button", id: "edit", href: link([...base, "edit"]) }, t`Edit`),
        button(t`Delete…`, remove, { id: "delete", class: "danger" }),
      ]),
  ]);

  const measured = measuring(call, of.webhook);
  const stats = statistics(query.span ?? "day", (span) => narrow({ ...query, span }));
  const tabs = region({ class: "tabs", role: "navigation", "aria-label": t`Lists` }, ({ waits }) => {
    const tabLink = (name, ...label) => h("a", {
      id: `tab-${name}`, href: link(base, { span: query.span, tab: name === "pending" && name }), "aria-current": tab === name && "page",
    }, label);
    return [tabLink("attempts", t`Recent deliveries`), tabLink("pending", t`Waiting`, waits && h("span", { class: "number" }, waits))];
  });

  async function refresh() {
    const [hook, counts] = await Promise.all([
      read(), measured(query.span ?? "day"), queue.refresh(), tab === "attempts" && log.refresh(),
    ]);
    await recover.refresh(hook.status);
    for (const part of [why, about, secret, pause]) part.show(hook);
    head.show({ hook });
    const failures = counts.consecutive_failures;
    stats.show(counts, [[t`Failed in a row`, failures < FAILURES_COUNTED ? failures : `${failures}+`, failures > 0 && "bad"]], await queue.backlog());
    tabs.show({ waits: queue.count() });
  }
  await refresh();
  takeOver();
  return {
    title: title(first),
    refresh,
    // Whoever comes from an event comes for its delivery.
    land: query.event_id && log.land,
    element: h("div", null,
      h("nav", { class: "crumbs", "aria-label": t`Breadcrumbs` }, h("a", { href: link(["webhooks"]) }, t`Webhooks`)),
      head.element, why.element, holder, secret.element, stats.element, about.element,
      h("div", { class: "heading" }, tabs.element, tab === "attempts" ? log.filters : queue.filters),
      tab === "attempts" ? log.element : queue.element),
  };
}
