// The way in, a key; and the way out of a portal link, which leads to the product that it came from.

import { lastLink, signIn } from "./api.js";
import { button, field, h } from "./dom.js";
import { sentence, t } from "./lang.js";

/** Whose page it is: the operator's logo and name, or Rung's. */
const head = ({ logo, name }) => [
  (logo || !name) && h("img", { src: logo ?? "dashboard/icon.svg", alt: "", height: 44 }),
  h("h1", null, name ?? "Rung"),
];

/** What stands where a link has ended; `again` asks for another, where somebody can bring one. */
export function endedPage(brand, again) {
  const { back, ended } = lastLink() ?? {};
  return h("div", { class: "sign-in", id: "ended" },
    head(brand),
    h("p", { role: "alert" }, ended === false ? t`You are signed out. Open the page from your product again.` : t`This link has ended. Open the page from your product again.`),
    again ? button(t`Try again`, again) : back && h("a", { class: "button primary", id: "way-back", rel: "noreferrer", href: back }, t`Back`));
}

export function signInForm(brand, entered) {
  const input = h("input", { type: "password", id: "key", name: "key", required: true, autocomplete: "off", spellcheck: "false", autocapitalize: "off" });
  const problem = h("p", { class: "problem", role: "alert" });
  const submit = h("button", { type: "submit", class: "primary" }, t`Sign in`);
  return h("form", { class: "sign-in", submit: async (event) => {
    event.preventDefault();
    submit.disabled = true;
    problem.textContent = "";
    try {
      await signIn(input.value.trim());
      entered();
    } catch (error) {
      problem.textContent = sentence(error);
      submit.disabled = false;
      input.select();
    }
  } },
    head(brand),
    h("p", null, t`See where your webhooks went and send them again.`),
    field(t`Key`, input),
    problem, submit,
    h("p", { class: "hint" }, t`The admin key, or a tenant's key with the scope ${h("code", null, "read")}. It is kept in this tab until you close it.`));
}
