// Which of the last events a filter would take, for whoever writes one.

import { badge, button, count, h, region, table, time } from "./dom.js";
import { tell } from "./fields.js";
import { clear } from "./filters.js";
import { t } from "./lang.js";

/** A button and what comes of it; `body` is the text of the request's body, `parts` are the fields of the form. */
export function preview({ call, link, fail }, parts, body) {
  const outcome = region({ "aria-live": "polite", id: "preview" }, ({ matching, events }) => events && [
    h("p", null, events.length > 0 ? t`${count(matching)} of the last ${count(events.length)} events match.` : t`No such event was published yet.`),
    events.length > 0 && h("details", null, h("summary", null, t`Last events`),
      table(t`Last events`, [t`Event`, t`Event type`, t`Time`, ""], events.map(({ id, type, created_at, matches }) => [
        h("a", { class: "row-link", href: link(["events", id]) }, h("code", null, id)), type, time(created_at), badge(matches ? "matches" : "left_out"),
      ]))),
  ]);
  const ask = async () => {
    clear(parts);
    try {
      outcome.show(await call("POST /v1/filter-preview", {}, { body: body() }));
    } catch (error) {
      outcome.show({});
      tell(parts, error, fail);
    }
  };
  return h("div", null, h("div", { class: "actions" }, button(t`Try it on the last events`, ask, { id: "try-filter" })), outcome.element);
}
