// Sending a test event: its type, what it will carry, and what the receiver made of it.

import { exchange } from "./attempt.js";
import { badge, button, duration, field, h, region } from "./dom.js";
import { member, pretty } from "./json.js";
import { t } from "./lang.js";
import { typeInput } from "./types.js";

/** The panel of the webhook `hook`, hidden at first. */
export function testing({ call, ask, act, say, can, link }, of, catalogue, hook) {
  // Of what it subscribes to, the first that is known.
  const subscribed = ({ type, groups }) => hook.events.some((name) => name === "*" || name === type || groups?.includes(name) || (name.endsWith(".*") && type.startsWith(name.slice(0, -1))));
  const first = catalogue.event_types.find(subscribed)?.type ?? "";
  const { element: chooser, input } = typeInput(catalogue, first, t`first subscribed type`, { id: "test-type" });
  const sample = region(null, ({ text }) => text && h("details", null, h("summary", null, t`Sample data`), h("pre", { tabindex: 0, "aria-label": t`Sample data` }, text)));
  const outcome = region({ "aria-live": "polite" }, ({ log }) => log && [
    h("p", { id: "test-outcome" }, badge(log.status), " ", log.event_type, " · ", log.response_status ?? log.error, " · ", duration(log.response_time_ms), " · ",
      h("a", { href: link(["webhooks", of.webhook, "attempts", log.id]) }, t`View the attempt`)),
    exchange(log),
  ]);
  async function offer() {
    const known = catalogue.event_types.some(({ type }) => type === input.value);
    const { text } = known ? await ask("GET /v1/event-types/{type}", { type: input.value }) : {};
    const data = text && member(text, ["data", "event_type", "sample"]);
    sample.show({ text: data && data !== "null" ? pretty(data) : undefined });
  }
  input.addEventListener("change", () => act(offer));
  const send = () => act(async () => {
    const { log: { id } } = await call("POST /v1/webhooks/{webhook}/test", of, { body: { event_type: input.value || undefined } });
    const { log } = await call("GET /v1/webhooks/{webhook}/logs/{log}", { ...of, log: id });
    outcome.show({ log });
  });
  const verify = () => act(async () => {
    await call("POST /v1/webhooks/{webhook}/verify", of);
    say(t`The endpoint has echoed the challenge.`);
  });
  const element = h("section", { class: "card", id: "testing", hidden: true },
    h("h2", null, t`Send test event`),
    h("p", { class: "sub" }, t`Sent once, now, with a fresh id and the header Rung-Test: true. It counts for nothing.`),
    h("div", { class: "actions" }, field(t`Event type`, chooser), button(t`Send`, send, { id: "send-test", class: "primary" }),
      can("manage") && button(t`Ask for the challenge`, verify, { id: "challenge-now" })), sample.element, outcome.element);
  return {
    element,
    focus() {
      input.focus();
      act(offer);
    },
  };
}
