// The way in: a key, and for the operator a tenant.

import { signIn } from "./api.js";
import { button, empty, field, h, region, table, time } from "./dom.js";

export function signInForm(entered) {
  const input = h("input", { type: "password", id: "key", name: "key", required: true, autocomplete: "off", spellcheck: "false", autocapitalize: "off" });
  const problem = h("p", { class: "problem", role: "alert" });
  const submit = h("button", { type: "submit", class: "primary" }, "Sign in");
  return h("form", { class: "sign-in", submit: async (event) => {
    event.preventDefault();
    submit.disabled = true;
    problem.textContent = "";
    try {
      await signIn(input.value.trim());
      entered();
    } catch (error) {
      problem.textContent = error.message;
      submit.disabled = false;
      input.select();
    }
  } },
    h("img", { src: "dashboard/icon.svg", alt: "", width: 44, height: 44 }),
    h("h1", null, "Rung"),
    h("p", null, "See where your webhooks went and send them again."),
    field("Key", input),
    problem, submit,
    h("p", { class: "hint" }, "The admin key, or a tenant's key with the scope ", h("code", null, "read"),
      ". It is kept in this tab until you close it."));
}

/** The operator's tenants. */
export async function tenants({ call, link, go }) {
  let [known, cursor] = [[], null];
  const find = h("input", { type: "search", id: "find", placeholder: "Name or id", autocomplete: "off", spellcheck: "false", input: () => draw() });
  const list = region({ class: "card" }, ({ rows, more }) => [
    rows.length > 0
      ? table("Tenants", ["Tenant", "Id", "Dialect", "Plan", "Since"], rows.map(({ id, name, dialect, plan, created_at }) => [
        h("a", { class: "row-link", href: link(["t", id, "webhooks"]) }, name ?? id), h("code", null, id), dialect, plan, time(created_at),
      ]))
      : find.value
        ? empty("No match in the list", more ? "Press Enter to open the tenant with exactly this id." : "Check the spelling.")
        : empty("No tenants yet", ["Create one with ", h("code", null, "POST /v1/tenants"), "."]),
    more && button("Show more", older, { id: "older", class: "more" }),
  ]);

  function draw() {
    const wanted = find.value.trim().toLowerCase();
    const rows = known.filter(({ id, name }) => `${id} ${name}`.toLowerCase().includes(wanted));
    list.show({ rows, more: Boolean(cursor), wanted });
  }
  async function older() {
    const page = await call("GET /v1/tenants", {}, { query: { limit: 100, cursor } });
    known = [...known, ...page.tenants];
    cursor = page.next_cursor;
    draw();
  }
  await older();
  const form = h("form", { role: "search", submit: (event) => {
    event.preventDefault();
    const id = find.value.trim();
    if (id) go(["t", id, "webhooks"]);
  } }, field("Find", find));
  return { title: "Tenants", element: h("div", null, h("div", { class: "heading" }, h("h1", null, "Tenants"), form), list.element) };
}
