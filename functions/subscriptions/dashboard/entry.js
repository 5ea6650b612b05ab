// The way in: a key.

import { signIn } from "./api.js";
import { field, h } from "./dom.js";
import { sentence, t } from "./lang.js";

export function signInForm(entered) {
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
    h("img", { src: "dashboard/icon.svg", alt: "", width: 44, height: 44 }),
    h("h1", null, "Rung"),
    h("p", null, t`See where your webhooks went and send them again.`),
    field(t`Key`, input),
    problem, submit,
    h("p", { class: "hint" }, t`The admin key, or a tenant's key with the scope ${h("code", null, "read")}. It is kept in this tab until you close it.`));
}
