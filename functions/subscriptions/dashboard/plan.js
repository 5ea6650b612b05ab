// The dialect and the plan of a tenant.

import { choice } from "./dom.js";
import { part, textInput } from "./fields.js";

/** Two parts of a form: the plan is one of those that the dialect names, or any text where it names none. */
export function dialectAndPlan(dialects, { dialect: chosen, plan: known }, hints) {
  const names = [...new Set([chosen, ...dialects.map(({ name }) => name)])];
  const inputFor = (name, value) => {
    const plans = dialects.find((each) => each.name === name)?.plans;
    if (!plans) return textInput({ id: "plan", value, placeholder: "none" });
    const given = [...plans, known].filter(Boolean).map((plan) => [plan, plan]);
    return choice([["", "none"], ...new Map(given)], value, { id: "plan" });
  };
  const plan = part("plan", "Plan", inputFor(chosen, known), hints.plan);
  const change = ({ target }) => {
    const { input } = plan;
    plan.input = inputFor(target.value, input.value);
    plan.input.setAttribute("aria-describedby", input.getAttribute("aria-describedby"));
    input.replaceWith(plan.input);
  };
  return [part("dialect", "Dialect", choice(names, chosen, { id: "dialect", change }), hints.dialect), plan];
}
