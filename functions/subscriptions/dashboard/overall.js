// Statistics over all webhooks, of a tenant or of the deployment, and what waits for them.

import { backlogOf } from "./chart.js";
import { h } from "./dom.js";
import { t } from "./lang.js";
import { measuring, statistics } from "./stats.js";
import { title } from "./webhooks.js";

/** Nobody keeps how much waits, so it is counted where it waits: in so many webhooks, so many at once, no more often than this. */
const WEBHOOKS = 20;
const AT_ONCE = 4;
const COUNT_MS = 60_000;
/** Webhooks that are named. */
const NAMED = 5;

/** Counts what waits by when it is due. Webhooks that fail or are paused come first, since it is there that most waits. */
async function waitsOf(call, spans) {
  const webhooks = [];
  let isPart = false;
  for (const health of ["failing,paused", "healthy"]) {
    const page = webhooks.length < WEBHOOKS && await call("GET /v1/webhooks", {}, { query: { health, limit: WEBHOOKS - webhooks.length } });
    webhooks.push(...(page?.webhooks ?? []));
  }
  const [open, waiting, found] = [[...webhooks], [], []];
  await Promise.all(Array.from({ length: AT_ONCE }, async () => {
    for (let webhook = open.shift(); webhook; webhook = open.shift()) {
      const { id, tenant_id: tenant } = webhook;
      const page = await call("GET /v1/webhooks/{webhook}/deliveries", { webhook: id }, { ...(spans && { tenant }), query: { status: "pending", limit: 100 } }).catch((error) => { if (error.status !== 404) throw error; });
      if (!page) continue;
      isPart ||= page.next_cursor !== null;
      waiting.push(...page.deliveries);
      if (page.deliveries.length > 0) found.push({ id, tenant, name: title(webhook), waits: page.deliveries.length, more: page.next_cursor !== null });
    }
  }));
  const most = found.toSorted((one, other) => other.waits - one.waits).slice(0, NAMED);
  return { backlog: backlogOf(waiting), isPart, asked: webhooks.length, most };
}

export async function stats({ call, fail, link, narrow, query, spans }) {
  const span = query.span ?? "day";
  const linkOf = ({ id, tenant }) => link([...(spans ? ["t", tenant] : []), "webhooks", id], { tab: "pending" });
  const panel = statistics(span, (chosen) => narrow({ span: chosen }), linkOf);
  const measured = measuring(call);
  let [counted, at, waits] = [undefined, 0, undefined];
  const draw = () => panel.show(counted, [], waits);
  /** The figures stand while it counts, and what waits is drawn when it is known. */
  async function count() {
    if (Date.now() - at < COUNT_MS) return;
    at = Date.now();
    waits = await waitsOf(call, spans);
    draw();
  }
  async function refresh() {
    counted = await measured(span);
    draw();
    count().catch(fail);
  }
  await refresh();
  const whose = spans ? "All tenants" : t`All webhooks`;
  return { title: t`Statistics`, refresh, element: h("div", null, h("div", { class: "heading" }, h("h1", null, t`Statistics`), h("p", { class: "sub" }, whose)), panel.element) };
}
