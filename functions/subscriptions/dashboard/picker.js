// Choosing what a webhook subscribes to: everything, groups, single types, or prefixes.

import { badge, h, refocus, region } from "./dom.js";
import { t } from "./lang.js";

const ALL = "*";

/** The choice; `subscribed` are the names that a webhook has, none for a new one. */
export function eventPicker({ event_types: types, any_type: open }, subscribed = [ALL]) {
  const chosen = new Set(subscribed.filter((name) => name !== ALL));
  const everything = subscribed.includes(ALL);
  const groups = [...new Set(types.flatMap((type) => type.groups ?? []))];
  const known = new Set([...groups, ...types.map(({ type }) => type)]);

  const radio = (value, checked, label) => h("label", { class: "check" },
    h("input", { type: "radio", name: "which", id: `events-${value}`, checked, change: draw }), label);
  const all = radio("all", everything, t`All events`);
  const some = radio("some", !everything, t`Only these`);
  const find = h("input", { type: "search", id: "find-type", placeholder: t`Search event types`, "aria-label": t`Search event types`, autocomplete: "off", spellcheck: "false", input: draw });
  const own = h("input", { type: "text", id: "own-type", placeholder: open ? t`order.paid or order.*` : t`a prefix such as order.*`, "aria-label": t`Event type or prefix`, autocomplete: "off", spellcheck: "false", autocapitalize: "off", keydown: (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    add();
  } });

  function set(name, on) {
    if (on) chosen.add(name);
    else chosen.delete(name);
    draw();
  }
  function add() {
    const name = own.value.trim();
    if (!name) return;
    own.value = "";
    set(name, true);
  }
  const box = (name, id, within, ...label) => h("label", { class: "check" },
    h("input", { type: "checkbox", id, checked: within || chosen.has(name), disabled: within, change: ({ target }) => set(name, target.checked) }), label);
  const typeBox = ({ type, description, deprecated }, within) => h("li", null,
    box(type, `type-${type}`, within, h("span", null, h("code", null, type), deprecated && [" ", badge("deprecated")],
      deprecated?.use && h("span", { class: "sub" }, t`Use ${h("code", null, deprecated.use)} instead.`),
      description && h("span", { class: "sub" }, description))));

  const list = region(null, ({ wanted }) => {
    const found = types.filter(({ type, description }) => `${type} ${description ?? ""}`.toLowerCase().includes(wanted));
    const grouped = groups.map((group) => [group, found.filter((type) => type.groups?.includes(group))]).filter(([, members]) => members.length > 0);
    const rest = found.filter((type) => !type.groups?.length);
    return [
      ...grouped.map(([group, members]) => h("fieldset", { class: "group" },
        h("legend", null, box(group, `group-${group}`, false, h("strong", null, group), h("span", { class: "sub" }, t`all of this group, later types too`))),
        h("ul", { class: "choices" }, members.map((type) => typeBox(type, chosen.has(group)))))),
      rest.length > 0 && h("ul", { class: "choices" }, rest.map((type) => typeBox(type, false))),
      found.length === 0 && wanted && h("p", { class: "sub" }, t`No event type matches.`),
    ];
  });
  /** Takes a name out; the focus goes to the one that takes its place, or to where names are added. */
  const remove = (name, names) => {
    const at = names.indexOf(name);
    set(name, false);
    refocus(...[names[at + 1], names[at - 1]].filter(Boolean).map((next) => `remove-${next}`), "own-type");
  };
  const chips = region({ class: "filters" }, ({ names }) => names.map((name) => h("p", { class: "chip" }, h("code", null, name),
    h("button", { type: "button", class: "quiet", id: `remove-${name}`, "aria-label": t`Remove ${name}`, click: () => remove(name, names) }, "×"))));
  const only = h("div", { class: "fields" },
    types.length > 0 && find, list.element,
    h("div", { class: "joined" }, own, h("button", { type: "button", id: "add-type", click: add }, t`Add`)), chips.element);

  function draw() {
    only.hidden = all.firstChild.checked;
    list.show({ wanted: find.value.trim().toLowerCase(), chosen: [...chosen] });
    chips.show({ names: [...chosen].filter((name) => !known.has(name)) });
  }
  draw();
  return {
    element: h("fieldset", { class: "group", id: "events" }, h("legend", null, t`Events`), h("div", { class: "fields" }, h("div", { class: "actions" }, all, some), only)),
    /** The names to subscribe to. What somebody has typed but not added counts. */
    events() {
      add();
      if (all.firstChild.checked) return [ALL];
      const inGroup = new Set(types.filter((type) => type.groups?.some((group) => chosen.has(group))).map(({ type }) => type));
      return [...chosen].filter((name) => !inGroup.has(name) || groups.includes(name));
    },
    focus: () => (all.firstChild.checked ? all : some).firstChild.focus(),
  };
}
