// How attempts went over time, drawn from the buckets of a webhook's, tenant's or deployment's statistics.

import { count, duration, formatted, h, now, svg, table } from "./dom.js";
import { STEP, bars, buckets } from "./figures.js";
import { t } from "./lang.js";

const [WIDTH, HEIGHT] = [600, 120];

/** Whether its hours are those of several days, which need the date: a week has two Fridays. */
const isLong = (stats) => Date.parse(stats.until) - Date.parse(stats.since) > 2 * STEP.day;

/** A bucket's name, or a short one: days are the server's, which begin in UTC. */
function nameOf(stats, { at }, long = "dayHour") {
  if (stats.bucket === "day") return formatted(at, "day", "UTC");
  return formatted(at, isLong(stats) ? long : "hour");
}

/** Lines; where there is no value they break off. */
function lines(all, series, most, width, height) {
  const step = width / all.length;
  return series.map(([kind, of]) => {
    let [path, pen] = ["", "M"];
    for (const [index, bucket] of all.entries()) {
      const value = of(bucket);
      if (value === null || value === undefined) {
        pen = "M";
        continue;
      }
      const [x, y] = [(index + 0.5) * step, height - 2 - (value / most) * (height - 4)];
      // A short dash where it begins, so that one answer alone can be seen.
      path += pen === "M" ? `M${(x - 2).toFixed(1)} ${y.toFixed(1)}h4` : `L${x.toFixed(1)} ${y.toFixed(1)}`;
      pen = "L";
    }
    return svg("path", { class: `line ${kind}`, d: path });
  });
}

/** A number that a person would choose for the end of an axis, at least as large. */
function round(most) {
  const size = 10 ** Math.floor(Math.log10(Math.max(1, most)));
  return [1, 2, 5, 10].map((step) => step * size).find((value) => value >= most) ?? most;
}

/**
 * A chart with axes. Its values can be read by pointing at them, by the arrow keys, and in a table.
 * `all` are its buckets, named by `nameOf`, of which `usual` is read at first, and `ends` the names below it. Series are class, name, and what a bucket has of it; `written` writes a value. `read` has the time of the bucket that somebody
 * reads, by the chart's id: it is still read when the chart is drawn again.
 */
function chart({ all, nameOf, ends, usual = all.length - 1 }, [id, title], read, draw, series, highest, written) {
  const most = round(Math.max(1, ...all.map(highest)));
  const marker = svg("rect", { class: "marker", y: 0, width: WIDTH / all.length, height: HEIGHT });
  const readout = h("p", { class: "readout" });
  const said = (bucket) => `${nameOf(bucket)}: ${series.map(([, name, of]) => `${name} ${written(of(bucket))}`).join(", ")}`;
  const area = h("div", {
    id, class: "area", tabindex: 0, role: "slider", "aria-label": title, "aria-orientation": "horizontal", "aria-valuemin": 0, "aria-valuemax": all.length - 1,
  }, svg("svg", { class: "chart", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", "aria-hidden": "true" },
    svg("path", { class: "grid", d: `M0 0H${WIDTH}M0 ${HEIGHT / 2}H${WIDTH}` }), marker,
    draw(all, series.map(([kind, , of]) => [kind, of]), most, WIDTH, HEIGHT)));
  let chosen;
  function choose(index) {
    chosen = Math.min(all.length - 1, Math.max(0, index));
    marker.setAttribute("x", (chosen * WIDTH) / all.length);
    readout.textContent = said(all[chosen]);
    area.setAttribute("aria-valuenow", chosen);
    area.setAttribute("aria-valuetext", readout.textContent);
  }
  /** The usual bucket is read until somebody reads another. */
  const look = (index) => {
    choose(index);
    if (chosen === usual) read.delete(id);
    else read.set(id, all[chosen].at);
  };
  const known = all.findIndex(({ at }) => at === read.get(id));
  choose(known < 0 ? usual : known);
  const steps = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageUp: 10, PageDown: -10, Home: -all.length, End: all.length };
  area.addEventListener("keydown", (event) => {
    if (!(event.key in steps)) return;
    event.preventDefault();
    look(chosen + steps[event.key]);
  });
  area.addEventListener("pointermove", ({ clientX }) => {
    const { left, width } = area.getBoundingClientRect();
    look(Math.floor(((clientX - left) / width) * all.length));
  });
  return h("figure", null,
    h("figcaption", null, h("strong", null, title), h("span", { class: "legend" }, series.map(([kind, name]) => h("span", { class: `key ${kind}` }, name)))),
    h("div", { class: "plot" },
      h("div", { class: "scale", "aria-hidden": "true" }, [most, most / 2, 0].map((value) => h("span", null, written(value)))),
      area,
      h("p", { class: ends.length > 3 ? "ends bins" : "ends", "aria-hidden": "true" }, ends.map((name) => h("span", null, name)))),
    readout, asTable({ all, nameOf }, [id, title], read, series, written));
}

/** The same as a table, which is made when somebody opens it, and stays open when the chart is drawn again. */
function asTable({ all, nameOf }, [id, title], read, series, written) {
  const open = `${id}-table`;
  const place = h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": title });
  const fill = () => place.replaceChildren(table(title, ["", ...series.map(([, name]) => name)], all.map((bucket) => [nameOf(bucket), ...series.map(([, , of]) => written(of(bucket)))])));
  if (read.has(open)) fill();
  return h("details", { id: open, open: read.has(open), toggle: ({ target }) => {
    if (target.open && !place.firstChild) fill();
    if (target.open) read.set(open, true);
    else read.delete(open);
  } }, h("summary", null, t`As a table`), place);
}

/** The buckets of a span, and what they are called. */
function spanOf(stats) {
  const all = buckets(stats);
  const ends = [all[0], all[Math.floor(all.length / 2)], all.at(-1)].map((bucket) => nameOf(stats, bucket, "day"));
  return { all, nameOf: (bucket) => nameOf(stats, bucket), ends };
}

/** Until when what waits is due, in seconds from now. */
const DUE = [0, 60, 300, 3_600, 21_600, 86_400, Infinity];

/** How many of these deliveries are due by when: now, within a minute, … later. */
export function backlogOf(deliveries) {
  const numbers = DUE.map(() => 0);
  for (const { next_attempt_at: at } of deliveries) {
    const seconds = at ? (Date.parse(at) - now()) / 1000 : 0;
    numbers[DUE.findIndex((end) => seconds <= end)] += 1;
  }
  return numbers;
}

/** What waits now, by when it is due. */
function backlogChart(numbers, read) {
  const names = [t`now`, "≤ 1 min", "≤ 5 min", "≤ 1 h", "≤ 6 h", "≤ 24 h", t`later`];
  const all = numbers.map((waits, at) => ({ waits, at }));
  const waits = ({ waits: number }) => number;
  return chart({ all, nameOf: ({ at }) => names[at], ends: names.map((name) => name.replace("≤ ", "")), usual: 0 }, ["chart-backlog", t`Waiting, by when it is due`], read, bars, [["due", t`waiting`, waits]], waits, (value) => (Number.isInteger(value) ? count(value) : ""));
}

/** Outcomes, response statuses and latencies, and of a webhook what waits; `read` is a map that is kept with the panel. */
export function charts(stats, read, backlog) {
  const span = spanOf(stats);
  const bar = (title, series) => chart(span, title, read, bars, series, ({ attempts }) => attempts, (value) => (Number.isInteger(value ?? 0) ? count(value ?? 0) : ""));
  const statuses = ["2xx", "3xx", "4xx", "5xx"].map((name) => [`s${name}`, name, ({ by_status: by }) => by[name]]);
  const percentiles = ["p50", "p95", "p99"].map((name) => [name, name, ({ latency_ms: ms }) => ms[name]]);
  return h("div", { class: "charts" },
    bar(["chart-attempts", t`Attempts`], [["ok", t`succeeded`, ({ succeeded }) => succeeded], ["bad", t`failed`, ({ failed }) => failed]]),
    bar(["chart-responses", t`Responses`], [...statuses, ["lost", t`none`, ({ by_status: by }) => by.none]]),
    chart(span, ["chart-latency", t`Latency`], read, lines, percentiles, ({ latency_ms: ms }) => ms.p99 ?? 0, duration),
    backlog && backlogChart(backlog, read));
}
