// Event types: what there are, and choosing one.

import { choice, h } from "./dom.js";
import { t } from "./lang.js";
import { pages } from "./pages.js";

/** The catalogue of a tenant, or of the deployment for a dialect, page after page: what is chosen from is whole. */
export async function catalogueOf(call, { dialect: named, archived } = {}) {
  const types = pages(async (cursor) => {
    const page = await call("GET /v1/event-types", {}, { query: { cursor, limit: 100, dialect: named, archived } });
    return { items: page.event_types, next_cursor: page.next_cursor };
  }, ({ type }) => type);
  const all = async () => { do await types.older(); while (types.cursor); };
  const [{ dialects, tenant }] = await Promise.all([call("GET /v1/me", {}, {}), all()]);
  const dialect = dialects.find(({ name }) => name === (named ?? tenant?.dialect));
  return { event_types: types.items, any_type: dialect?.any_type ?? true };
}

/** A choice of event types, or any text where the dialect takes any type; and the element that has its value. */
export function typeInput({ event_types, any_type }, chosen, first, attributes) {
  const names = event_types.map(({ type, deprecated }) => [type, deprecated ? t`${type} (deprecated)` : type]);
  if (!any_type) {
    const input = choice([...(first ? [["", first]] : []), ...names], chosen, attributes);
    return { element: input, input };
  }
  const list = `${attributes.id}-list`;
  const input = h("input", { type: "text", list, value: chosen, placeholder: first, spellcheck: "false", autocapitalize: "off", ...attributes });
  return { element: h("span", null, input, h("datalist", { id: list }, names.map(([value, label]) => h("option", { value }, label === value ? "" : label)))), input };
}
