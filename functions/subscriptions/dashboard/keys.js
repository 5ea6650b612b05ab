// The API keys of a tenant: for the operator.

import { badge, button, copyButton, empty, field, h, region, table, time, words } from "./dom.js";
import { pages } from "./pages.js";

const SCOPES = [
  ["publish", "publish events", true], ["manage", "see and change webhooks", false], ["read", "see, and change nothing", false],
  ["catalogue", "define event types", false], ["erase", "erase events", false],
];
const PAGE = 50;

export async function keys({ tenant, call, act, say, confirmed }) {
  const of = { tenant };
  let made;
  const list = pages(async (cursor) => {
    const page = await call("GET /v1/tenants/{tenant}/keys", of, { query: { cursor, limit: PAGE } });
    return { items: page.keys, next_cursor: page.next_cursor };
  }, ({ id }) => id);
  const revoke = ({ id, name }) => act(async () => {
    if (!await confirmed(`Revoke the key ${name ?? id}?`, "Whoever uses it is refused from now on. This cannot be undone.", "Revoke")) return;
    await call("DELETE /v1/tenants/{tenant}/keys/{key}", { ...of, key: id });
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
    h("div", { class: "actions" }, h("code", { id: "made-key" }, made.key), copyButton(made.key, "Copy the key"), made.scopes.map((scope) => badge(words(scope))))));

  const name = h("input", { type: "text", id: "key-name", autocomplete: "off" });
  const boxes = SCOPES.map(([scope, what, checked]) => [scope, h("input", { type: "checkbox", id: `scope-${scope}`, checked }), what]);
  const expires = h("input", { type: "datetime-local", id: "expires" });
  const form = h("form", { class: "card", submit: (event) => {
    event.preventDefault();
    act(async () => {
      const scopes = boxes.filter(([, box]) => box.checked).map(([scope]) => scope);
      const expires_at = expires.value ? new Date(expires.value).toISOString() : undefined;
      ({ key: made } = await call("POST /v1/tenants/{tenant}/keys", of, { body: { name: name.value.trim() || undefined, scopes, expires_at } }));
      name.value = "";
    });
  } },
    h("h2", null, "New key"),
    h("div", { class: "actions" }, field("Name (optional)", name), field("Expires (optional)", expires)),
    h("fieldset", { class: "group" }, h("legend", null, "Scopes"),
      h("div", { class: "actions" }, boxes.map(([scope, box, what]) => h("label", { class: "check" }, box, h("span", null, h("code", null, scope), h("span", { class: "sub" }, what)))))),
    h("div", { class: "actions end" }, h("button", { type: "submit", class: "primary", id: "make-key" }, "Create key")));

  async function refresh() {
    await list.refresh();
    shown.show({ made });
    rows.show({ items: list.items, cursor: list.cursor });
  }
  await refresh();
  return { title: "API keys", refresh, element: h("div", null, h("div", { class: "heading" }, h("h1", null, "API keys")), shown.element, rows.element, form) };
}
