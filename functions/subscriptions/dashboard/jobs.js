// Work that goes on after the call that began it: recoveries, cancellations, erasures, redrives.

import { badge, button, choice, count, empty, h, now, region, table, time } from "./dom.js";
import { forgiving, slot } from "./filters.js";
import { named, t } from "./lang.js";
import { pages } from "./pages.js";
import { naming } from "./webhooks.js";

const PAGE = 25;
const KINDS = ["recover", "cancel", "erase", "redrive", "export"];

/** Whether a job goes on. */
export const isOpen = ({ status }) => ["queued", "running"].includes(status);

/** How far a job is. */
export const progressOf = ({ status, progress, error, created_at: at }) => h("span", null,
  badge(status), " ", t`${count(progress.done)} done`, progress.skipped > 0 && t`, ${count(progress.skipped)} skipped`,
  progress.total !== null && t` of ${count(progress.total)}`, error && `: ${error.message}`,
  status === "running" && progress.reached && [" · ", t`reached ${time(progress.reached)}`], " · ", time(at));

/** How many deliveries a recovery would send again, as the API has counted them. */
export function wouldSend({ count: number, complete }) {
  if (!complete) return t`At least ${count(number)} deliveries would be sent again; there are too many to count them all.`;
  if (number === 0) return t`Nothing would be sent again.`;
  return number === 1 ? t`1 delivery would be sent again.` : t`${count(number)} deliveries would be sent again.`;
}

/** What a job is about, in short. */
const aboutOf = ({ params }) => [params.statuses && t`Status: ${params.statuses.map(named).join(", ")}`, params.event_id, params.queue].filter(Boolean).join(" · ");

export async function jobs({ call, act, can, confirmed, link, narrow, query, spans }) {
  const chooser = choice([["", t`All`], ...KINDS.map((name) => [name, named(name)])], query.kind ?? "", { id: "kind", change: ({ target }) => narrow({ ...query, kind: target.value }) });
  const kind = slot("kind", t`Kind`, chooser);
  const nameOf = naming(call, spans);
  const list = pages(forgiving([kind], async (cursor) => {
    const page = await call("GET /v1/jobs", {}, { query: { kind: query.kind, webhook_id: query.webhook_id, cursor, limit: PAGE } });
    const items = await Promise.all(page.jobs.map(async (job) => ({ ...job, webhook: await nameOf(job) })));
    return { items, next_cursor: page.next_cursor };
  }), ({ id }) => id, "jobs");
  const stop = ({ id: job, tenant_id }) => act(async () => {
    if (!await confirmed(t`Stop this job?`, t`What it has done stays done.`, t`Stop`)) return;
    await call("POST /v1/jobs/{job}/cancel", { job }, spans && tenant_id ? { tenant: tenant_id } : {});
  });
  /** Of all active webhooks: what is counted for the question is what is sent. */
  const recoverAll = () => act(async () => {
    const body = { until: new Date(now()).toISOString() };
    const counted = await call("POST /v1/recover", {}, { body: { ...body, dry_run: true } });
    if (!await confirmed(t`Recover all webhooks?`, wouldSend(counted), t`Recover`)) return;
    await call("POST /v1/recover", {}, { body });
  });
  const whose = (job, path) => (spans && job.tenant_id ? ["t", job.tenant_id, ...path] : path);
  const rows = region({ class: "card" }, ({ items, cursor }) => [
    items.length > 0
      ? table(t`Jobs`, [t`Kind`, t`Progress`, t`Webhook`, t`Ended`, ""], items.map((job) => [
        h("div", null, h("strong", null, named(job.kind)), h("span", { class: "sub" }, aboutOf(job))),
        progressOf(job),
        job.webhook_id ? h("a", { href: link(whose(job, ["webhooks", job.webhook_id])) }, job.webhook ?? h("code", null, job.webhook_id)) : spans && job.tenant_id ? h("a", { href: link(whose(job, ["jobs"])) }, h("code", null, job.tenant_id)) : t`all`,
        time(job.ended_at),
        can("manage") && isOpen(job) && job.kind !== "erase" && button(t`Stop`, () => stop(job), { id: `stop-${job.id}`, "aria-label": t`Stop ${job.id}` }),
      ]))
      : empty(t`No jobs`, t`Recoveries and other work that takes a while appear here.`),
    cursor && button(t`Older`, () => act(() => list.older()), { id: "older", class: "more" }),
  ]);
  async function refresh() {
    await list.refresh();
    rows.show({ items: list.items, cursor: list.cursor });
  }
  await refresh();
  const only = query.webhook_id && h("p", { class: "chip" }, await nameOf({ webhook_id: query.webhook_id }) ?? h("code", null, query.webhook_id),
    h("button", { type: "button", class: "quiet", "aria-label": t`All webhooks`, click: () => narrow({ ...query, webhook_id: "" }) }, "×"));
  return { title: t`Jobs`, refresh, element: h("div", null, h("div", { class: "heading" }, h("h1", null, t`Jobs`), h("div", { class: "filters" }, only, kind.element, can("manage") && can("total") && button(t`Recover all webhooks…`, recoverAll, { id: "recover-all" }))), rows.element) };
}
