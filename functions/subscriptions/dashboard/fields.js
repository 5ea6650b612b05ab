// Fields of forms, with what is wrong beside the field that it is about.

import { field, h } from "./dom.js";
import { clear } from "./filters.js";
import { t } from "./lang.js";
import { told } from "./problems.js";

/** A problem that the page finds before the API is asked. */
export class Invalid extends Error {
  constructor(field, problem) {
    super(problem);
    this.details = [{ field, problem }];
  }
}

/** A form field with a hint and room for its problem; `name` is the member of the API. */
export function part(name, label, input, hint) {
  const problem = h("p", { class: "problem", id: `problem-${name}` });
  input.setAttribute("aria-describedby", `hint-${name} problem-${name}`);
  const found = { name, input, problem };
  // What is wrong is wrong until somebody begins to mend it.
  input.addEventListener("input", () => clear([found]));
  const element = h("div", { class: "part", "data-field": name }, field(label, input), h("p", { class: "hint", id: `hint-${name}` }, hint), problem);
  return Object.assign(found, { element });
}

export const textInput = (attributes) => h("input", { type: "text", autocomplete: "off", spellcheck: "false", autocapitalize: "off", ...attributes });
export const textLines = (attributes, value) => h("textarea", { rows: 3, spellcheck: "false", autocapitalize: "off", ...attributes }, value);

/** Puts each problem below its field, and goes to the first; an error about no field of the form is left to `fail`. */
export function tell(parts, error, fail) {
  const rest = [];
  let first;
  for (const detail of error.details ?? []) {
    const { field: path } = detail;
    const found = parts.find(({ name }) => path === name) ?? parts.find(({ name }) => path.startsWith(`${name}.`) || path.startsWith(`${name}[`));
    if (!found) {
      rest.push(detail);
      continue;
    }
    found.problem.textContent = path === found.name ? told(detail) : `${path.slice(found.name.length).replace(/^\./, "")}: ${told(detail)}`;
    found.input.setAttribute("aria-invalid", "true");
    first ??= found;
  }
  for (let around = first?.element.closest("details"); around; around = around.parentElement.closest("details")) around.open = true;
  if (first) (first.focus ?? (() => first.input.focus()))();
  if (!first || rest.length > 0) fail(error);
}

/** What a browser cannot read of an input is no value, but nobody means nothing by it. */
function unreadable(parts) {
  const bad = parts.filter(({ input }) => input.validity?.badInput);
  if (bad.length === 0) return;
  throw Object.assign(new Error(), { details: bad.map(({ name, input: { type } }) => ({ field: name, problem: type === "number" ? t`Enter a whole number.` : t`Enter a whole date with its time.` })) });
}

/** So long a form rests once it has saved: the second click of two means nothing. */
const REST_MS = 600;

/**
 * A form that saves once, and says what is wrong beside its fields. Attributes are the form's: one with `data-guarded` is not left by
 * mistake with something that is not saved. `submit` is its button, which stays
 * off where saving leads to another page: this one stands until that has loaded.
 */
export function form(attributes, parts, submit, save, fail, ...children) {
  // What narrows a list within the form is no edit.
  const edited = ({ target, currentTarget: { dataset } }) => { if ("guarded" in dataset && target.type !== "search") dataset.edited = ""; };
  return h("form", { novalidate: true, ...attributes, input: edited, submit: async (event) => {
    event.preventDefault();
    const { currentTarget: whole } = event;
    if (submit.getAttribute("aria-disabled")) return;
    submit.setAttribute("aria-disabled", "true");
    clear(parts);
    const address = location.hash;
    const again = () => submit.removeAttribute("aria-disabled");
    try {
      unreadable(parts);
      await save();
      delete whole.dataset.edited;
      if (location.hash === address) setTimeout(again, REST_MS);
    } catch (error) {
      again();
      tell(parts, error, fail);
    }
  } }, children);
}

/** The text of a JSON object, and what it says, or `null` for none; its digits stay as they were written. */
export function objectIn(written, name) {
  const text = written.trim();
  if (!text) return null;
  let parsed;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    throw new Invalid(name, t`This is invalid JSON: ${error.message}`);
  }
  if (parsed === null || typeof parsed !== "object" || Array.isArray(parsed)) throw new Invalid(name, t`Enter a JSON object, which begins with {.`);
  return { parsed, text };
}
