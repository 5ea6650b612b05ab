// Sending a test event: its type, what it will carry, and what the receiver made of it; and examining the receiver with many.

import { exchange } from "./attempt.js";
import { badge, button, duration, h, region } from "./dom.js";
import { objectIn, part, tell, textLines } from "./fields.js";
import { clear, slot } from "./filters.js";
import { member, pretty } from "./json.js";
import { isEnglish, named, t } from "./lang.js";
import { typeInput } from "./types.js";

/** What the receiver is to do, by the names of the checks. */
const CHECKS = () => ({
  delivery: t`accepts a delivery`,
  repeat: t`accepts the same delivery again`,
  unicode: t`accepts all characters`,
  numbers: t`accepts all numbers`,
  empty_data: t`accepts data without members`,
  changed_body: t`refuses a changed body`,
  other_secret: t`refuses another secret`,
  no_signature: t`refuses a missing signature`,
  old_timestamp: t`refuses an old signature`,
  speed: t`answers quickly`,
});

const MARKS = { passed: "✓", failed: "✗" };

/** How to mend what a check has found, by its name: the API says it in English, and there with what it saw. */
const MENDS = () => ({
  delivery: t`Answer with a success as soon as the delivery is verified and stored.`,
  repeat: t`Answer a delivery that you have already with a success, too.`,
  unicode: t`Verify the raw body, and accept all valid JSON.`, numbers: t`Verify the raw body, and accept all valid JSON.`, empty_data: t`Verify the raw body, and accept all valid JSON.`,
  changed_body: t`Verify the signature over the raw body before anything else, and answer 401 if it does not hold.`,
  other_secret: t`Verify the signature over the raw body before anything else, and answer 401 if it does not hold.`,
  no_signature: t`Answer 401 where the signature's header is missing.`,
  old_timestamp: t`Refuse a signed time that is more than five minutes from your clock.`,
  speed: t`Answer first, and do the work afterwards.`,
});

/** What a check has shown, in the reader's language. */
function finding({ check, outcome, response_status: status, problem, mend }) {
  if (outcome === "passed" || isEnglish()) return [problem ?? status, mend];
  return [status ? t`it answers ${status}` : problem, outcome === "failed" ? MENDS()[check] ?? mend : mend];
}

/** What was found, check by check. */
const findings = ({ checks }) => {
  const names = CHECKS();
  return h("ul", { id: "findings" }, checks.map((found) => ({ ...found, told: finding(found) })).map(({ check, outcome, elapsed_ms: elapsed, told: [problem, mend] }) => h("li", { "data-outcome": outcome },
    h("span", { class: "mark", role: "img", "aria-label": named(outcome) }, MARKS[outcome] ?? "–"),
    h("div", null,
      h("strong", null, names[check] ?? named(check)), " ", [problem, elapsed !== null && duration(elapsed)].filter(Boolean).join(" · "),
      mend && h("p", { class: "sub" }, mend)))));
};

/** The panel of the webhook `hook`, hidden at first. */
export function testing({ call, ask, act, say, fail, can, link }, of, catalogue, hook) {
  // Of what it subscribes to, the first that is known.
  const subscribed = ({ type, groups }) => hook.events.some((name) => name === "*" || name === type || groups?.includes(name) || (name.endsWith(".*") && type.startsWith(name.slice(0, -1))));
  const first = catalogue.event_types.find(subscribed)?.type ?? "";
  const { element: chooser, input } = typeInput(catalogue, first, t`first subscribed type`, { id: "test-type" });
  const type = slot("event_type", t`Event type`, input, chooser);
  const data = part("data", t`Data`, textLines({ id: "test-data", rows: 8 }), t`The sample of this type. Other data are checked as published data are.`);
  let [sample, result] = ["", {}];
  const outcome = region({ "aria-live": "polite" }, ({ log, report }) => report ? findings(report) : log && [
    h("p", { id: "test-outcome" }, badge(log.status), " ", log.event_type, " · ", log.response_status ?? named(log.error_code), " · ", duration(log.response_time_ms), " · ",
      h("a", { href: link(["webhooks", of.webhook, "attempts", log.id]) }, t`View the attempt`)),
    exchange(log),
  ]);
  /** Puts the type's sample in, unless somebody has written something of their own. */
  async function offer() {
    if (data.input.value !== sample) return;
    const known = catalogue.event_types.some(({ type }) => type === input.value);
    const { text } = known ? await ask("GET /v1/event-types/{type}", { type: input.value }) : {};
    const found = text && member(text, ["data", "event_type", "sample"]);
    sample = found && found !== "null" ? pretty(found) : "";
    data.input.value = sample;
  }
  input.addEventListener("change", () => act(offer));
  const send = () => act(async () => {
    clear([type, data]);
    try {
      const own = data.input.value === sample ? null : objectIn(data.input.value, "data");
      const members = [input.value && `"event_type":${JSON.stringify(input.value)}`, own && `"data":${own.text}`].filter(Boolean);
      const { log: { id } } = await call("POST /v1/webhooks/{webhook}/test", of, { body: `{${members.join()}}` });
      result = await call("GET /v1/webhooks/{webhook}/logs/{log}", { ...of, log: id });
      outcome.show(result);
    } catch (error) {
      tell([type, data], error, fail);
    }
  });
  const prove = () => act(async () => {
    clear([type, data]);
    const body = input.value ? { event_type: input.value } : {};
    try {
      result = await call("POST /v1/webhooks/{webhook}/prove", of, { body });
      outcome.show(result);
    } catch (error) {
      tell([type], error, fail);
    }
  });
  const verify = () => act(async () => {
    await call("POST /v1/webhooks/{webhook}/verify", of);
    say(t`The endpoint has echoed the challenge.`);
  });
  const element = h("section", { class: "card", id: "testing", hidden: true },
    h("h2", null, t`Send test event`),
    h("p", { class: "sub" }, t`Sent once, now, with a fresh id and the header Rung-Test: true. It counts for nothing.`),
    h("div", { class: "actions" }, type.element), data.element,
    h("p", { class: "sub" }, t`An examination sends about ten: genuine ones, then forged ones that are to be refused.`),
    h("div", { class: "actions" }, button(t`Send`, send, { id: "send-test", class: "primary" }), button(t`Examine the receiver`, prove, { id: "prove" }),
      can("manage") && button(t`Ask for the challenge`, verify, { id: "challenge-now" })), outcome.element);
  return {
    element,
    focus() {
      input.focus();
      act(offer);
    },
    /** What a person has typed and what came of it, and showing it again. */
    held: () => ({ type: input.value, data: data.input.value, sample, result }),
    hold(held) {
      input.value = held.type;
      ({ sample, result } = held);
      data.input.value = held.data;
      outcome.show(result);
    },
  };
}
