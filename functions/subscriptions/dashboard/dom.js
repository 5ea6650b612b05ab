// Makes what is on the page. What comes from outside only ever becomes text or the value of an attribute that loads nothing:
// payloads and receivers' answers are written by anybody.

import { kept } from "./api.js";
import { named, t } from "./lang.js";

const SVG = "http://www.w3.org/2000/svg";

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (typeof value === "function") element.addEventListener(name, value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== undefined && child !== null && child !== false));
  return element;
}

/** An HTML element; attributes that are functions listen to the event of that name. */
export const h = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);

/** An SVG element. */
export const svg = (tag, attributes, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);

/**
 * Puts these in place of an element's children. Rows of a table that are the same as before stay themselves: whoever reads or works
 * there loses nothing. So what a row does may depend on nothing but what it shows.
 */
function fillAnew(element, nodes) {
  const before = [...element.childNodes];
  const kept = nodes.map((node) => {
    const isSame = node.localName === "table" ? (old) => old.localName === "table" && old.tHead.isEqualNode(node.tHead) : (old) => node.localName === "tr" && old.isEqualNode(node);
    const at = before.findIndex(isSame);
    if (at < 0) return node;
    const [old] = before.splice(at, 1);
    if (old.tHead) fillAnew(old.tBodies[0], [...node.tBodies[0].rows]);
    return old;
  });
  for (const old of before) old.remove();
  for (const [index, node] of kept.entries()) {
    const present = element.childNodes[index];
    if (!present) element.append(node);
    else if (present !== node) present.before(node);
  }
}

/** A part of the page that is drawn again when what it shows has changed, and left alone, focus and all, when not. */
export function region(attributes, draw) {
  const element = h("div", attributes);
  let shown;
  const show = (data) => {
    // Times in it are written in the zone.
    const text = `${zone()} ${JSON.stringify(data)}`;
    if (text === shown) return;
    shown = text;
    keepingFocus(element, () => fillAnew(element, [draw(data)].flat(Infinity).filter(Boolean)));
  };
  return { element, show };
}

// ---- The focus stays where a person was: without it, whoever works by keyboard begins again at the top of the page.

const FOCUSABLE = "a[href], button, input, select, textarea, summary, [tabindex]";
const focusablesIn = (element) => [...element.querySelectorAll(FOCUSABLE)];
/** What has the focus in place of something that is gone. */
let substitute;

/** What an element is to a person: its id, or its place in a row that a link names, or else where it leads and what it says. */
function markOf(element) {
  if (element.id) return element.id;
  const row = element.closest("tr, li");
  const link = row?.querySelector("a[href]");
  const place = link ? [link.getAttribute("href"), focusablesIn(row).indexOf(element)] : [element.getAttribute("href"), labelOf(element)];
  return JSON.stringify([element.localName, ...place]);
}
const labelOf = (element) => element.getAttribute("aria-label") ?? element.textContent;

/**
 * Keeps in mind what has the focus within an element. What it answers gives the focus back once that was drawn again: to the same
 * thing, or to what was near it, or to the heading. A button that is near only if it does the same for the next row: nobody wants to press another.
 */
export function placeIn(root) {
  const { activeElement: active } = document;
  if (!active || !root.contains(active)) return () => {};
  const all = focusablesIn(root);
  const at = all.indexOf(active);
  const name = labelOf(active);
  const distance = (index) => Math.abs(index - at) - (index > at ? 0.5 : 0);
  const near = all.map((element, index) => ({ element, mark: markOf(element), distance: distance(index) })).toSorted((one, other) => one.distance - other.distance);
  const text = active.textContent;
  return () => {
    if (document.activeElement !== document.body && document.activeElement?.isConnected) return;
    const present = new Map(focusablesIn(root).reverse().map((element) => [markOf(element), element]));
    for (const { element, mark } of near) {
      const found = element.isConnected ? element : present.get(mark);
      const isFit = element === active || found?.localName !== "button" || (found.textContent === text && labelOf(found) !== name);
      if (!found?.checkVisibility() || !isFit) continue;
      found.focus({ preventScroll: true });
      if (element !== active) substitute = found;
      return;
    }
    const [main, card] = [document.getElementById("main"), root.closest("section, .card")];
    substitute = card?.querySelector("h2, h3") ?? main.querySelector("h1") ?? main;
    substitute.setAttribute("tabindex", -1);
    substitute.focus({ preventScroll: true });
  };
}

/** Draws an element again, and leaves the focus where it was, or near. */
export function keepingFocus(element, redraw) {
  const back = placeIn(element);
  redraw();
  back();
}

/** Gives the focus to the first of these ids that is there, if what had it is gone: whoever works by keyboard stays near. */
export function refocus(...ids) {
  const { activeElement: active } = document;
  if (active && active !== document.body && active !== substitute && active.checkVisibility()) return;
  ids.map((id) => document.getElementById(id)).find((element) => element?.checkVisibility())?.focus({ preventScroll: true });
}

/** A button that does one thing at a time. */
export function button(label, action, attributes) {
  const element = h("button", { type: "button", ...attributes }, label);
  element.addEventListener("click", async () => {
    if (element.getAttribute("aria-disabled")) return;
    // Not `disabled`, which would take the focus away from whoever works by keyboard.
    element.setAttribute("aria-disabled", "true");
    try {
      await action(element);
    } finally {
      element.removeAttribute("aria-disabled");
    }
  });
  return element;
}

/** So long a button says what it has done. */
const TOLD_MS = 2_000;

/** A button that copies a text, where the browser can, and says whether it has. Its label begins with what it shows. */
export const copyButton = (text, label, shown = t`Copy`) => navigator.clipboard && button(shown, async (element) => {
  const told = await Promise.resolve(typeof text === "function" ? text() : text)
    .then((copied) => navigator.clipboard.writeText(copied))
    .then(() => t`Copied`, () => t`The browser does not allow it. Select the text to copy it.`);
  tell(told);
  element.textContent = told;
  element.removeAttribute("aria-label");
  setTimeout(() => {
    element.textContent = shown;
    element.setAttribute("aria-label", label);
  }, TOLD_MS);
}, { class: "quiet", "aria-label": label });

/** Tells whoever listens to a screen reader. */
function tell(text) {
  const place = document.getElementById("told");
  if (!place) return;
  // The same again is told again.
  place.textContent = "";
  setTimeout(() => { place.textContent = text; });
}

/** A text as it is, with a button that copies it. */
export const copyable = (text, label) => h("span", { class: "copyable" }, h("code", null, text), copyButton(text, label));

/** A labelled field of a form. */
export const field = (label, input) => h("label", { class: "field" }, h("span", null, label), input);

/** A choice; options are values, or pairs of value and label. */
export function choice(options, chosen, attributes) {
  const made = options.map((option) => {
    const [value, label] = [option].flat();
    return h("option", { value, selected: value === chosen }, label ?? value);
  });
  return h("select", attributes, made);
}

/** Whether a form on the page has something that is not saved. */
export const isEdited = () => document.querySelector("form[data-edited]") !== null;

/** What is in the forms of the page is not missed. */
export const giveUpEdits = () => { for (const each of document.querySelectorAll("form[data-edited]")) delete each.dataset.edited; };

/** A table whose cells know their column's name, for narrow screens. Each row is a list of cells; a column without a name holds actions. */
export function table(caption, columns, rows) {
  const cells = (row) => row.map((cell, index) => h("td", { "data-label": columns[index] }, cell));
  return h("table", null,
    h("caption", { class: "hidden" }, caption),
    h("thead", null, h("tr", null, columns.map((name) => h("th", { scope: "col" }, name || h("span", { class: "hidden" }, t`Actions`))))),
    h("tbody", null, rows.map((row) => h("tr", null, cells(row)))));
}

/** What stands where there is nothing. */
export const empty = (title, hint) => h("div", { class: "empty", role: "status" }, h("p", null, h("strong", null, title)), hint && h("p", null, hint));

/** What stands where something is still to come. */
export const skeleton = () => h("div", { class: "skeleton", "aria-hidden": "true" }, h("p"), h("div", { class: "card" }, h("p"), h("p"), h("p")), h("div", { class: "card" }, h("p"), h("p")));

const KINDS = {
  active: "good", healthy: "good", succeeded: "good",
  failed: "bad", failing: "bad", disabled: "bad",
  pending: "wait", paused: "wait", queued: "wait", running: "wait", held: "wait", missed: "wait",
};

/** A state, by colour and word. */
export const badge = (state) => h("span", { class: `badge ${KINDS[state] ?? ""}` }, named(state));

/** Names with their values. */
export const facts = (pairs) =>
  h("dl", { class: "facts" }, pairs.filter(([, value]) => value || value === 0)
    .map(([name, value]) => h("div", null, h("dt", null, name), h("dd", null, value))));

// ---- Times. "Now" is the server's: its ladder's clock may run faster, and a client's may be wrong.

let ahead = 0;

/** Tells what time it is where deliveries are due. */
export function setNow(time) {
  ahead = Date.parse(time) - Date.now();
}

export const now = () => Date.now() + ahead;

const ZONE = "rung.zone";
const own = () => Intl.DateTimeFormat().resolvedOptions().timeZone;

/** The zone that times are shown in: the reader's, or UTC. */
export const zone = () => (kept.getItem(ZONE) === "UTC" ? "UTC" : own());

/** The choice of the zone. */
export function zones() {
  const all = [...new Set([own(), "UTC"])];
  return all.map((name) => h("option", { value: name, selected: name === zone() }, name));
}

/** Changes the zone: in inputs as well, whose times stay the same. */
export function setZone(name) {
  const inputs = [...document.querySelectorAll("input[type=datetime-local]")].map((input) => [input, inputTime(input.value)]);
  kept.setItem(ZONE, name);
  for (const [input, at] of inputs) input.value = localInput(at);
  for (const element of document.querySelectorAll("time")) written(element);
}

const FORMATS = {
  day: { month: "short", day: "numeric" },
  clock: { hour: "2-digit", minute: "2-digit", second: "2-digit" },
  hour: { weekday: "short", hour: "2-digit", minute: "2-digit" },
  dayHour: { weekday: "short", month: "short", day: "numeric", hour: "2-digit", minute: "2-digit" },
  whole: { dateStyle: "full", timeStyle: "long" },
};

/** A time in one of these forms, in the zone that is shown or in another. */
export const formatted = (at, form, timeZone = zone()) => new Intl.DateTimeFormat(undefined, { ...FORMATS[form], timeZone }).format(at);

/** Writes a time into its element, in the zone that is shown: with its day where that is not today. */
function written(element) {
  const text = element.getAttribute("datetime");
  const at = new Date(text);
  element.title = formatted(at, "whole");
  const isToday = formatted(at, "day") === formatted(now(), "day") && Math.abs(at - now()) < 86_400_000;
  element.textContent = element.className === "until" ? distance(text) : isToday ? formatted(at, "clock") : `${formatted(at, "day")}, ${formatted(at, "clock")}`;
  return element;
}

/** A time. */
export function time(text) {
  return text ? written(h("time", { datetime: text })) : null;
}

/** A time as an input has it, in the zone that is shown; nothing for none. */
export function localInput(text) {
  const at = new Date(text ?? "");
  if (Number.isNaN(at.getTime())) return "";
  const ahead = zone() === "UTC" ? 0 : at.getTimezoneOffset();
  return new Date(at.getTime() - ahead * 60_000).toISOString().slice(0, 16);
}

/** The time that an input has; `undefined` for none. */
export const inputTime = (value) => (value ? new Date(zone() === "UTC" ? `${value}Z` : value).toISOString() : undefined);

/** How long until a time; kept up to date by `tick`. */
export function until(text) {
  return text ? written(h("time", { datetime: text, class: "until" })) : null;
}

/** Brings every distance up to date. */
export function tick() {
  for (const element of document.querySelectorAll("time.until")) {
    const text = distance(element.getAttribute("datetime"));
    if (element.textContent !== text) element.textContent = text;
  }
}

function distance(text) {
  const seconds = Math.round((Date.parse(text) - now()) / 1000);
  if (seconds <= 0) return t`now`;
  const [size, unit] = [[86_400, "d"], [3_600, "h"], [60, "min"]].find(([size]) => seconds >= 2 * size) ?? [1, "s"];
  return t`in ${Math.round(seconds / size)} ${unit}`;
}

const decimal = (value, digits) => new Intl.NumberFormat(undefined, { maximumFractionDigits: digits }).format(value);

/** A duration in one unit, which is small enough to say something: up to two minutes are told in seconds. */
export function duration(ms) {
  if (ms === null || ms === undefined) return "–";
  const [size, unit] = [[86_400_000, "d", 1], [3_600_000, "h", 1], [60_000, "min", 2], [1000, "s", 1]].find(([size, , least]) => ms >= least * size) ?? [1, "ms"];
  return `${decimal(ms / size, ms < 10 * size ? 1 : 0)} ${unit}`;
}

/** A share of a whole; never rounded up to all or down to nothing. */
export function share(part, whole) {
  if (!whole) return "–";
  const percent = (100 * part) / whole;
  const shown = percent > 99 && percent < 100 ? Math.min(percent, 99.9) : percent > 0 && percent < 1 ? Math.max(percent, 0.1) : Math.round(percent);
  return new Intl.NumberFormat(undefined, { style: "percent", maximumFractionDigits: 1 }).format(shown / 100);
}

export const count = (number) => number.toLocaleString();
