// What a list or a span is narrowed by: inputs, and beside each what is wrong with it.

import { field, h } from "./dom.js";
import { t } from "./lang.js";

/** Takes the problems of an earlier try away. */
export function clear(parts) {
  for (const { input, problem } of parts) {
    problem.textContent = "";
    input.removeAttribute("aria-invalid");
  }
}

/** A labelled input with room for its problem; `name` is the member of the API, and `element` holds the input. */
export function slot(name, label, input, element = input) {
  const problem = h("p", { class: "problem", id: `wrong-${input.id}`, role: "alert" });
  input.setAttribute("aria-describedby", problem.id);
  return { name, input, problem, element: h("div", { class: "part" }, field(label, element), problem) };
}

/** Says what is wrong with an input, and leaves the focus where it is. */
export function mark({ input, problem }, text) {
  problem.textContent = text;
  input.setAttribute("aria-invalid", "true");
}

/** Whether two inputs of times are in order; if not, it is said beside the second. */
export function inOrder(since, until) {
  clear([since, until]);
  const is = !since.input.value || !until.input.value || since.input.value <= until.input.value;
  if (!is) mark(until, t`This is before “Since”.`);
  return is;
}

/**
 * Asks for the pages of a list. What the API says against a filter stands beside it, and the list has nothing until another
 * filter is chosen: the page stays, so there is something to mend it with.
 */
export function forgiving(slots, ask) {
  const slotOf = (name) => slots.find((each) => each.name === name);
  const [since, until] = [slotOf("since"), slotOf("until")];
  let isWrong = false;
  return async (cursor) => {
    try {
      if (!isWrong) return await ask(cursor);
    } catch (error) {
      const { details = [] } = error;
      if (details.length === 0 || !details.every(({ field: name }) => slotOf(name))) throw error;
      isWrong = true;
      const { told } = await import("./problems.js");
      if (!since || inOrder(since, until)) for (const detail of details) mark(slotOf(detail.field), told(detail));
    }
    return { items: [], next_cursor: null };
  };
}
