// Figures of a span of time and small charts, as lists have them too; what is larger comes with the statistics.

import { count, duration, h, share, svg } from "./dom.js";
import { t } from "./lang.js";

export const STEP = { minute: 60_000, hour: 3_600_000, day: 86_400_000 };

/** Figures of a span. */
export function tiles(figures) {
  return h("dl", { class: "tiles" }, figures.map(([name, value, kind]) => h("div", { class: kind }, h("dt", null, name), h("dd", null, value))));
}

/** What stands out in a span's counts. */
export const figures = (stats) => [
  [t`Attempts`, count(stats.attempts)],
  [t`Succeeded`, share(stats.succeeded, stats.attempts)],
  [t`Failed`, count(stats.failed), stats.failed > 0 && "bad"],
  [t`Latency p50 / p95`, `${duration(stats.latency_ms.p50)} / ${duration(stats.latency_ms.p95)}`],
];

/** Every bucket of the span, those in which nothing was attempted too. */
export function buckets(stats) {
  const step = STEP[stats.bucket];
  const known = new Map(stats.buckets.map((bucket) => [Date.parse(bucket.start), bucket]));
  const all = [];
  for (let at = Date.parse(stats.since); at <= Date.parse(stats.until); at += step) {
    all.push({ succeeded: 0, failed: 0, attempts: 0, latency_ms: {}, by_status: {}, ...known.get(at), at });
  }
  return all;
}

/** Bars, one series on the other; each is a class and what a bucket has of it. */
export function bars(all, series, most, width, height) {
  const step = width / all.length;
  return all.map((bucket, index) => {
    let top = height;
    const parts = series.map(([kind, of]) => {
      const value = of(bucket);
      if (!value) return null;
      // Whatever there is can be seen, however little it is.
      const tall = Math.min(top, Math.max(1.5, (value / most) * height));
      top -= tall;
      return svg("rect", { class: kind, x: index * step + step * 0.14, y: top, width: Math.max(1, step * 0.72), height: tall });
    });
    return svg("g", null, parts, top === height && svg("rect", { class: "none", x: index * step + step * 0.14, y: height - 1, width: Math.max(1, step * 0.72), height: 1 }));
  });
}

/** A small one, for lists. */
export function spark(stats) {
  const all = buckets(stats);
  const most = Math.max(1, ...all.map(({ attempts }) => attempts));
  const label = t`${count(stats.succeeded)} succeeded, ${count(stats.failed)} failed`;
  return h("div", { class: "spark" },
    svg("svg", { class: "chart", viewBox: "0 0 120 24", preserveAspectRatio: "none", role: "img", "aria-label": label },
      bars(all, [["ok", (bucket) => bucket.succeeded], ["bad", (bucket) => bucket.failed]], most, 120, 24)));
}
