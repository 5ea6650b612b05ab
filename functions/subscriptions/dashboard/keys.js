// API keys: of a tenant, or the operator's own.

import { badge, button, copyButton, empty, h, inputTime, region, table, time } from "./dom.js";
import { form, part, textInput } from "./fields.js";
import { named } from "./lang.js";
import { pages } from "./pages.js";

const PAGE = 50;
/** The calls and scopes of both kinds: the scope, what it allows, and whether it is chosen at first. */
const OF_TENANT = {
  list: "GET /v1/tenants/{tenant}/keys", make: "POST /v1/tenants/{tenant}/keys", end: "DELETE /v1/tenants/{tenant}/keys/{key}",
  scopes: [
    ["publish", "publish events", true], ["manage", "see and change webhooks", false], ["read", "see, and change nothing", false],
    ["catalogue", "define event types", false], ["erase", "erase events", false],
  ],
};
const OF_OPERATOR = {
  list: "GET /v1/keys", make: "POST /v1/keys", end: "DELETE /v1/keys/{operator_key}",
  scopes: [
    ["admin", "everything", false], ["read", "see, and change nothing", true], ["manage", "see and change webhooks", false],
    ["publish", "publish events", false], ["catalogue", "define event types", false], ["erase", "erase events", false],
  ],
};

export async function keys({ tenant, spans, call, act, say, fail, confirmed }) {
  const [of, kind] = [{ tenant }, spans ? OF_OPERATOR : OF_TENANT];
  let made;
  const list = pages(async (cursor) => {
    const page = await call(kind.list, of, { query: { cursor, limit: PAGE } });
    return { items: page.keys, next_cursor: page.next_cursor };
  }, ({ id }) => id);
  const revoke = ({ id, name }) => act(async () => {
    if (!await confirmed(`Revoke the key ${name ?? id}?`, "Whoever uses it is refused from now on. This cannot be undone.", "Revoke")) return;
    await call(kind.end, { ...of, key: id, operator_key: id });
    say("Key revoked.");
  });
  const rows = region({ class: "card" }, ({ items, cursor }) => [
    items.length > 0
      ? table("API keys", ["Key", "Scopes", "Last used", "Expires", "Created", ""], items.map((key) => [
        h("div", { class: "endpoint" }, h("strong", null, key.name ?? key.id), key.name && h("span", { class: "sub" }, key.id)),
        h("div", { class: "types" }, key.scopes.map((scope) => h("code", null, scope))),
        time(key.last_used_at) ?? h("span", { class: "sub" }, "never"),
        key.expires_at ? time(key.expires_at) : "–",
        time(key.created_at),
        h("div", { class: "actions" }, button("Revoke", () => revoke(key), { id: `revoke-${key.id}`, class: "danger", "aria-label": `Revoke ${key.name ?? key.id}` })),
      ]))
      : empty("No API keys yet", "A publisher needs one with the scope publish."),
    cursor && button("Show more", () => act(() => list.older()), { id: "older", class: "more" }),
  ]);
  const shown = region(null, ({ made }) => made && h("div", { class: "card secret" },
    h("p", null, h("strong", null, "Copy the key now. "), "It is not shown again."),
    h("div", { class: "actions" }, h("code", { id: "made-key" }, made.key), copyButton(made.key, "Copy the key"), made.scopes.map((scope) => badge(named(scope))))));

  const boxes = kind.scopes.map(([scope, what, checked]) => [scope, h("input", { type: "checkbox", id: `scope-${scope}`, checked }), what]);
  const [name, expires] = [
    part("name", "Name", textInput({ id: "key-name" }), "Optional."),
    part("expires_at", "Expires", h("input", { type: "datetime-local", id: "expires" }), "Empty for never."),
  ];
  const scopes = part("scopes", "", h("input", { type: "hidden" }), "");
  scopes.element.replaceChildren(h("fieldset", { class: "group" }, h("legend", null, "Scopes"),
    h("div", { class: "actions" }, boxes.map(([scope, box, what]) => h("label", { class: "check" }, box, h("span", null, h("code", null, scope), h("span", { class: "sub" }, what)))))), scopes.problem);
  const save = async () => {
    const chosen = boxes.filter(([, box]) => box.checked).map(([scope]) => scope);
    ({ key: made } = await call(kind.make, of, { body: { name: name.input.value.trim() || undefined, scopes: chosen, expires_at: inputTime(expires.input.value) } }));
    name.input.value = "";
    await act(() => {});
  };
  const submit = h("button", { type: "submit", class: "primary", id: "make-key" }, "Create key");
  const making = form({ class: "card" }, [name, expires, { ...scopes, focus: () => boxes[0][1].focus() }], submit, save, fail,
    h("h2", null, "New key"), h("div", { class: "actions" }, name.element, expires.element), scopes.element, h("div", { class: "actions end" }, submit));

  async function refresh() {
    await list.refresh();
    shown.show({ made });
    rows.show({ items: list.items, cursor: list.cursor });
  }
  await refresh();
  return { title: "API keys", refresh, element: h("div", null, h("div", { class: "heading" }, h("h1", null, "API keys")), shown.element, rows.element, making) };
}
