// Sending again what a webhook has not got: counted first, then sent, then followed to its end.

import { badge, button, choice, count, field, h, region, time } from "./dom.js";

/** What the API takes if nothing is said. */
const UNSUCCESSFUL = "";
const SCOPES = [
  [UNSUCCESSFUL, "failed, held or missed"], ["failed", "failed"], ["held", "held"], ["missed", "missed"],
  ["pending", "waiting"], ["any", "every event, including successes"],
];

/** Whether a job goes on. */
const isOpen = (job) => ["queued", "running"].includes(job?.status);

/** The panel of the webhook `hook`, hidden at first. */
export function recovery({ call, act }, of, hook) {
  let [counted, running, status] = [undefined, undefined, hook.status];
  const since = h("input", { type: "datetime-local", id: "since" });
  const scope = choice(SCOPES, UNSUCCESSFUL, { id: "scope" });
  const asked = () => ({ since: since.value ? new Date(since.value).toISOString() : undefined, statuses: scope.value ? [scope.value] : undefined });

  const outcome = region({ class: "outcome", "aria-live": "polite" }, ({ counted, running, status }) => [
    counted && [
      h("p", null, h("strong", null, `${counted.complete ? "" : "More than "}${count(counted.count)}`),
        counted.count === 1 ? " delivery would be sent again." : " deliveries would be sent again."),
      counted.count > 0 && (status === "active"
        ? button(`Send ${counted.complete ? count(counted.count) : "them"} again`, send, { class: "primary", id: "send" })
        : h("p", { class: "sub" }, "Enable the webhook first.")),
    ],
    running && h("p", null, badge(running.status), ` ${count(running.progress.done)} sent`,
      running.progress.skipped > 0 && `, ${count(running.progress.skipped)} skipped`,
      running.error && `: ${running.error.message}`,
      isOpen(running) && [", reached ", time(running.progress.reached), " ", button("Stop", stop, { id: "stop" })]),
  ]);
  const draw = () => outcome.show({ counted, running, status });

  const recount = () => act(async () => {
    running = undefined;
    counted = await call("POST /v1/webhooks/{webhook}/recover", of, { body: { ...asked(), dry_run: true } });
    draw();
  });
  const send = () => act(async () => {
    ({ job: running } = await call("POST /v1/webhooks/{webhook}/recover", of, { body: asked() }));
    counted = undefined;
    draw();
  });
  const stop = () => act(async () => {
    ({ job: running } = await call("POST /v1/jobs/{job}/cancel", { ...of, job: running.id }));
    draw();
  });
  // What was counted is what is sent.
  const forget = () => {
    counted = undefined;
    draw();
  };
  since.addEventListener("input", forget);
  scope.addEventListener("change", forget);

  const element = h("section", { class: "card", id: "recovery", hidden: true },
    h("h2", null, "Recover"),
    h("p", { class: "sub" }, "Sends deliveries again that were accepted since this time (or all that are kept), each on a fresh ladder, with unchanged ids and bytes."),
    h("div", { class: "actions" }, field("Since", since), field("Status", scope), button("Count", recount, { id: "count" })), outcome.element);
  return {
    element,
    toggle() {
      element.hidden = !element.hidden;
      if (!element.hidden) since.focus();
    },
    /** Brings it up to date with the webhook's status. */
    async refresh(current) {
      status = current;
      if (isOpen(running)) {
        ({ job: running } = await call("GET /v1/jobs/{job}", { ...of, job: running.id }));
      }
      draw();
    },
  };
}
