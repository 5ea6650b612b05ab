// A maintenance window: nothing is sent for a while, and nothing is lost.

import { button, choice, field, h, inputTime, localInput, now, region, time } from "./dom.js";
import { t } from "./lang.js";

const HOUR_MS = 3_600_000;

/** The panel of a webhook, hidden at first. */
export function maintenance({ call, act, say }, of) {
  const lengths = choice([["1", t`1 hour`], ["4", t`4 hours`], ["24", t`1 day`], ["72", t`3 days`], ["", t`until …`]], "1", { id: "pause-for", change: () => draw() });
  const end = h("input", { type: "datetime-local", id: "pause-until" });
  const ending = h("div", null, field(t`Until`, end));
  const change = (pause, told) => act(async () => {
    await call("PATCH /v1/webhooks/{webhook}", of, { body: { pause } });
    say(told);
    element.hidden = true;
  });
  const begin = () => {
    const until = lengths.value ? new Date(now() + Number(lengths.value) * HOUR_MS).toISOString() : inputTime(end.value);
    return change({ until }, t`Paused. What comes meanwhile waits.`);
  };
  const present = region({ class: "actions" }, ({ until }) => until && [
    h("p", null, t`Paused until ${time(until)}.`),
    button(t`End the pause now`, () => change(null, t`The pause has ended. What waited is being sent.`), { id: "end-pause", class: "primary" }),
  ]);
  function draw() {
    ending.hidden = lengths.value !== "";
    if (!end.value) end.value = localInput(new Date(now() + HOUR_MS).toISOString());
  }
  draw();
  const element = h("section", { class: "card", id: "maintenance", hidden: true },
    h("h2", null, t`Pause`),
    h("p", { class: "sub" }, t`For maintenance at the receiver: deliveries wait without using up attempts, and follow when the pause ends.`),
    present.element,
    h("div", { class: "actions" }, field(t`For`, lengths), ending, button(t`Begin the pause`, begin, { id: "begin-pause" })));
  return { element, focus: () => lengths.focus(), show: ({ pause }) => present.show({ until: pause?.until }) };
}
