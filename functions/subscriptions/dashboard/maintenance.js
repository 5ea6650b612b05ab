// A maintenance window: nothing is sent for a while, and nothing is lost.

import { button, choice, field, h, inputTime, localInput, now, refocus, region, time } from "./dom.js";
import { Invalid, tell } from "./fields.js";
import { clear, slot } from "./filters.js";
import { t } from "./lang.js";

const HOUR_MS = 3_600_000;

/** The panel of a webhook, hidden at first. */
export function maintenance({ call, act, say, fail }, of) {
  const lengths = choice([["1", t`1 hour`], ["4", t`4 hours`], ["24", t`1 day`], ["72", t`3 days`], ["", t`until …`]], "1", { id: "pause-for", change: () => draw() });
  const end = h("input", { type: "datetime-local", id: "pause-until" });
  const ending = slot("pause.until", t`Until`, end);
  const change = async (pauseOf, told) => {
    await act(async () => {
      clear([ending]);
      try {
        await call("PATCH /v1/webhooks/{webhook}", of, { body: { pause: pauseOf() } });
      } catch (error) {
        return tell([ending], error, fail);
      }
      say(told);
      element.hidden = true;
      return undefined;
    });
    refocus("pause", "switch");
  };
  /** The pause that is asked for. */
  const asked = () => {
    if (lengths.value) return { until: new Date(now() + Number(lengths.value) * HOUR_MS).toISOString() };
    const until = inputTime(end.value);
    if (!until || Date.parse(until) <= now()) throw new Invalid(ending.name, t`Choose a time in the future.`);
    return { until };
  };
  const begin = () => change(asked, t`Paused. What comes meanwhile waits.`);
  const present = region({ class: "actions" }, ({ until }) => until && [
    h("p", null, t`Paused until ${time(until)}.`),
    button(t`End the pause now`, () => change(() => null, t`The pause has ended. What waited is being sent.`), { id: "end-pause", class: "primary" }),
  ]);
  function draw() {
    ending.element.hidden = lengths.value !== "";
    if (!end.value) end.value = localInput(new Date(now() + HOUR_MS).toISOString());
  }
  draw();
  const element = h("section", { class: "card", id: "maintenance", hidden: true },
    h("h2", null, t`Pause`),
    h("p", { class: "sub" }, t`For maintenance at the receiver: deliveries wait without using up attempts, and follow when the pause ends.`),
    present.element,
    h("div", { class: "actions" }, field(t`For`, lengths), ending.element, button(t`Begin the pause`, begin, { id: "begin-pause" })));
  return {
    element,
    focus: () => lengths.focus(),
    show: ({ pause }) => present.show({ until: pause?.until }),
    /** What a person has chosen, and choosing it again. */
    held: () => ({ length: lengths.value, until: end.value }),
    hold(held) {
      [lengths.value, end.value] = [held.length, held.until];
      draw();
    },
  };
}
