// Sending again what a webhook has not got: counted first, then sent as it was counted, then followed to its end.

import { button, choice, count, h, inputTime, now, refocus, region } from "./dom.js";
import { tell } from "./fields.js";
import { clear, inOrder, slot } from "./filters.js";
import { isOpen, progressOf, wouldSend } from "./jobs.js";
import { named, t } from "./lang.js";

/** What the API takes if nothing is said. */
const UNSUCCESSFUL = "";
/** So many of the latest recoveries are shown. */
const SHOWN = 5;

/** The panel of the webhook `hook`, hidden unless a recovery is under way. */
export async function recovery({ call, act, fail, link }, of, hook) {
  let [counted, jobs, status] = [undefined, [], hook.status];
  const since = h("input", { type: "datetime-local", id: "since" });
  const end = h("input", { type: "datetime-local", id: "until" });
  const scope = choice([
    [UNSUCCESSFUL, t`failed, held or missed`], ...["failed", "held", "missed"].map((name) => [name, named(name)]),
    ["pending", t`waiting`], ["any", t`every event, including successes`],
  ], UNSUCCESSFUL, { id: "scope" });
  const [from, to, which] = [slot("since", t`Since`, since), slot("until", t`Until`, end), slot("statuses", t`Status`, scope)];
  const slots = [from, to, which];
  /** What is asked for, up to now: what comes later is not counted, so it is not sent either. */
  const asked = () => ({ since: inputTime(since.value), until: inputTime(end.value) ?? new Date(now()).toISOString(), statuses: scope.value ? [scope.value] : undefined });

  const outcome = region({ class: "outcome", "aria-live": "polite" }, ({ counted, jobs, status }) => [
    counted && [
      h("p", null, wouldSend(counted)),
      (counted.count > 0 || !counted.complete) && (status === "active"
        ? button(counted.complete ? t`Send ${count(counted.count)} again` : t`Send them again`, send, { class: "primary", id: "send" })
        : h("p", { class: "sub" }, t`Enable the webhook first.`)),
    ],
    jobs.length > 0 && [
      h("h3", null, t`Recoveries of this webhook`),
      h("ul", { class: "choices" }, jobs.map((job) => h("li", { class: "bar" }, progressOf(job), isOpen(job) && button(t`Stop`, () => stop(job), { id: `stop-${job.id}` })))),
      h("p", null, h("a", { href: link(["jobs"], { webhook_id: of.webhook }) }, t`All jobs`)),
    ],
  ]);
  const draw = () => outcome.show({ counted, jobs, status });

  // What was counted is what is sent: the same request, and none at all once another has been asked for.
  let round = 0;
  const forget = () => {
    clear(slots);
    round += 1;
    counted = undefined;
    draw();
  };
  const recount = () => act(async () => {
    forget();
    if (!inOrder(from, to)) {
      end.focus();
      return;
    }
    const [mine, body] = [round, asked()];
    try {
      const answer = await call("POST /v1/webhooks/{webhook}/recover", of, { body: { ...body, dry_run: true } });
      if (mine !== round) return;
      counted = { ...answer, body };
      draw();
    } catch (error) {
      tell(slots, error, fail);
    }
  });
  const send = async () => {
    await act(async () => {
      const { body } = counted;
      forget();
      await call("POST /v1/webhooks/{webhook}/recover", of, { body });
    });
    refocus("count");
  };
  const stop = ({ id: job }) => act(() => call("POST /v1/jobs/{job}/cancel", { ...of, job }));
  for (const input of [since, end, scope]) input.addEventListener("input", forget);

  const look = async () => {
    const page = await call("GET /v1/jobs", {}, { query: { kind: "recover", webhook_id: of.webhook, limit: SHOWN } });
    jobs = page.jobs;
  };
  await look();
  const element = h("section", { class: "card", id: "recovery", hidden: !jobs.some(isOpen) },
    h("h2", null, t`Recover`),
    h("p", { class: "sub" }, t`Sends deliveries again that were accepted in this span (or all that are kept), each on a fresh ladder, with unchanged ids and bytes.`),
    h("div", { class: "actions" }, slots.map(({ element }) => element), button(t`Count`, recount, { id: "count" })), outcome.element);
  return {
    element,
    focus: () => since.focus(),
    /** What a person has chosen, and choosing it again. */
    held: () => ({ values: [since.value, end.value, scope.value], counted }),
    hold(held) {
      [since.value, end.value, scope.value] = held.values;
      counted = held.counted;
      draw();
    },
    /** Brings it up to date with the webhook's status. */
    async refresh(current) {
      status = current;
      if (!element.hidden) await look();
      draw();
    },
  };
}
