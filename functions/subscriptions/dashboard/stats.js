// Statistics over a span that the reader chooses: of a webhook, a tenant, or the deployment.

import { charts } from "./chart.js";
import { choice, count, h, now, region, setNow, time } from "./dom.js";
import { figures, tiles } from "./figures.js";
import { named, t } from "./lang.js";

const MINUTES = 60;
/** Minutes are counted from the log itself; so many pages of it are read. */
const LOG_PAGES = 5;
/** That takes as many calls, so it is done no more often than this. */
const LOG_MS = 15_000;

export const spans = () => [["hour", t`last hour`], ["day", t`last 24 hours`], ["week", t`last 7 days`], ["month", t`last 30 days`]];

/** Counts of log entries, as the API counts hours. */
function counted(logs) {
  const sorted = logs.map(({ response_time_ms: ms, response_status: status }) => (status ? ms : null)).filter((ms) => ms !== null).sort((a, b) => a - b);
  const percentile = (part) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? null;
  const by_status = {};
  for (const { response_status: status } of logs) {
    const name = status ? `${Math.floor(status / 100)}xx` : "none";
    by_status[name] = (by_status[name] ?? 0) + 1;
  }
  const succeeded = logs.filter(({ status }) => status === "succeeded").length;
  return { attempts: logs.length, succeeded, failed: logs.length - succeeded, by_status, by_error: {}, latency_ms: { p50: percentile(0.5), p95: percentile(0.95), p99: percentile(0.99) } };
}

/** The last hour by the minute. */
async function ofHour(logsOf) {
  const until = Math.floor(now() / 60_000) * 60_000;
  const since = new Date(until - (MINUTES - 1) * 60_000).toISOString();
  const logs = [];
  let cursor;
  for (let page = 0; page < LOG_PAGES && cursor !== null; page += 1) {
    const answer = await logsOf({ since, limit: 100, cursor });
    logs.push(...answer.logs.filter(({ trigger }) => trigger !== "test"));
    cursor = answer.next_cursor;
  }
  const minutes = Map.groupBy(logs, ({ attempted_at: at }) => Math.floor(Date.parse(at) / 60_000) * 60_000);
  const buckets = [...minutes].map(([start, own]) => ({ start: new Date(start).toISOString(), ...counted(own) }));
  // Where not all could be read, the axis begins with what was.
  const from = cursor === null ? since : logs.at(-1)?.attempted_at ?? since;
  return { ...counted(logs), buckets, bucket: "minute", since: `${from.slice(0, 16)}:00Z`, until: new Date(until).toISOString(), counted_since: cursor === null ? undefined : from };
}

/** What answers the statistics of a span, for a webhook or else for all. */
export function measuring(call, webhook) {
  let last = {};
  return async (span) => {
    if (span === "hour" && last.span === span && Date.now() - last.at < LOG_MS) return last.stats;
    last = { span, at: Date.now(), stats: await statsOf(call, span, webhook) };
    return last.stats;
  };
}

async function statsOf(call, span, webhook) {
  const ask = (query) => (webhook ? call("GET /v1/webhooks/{webhook}/stats", { webhook }, { query }) : call("GET /v1/stats", {}, { query }));
  const since = new Date(now() - 7 * 86_400_000).toISOString();
  const { stats } = await ask(span === "month" ? { bucket: "day" } : span === "week" ? { since } : {});
  setNow(stats.until);
  if (span !== "hour") return stats;
  const logsOf = (query) => (webhook ? call("GET /v1/webhooks/{webhook}/logs", { webhook }, { query }) : call("GET /v1/logs", {}, { query }));
  const hour = await ofHour(logsOf);
  const found = { ...hour, consecutive_failures: stats.consecutive_failures };
  if (!hour.counted_since) return found;
  // The figures are of all attempts then, which are counted by whole hours.
  const { stats: whole } = await ask({ since: new Date(now() - 3_600_000).toISOString() });
  const { attempts, succeeded, failed, by_status, by_error, latency_ms } = whole;
  return { ...found, attempts, succeeded, failed, by_status, by_error, latency_ms, figures_since: whole.since, charted: hour.attempts };
}

/** A panel with the figures and charts of a span; `more` are further figures, and `linkOf` leads to where most waits. */
export function statistics(span, narrow, linkOf) {
  const choose = choice(spans(), span, { id: "span", "aria-label": t`Time span`, change: ({ target }) => narrow(target.value) });
  const read = new Map();
  const panel = region({ class: "fields" }, ({ stats, more = [], backlog, isPart, asked, most = [] }) => {
    const errors = Object.entries(stats.by_error).filter(([, number]) => number > 0).sort(([, one], [, other]) => other - one);
    return [
      stats.figures_since && h("p", { class: "notice" }, t`The figures count all attempts since ${time(stats.figures_since)}. The charts show only the newest ${count(stats.charted)}, since ${time(stats.counted_since)}.`),
      tiles([...figures(stats), ...more]),
      charts(stats, read, backlog),
      isPart && h("p", { class: "sub" }, t`More is waiting. Only the newest ${count(backlog.reduce((sum, number) => sum + number))} are in the chart.`),
      asked > 0 && h("p", { class: "sub" }, asked === 1 ? t`What waits is counted in 1 webhook.` : t`What waits is counted in ${count(asked)} webhooks, first in those that fail or are paused.`),
      most.length > 0 && h("p", { class: "types" }, t`Most waits for`, " ", most.map(({ name, waits, more, ...of }) => h("span", null, h("a", { href: linkOf(of) }, name), ` ${count(waits)}${more ? "+" : ""}`))),
      errors.length > 0 && h("p", { class: "types" }, errors.map(([name, number]) => h("span", null, h("code", null, named(name)), ` ${count(number)}`))),
    ];
  });
  return {
    element: h("section", { class: "card" }, h("div", { class: "heading" }, h("h2", null, t`Statistics`), choose), panel.element),
    /** Drawn again when something was counted, not because time passes; but for the bucket, which moves the chart. */
    show: (stats, more, backlog) => panel.show({ stats: { ...stats, until: stats.bucket === "minute" ? stats.until : `${stats.until.slice(0, 13)}:00:00Z` }, more, ...backlog }),
  };
}
