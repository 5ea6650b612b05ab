// How attempts went over time, drawn from the buckets of a webhook's or tenant's statistics.

import { count, duration, h, svg } from "./dom.js";

const STEP = { hour: 3_600_000, day: 86_400_000 };
const HOUR = new Intl.DateTimeFormat(undefined, { weekday: "short", hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const DAY = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric", timeZone: "UTC" });

/** Every bucket of the span, those in which nothing was attempted too. */
function buckets(stats) {
  const step = STEP[stats.bucket];
  const known = new Map(stats.buckets.map((bucket) => [Date.parse(bucket.start), bucket]));
  const all = [];
  for (let start = Date.parse(stats.since); start <= Date.parse(stats.until); start += step) {
    all.push({ start, succeeded: 0, failed: 0, attempts: 0, latency_ms: {}, ...known.get(start), at: start });
  }
  return all;
}

const name = (stats, bucket) => (stats.bucket === "day" ? DAY : HOUR).format(bucket.at);

/** Bars of what succeeded, and on them what failed. */
function bars(stats, all, width, height) {
  const most = Math.max(1, ...all.map((bucket) => bucket.attempts));
  const step = width / all.length;
  const bar = (kind, x, y, tall) => svg("rect", { class: kind, x, y, width: Math.max(1, step * 0.72), height: tall, rx: Math.min(1.5, tall / 2) });
  return all.map((bucket, index) => {
    const x = index * step + step * 0.14;
    // Whatever there is can be seen, however little it is.
    const tall = (number) => (number ? Math.max(1.5, (number / most) * height) : 0);
    const failed = tall(bucket.failed);
    const succeeded = bucket.succeeded ? Math.min(tall(bucket.succeeded), height - failed) : 0;
    return svg("g", null,
      svg("title", null, `${name(stats, bucket)}: ${count(bucket.succeeded)} succeeded, ${count(bucket.failed)} failed`),
      svg("rect", { class: "column", x: index * step, y: 0, width: step, height }),
      !bucket.attempts && bar("none", x, height - 1, 1),
      succeeded > 0 && bar("ok", x, height - succeeded, succeeded),
      failed > 0 && bar("bad", x, height - succeeded - failed, failed));
  });
}

const frame = (label, width, height, ...children) =>
  svg("svg", { class: "chart", viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", role: "img", "aria-label": label }, children);

/** A small one, for lists. */
export function spark(stats) {
  const label = `${count(stats.succeeded)} succeeded, ${count(stats.failed)} failed`;
  return h("div", { class: "spark" }, frame(label, 120, 24, bars(stats, buckets(stats), 120, 24)));
}

/** Latencies as lines; where nothing was answered they break off. */
function lines(stats, all, width, height, most) {
  const step = width / all.length;
  return ["p50", "p95"].map((percentile) => {
    let [path, pen] = ["", "M"];
    for (const [index, bucket] of all.entries()) {
      const ms = bucket.latency_ms[percentile];
      if (ms === null || ms === undefined) {
        pen = "M";
        continue;
      }
      const [x, y] = [(index + 0.5) * step, height - 2 - (ms / (most || 1)) * (height - 4)];
      // A short dash where it begins, so that one answer alone can be seen.
      path += pen === "M" ? `M${(x - 2).toFixed(1)} ${y.toFixed(1)}h4` : `L${x.toFixed(1)} ${y.toFixed(1)}`;
      pen = "L";
    }
    return svg("path", { class: `line ${percentile}`, d: path });
  });
}

const legend = (...entries) => h("p", { class: "legend" }, entries.map(([kind, text]) => h("span", { class: `key ${kind}` }, text)));

/** Outcomes and latencies, one above the other. */
export function charts(stats) {
  const all = buckets(stats);
  const most = Math.max(0, ...all.map((bucket) => bucket.latency_ms.p95 ?? 0));
  const ends = h("p", { class: "ends" }, h("span", null, name(stats, all[0])), h("span", null, "now"));
  const outcome = `Attempts per ${stats.bucket}: ${count(stats.succeeded)} succeeded, ${count(stats.failed)} failed`;
  const latency = `Latency per ${stats.bucket}: half of the responses within ${duration(stats.latency_ms.p50)}, 95 % within ${duration(stats.latency_ms.p95)}`;
  const titles = all.map((bucket, index) => svg("g", null,
    svg("title", null, `${name(stats, bucket)}: p50 ${duration(bucket.latency_ms.p50)}, p95 ${duration(bucket.latency_ms.p95)}`),
    svg("rect", { class: "column", x: (index * 600) / all.length, y: 0, width: 600 / all.length, height: 72 })));
  return h("div", { class: "charts" },
    h("figure", null,
      h("figcaption", null, "Attempts", legend(["ok", "succeeded"], ["bad", "failed"])),
      frame(outcome, 600, 72, bars(stats, all, 600, 72)), ends),
    h("figure", null,
      h("figcaption", null, "Latency", legend(["p50", "p50"], ["p95", "p95"], ...(most > 0 ? [["most", `up to ${duration(most)}`]] : []))),
      frame(latency, 600, 72, lines(stats, all, 600, 72, most), titles), ends.cloneNode(true)));
}
