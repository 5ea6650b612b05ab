// Portal links of a tenant: for the operator, who gives one to a customer.

import { button, choice, copyButton, count, empty, h, now, region, table, time } from "./dom.js";
import { form, part, textInput } from "./fields.js";
import { pages } from "./pages.js";
import { title } from "./webhooks.js";

const CAPABILITIES = [["manage", "create and change webhooks", true], ["secrets", "read and rotate secrets", true], ["test", "send test events", true]];
const HOUR_MS = 3_600_000;
/** So many pages of webhooks can be chosen from. */
const PAGES_OF_WEBHOOKS = 10;

/** The tenant's webhooks by id, each by a name short enough for a choice, and whether those are all. */
async function namesOf(call) {
  const all = pages(async (cursor) => {
    const page = await call("GET /v1/webhooks", {}, { query: { limit: 100, cursor } });
    return { items: page.webhooks, next_cursor: page.next_cursor };
  }, ({ id }) => id);
  for (let page = 0; page === 0 || (all.cursor && page < PAGES_OF_WEBHOOKS); page += 1) await all.older();
  const short = (text) => (text.length > 60 ? `${text.slice(0, 59)}…` : text);
  return { names: new Map(all.items.map((webhook) => [webhook.id, short(title(webhook))])), isWhole: all.cursor === null };
}

export async function links({ tenant, call, act, say, fail, confirmed }) {
  const of = { tenant };
  let made;
  const { names, isWhole } = await namesOf(call);
  const list = pages(async (cursor) => {
    const page = await call("GET /v1/tenants/{tenant}/portal-links", of, { query: { cursor, limit: 50 } });
    return { items: page.portal_links, next_cursor: page.next_cursor };
  }, ({ id }) => id);
  const end = ({ id }) => act(async () => {
    await call("DELETE /v1/tenants/{tenant}/portal-links/{portal_link}", { ...of, portal_link: id });
    list.drop(id);
    say("The link has ended.");
  });
  const endAll = () => act(async () => {
    if (!await confirmed("End all links of this tenant?", "Whoever has the portal open is asked to come back by your product.", "End all")) return;
    await call("DELETE /v1/tenants/{tenant}/portal-links", of);
    say("All links have ended.");
  });
  const rows = region({ class: "card" }, ({ items, cursor }) => [
    items.length > 0
      ? [
        table("Portal links", ["Link", "Allows", "Webhook", "Ends", "Created", ""], items.map((link) => [
          h("div", { class: "endpoint" }, h("strong", null, link.actor?.name ?? link.actor?.id ?? link.id), link.actor && h("span", { class: "sub" }, link.id)),
          h("div", { class: "types" }, link.capabilities.map((name) => h("code", null, name))),
          h("span", { class: "clip" }, link.webhook_id ? names.get(link.webhook_id) ?? link.webhook_id : "all"),
          time(link.expires_at), time(link.created_at),
          button("End", () => end(link), { id: `end-${link.id}`, class: "danger", "aria-label": `End ${link.id}` }),
        ])),
        h("div", { class: "actions end" }, button("End all…", endAll, { id: "end-all", class: "danger" })),
      ]
      : empty("No portal links", "A link opens the portal for one of your customers, for a while and without a key."),
    cursor && button("Show more", () => act(() => list.older()), { id: "older", class: "more" }),
  ]);
  const shown = region(null, ({ made }) => made && h("div", { class: "card secret" },
    h("p", null, h("strong", null, "Copy the link now. "), "It is not shown again."),
    h("div", { class: "actions" }, h("code", { id: "made-link" }, made.url ?? made.token), copyButton(made.url ?? made.token, "Copy the link")),
    !made.url && h("p", { class: "sub" }, "The deployment has no public address, so this is the token alone.")));

  const boxes = CAPABILITIES.map(([name, what, checked]) => [name, h("input", { type: "checkbox", id: `can-${name}`, checked }), what]);
  const hours = choice([["1", "1 hour"], ["8", "8 hours"], ["24", "24 hours"]], "1", { id: "hours" });
  const parts = [
    part("actor.name", "For whom", textInput({ id: "actor" }), "The audit log names them. Optional."),
    part("webhook_id", "Webhook", choice([["", "all of the tenant's"], ...names], "", { id: "webhook" }), isWhole ? "What the link shows." : `What the link shows. Only the newest ${count(names.size)} webhooks are listed; for others, create links over the API.`),
    part("return_url", "Back leads to", textInput({ id: "return-url", placeholder: "a page of your product" }), "Optional."),
    part("expires_at", "Ends in", hours, "After that it opens nothing."),
  ];
  const [actor, webhook, back] = parts.map(({ input }) => input);
  const save = async () => {
    const capabilities = boxes.filter(([, box]) => box.checked).map(([name]) => name);
    const body = {
      capabilities, expires_at: new Date(now() + Number(hours.value) * HOUR_MS - 5_000).toISOString(), webhook_id: webhook.value || undefined,
      actor: actor.value.trim() ? { name: actor.value.trim() } : undefined, return_url: back.value.trim() || undefined,
    };
    ({ portal_link: made } = await call("POST /v1/tenants/{tenant}/portal-links", of, { body }));
    await act(() => {});
  };
  const submit = h("button", { type: "submit", class: "primary", id: "make-link" }, "Create link");
  const making = form({ class: "card" }, parts, submit, save, fail,
    h("h2", null, "New portal link"),
    h("div", { class: "actions" }, parts.map(({ element }) => element)),
    h("fieldset", { class: "group" }, h("legend", null, "Beside seeing everything, people may"),
      h("div", { class: "actions" }, boxes.map(([name, box, what]) => h("label", { class: "check" }, box, h("span", null, h("code", null, name), h("span", { class: "sub" }, what)))))),
    h("div", { class: "actions end" }, submit));
  async function refresh() {
    await list.refresh();
    shown.show({ made });
    rows.show({ items: list.items, cursor: list.cursor });
  }
  await refresh();
  return { title: "Portal links", refresh, element: h("div", null, h("div", { class: "heading" }, h("h1", null, "Portal links")), shown.element, rows.element, making) };
}
