// Writes src/parameters.ts: the parameters of template.yaml as typed properties, and what each may be.
import { readFile, writeFile } from "node:fs/promises";
import { parse } from "yaml";

const template = parse(await readFile(new URL("../../template.yaml", import.meta.url), "utf8"), { logLevel: "error" });
const properties = [];
const rules = {};
for (const [name, parameter] of Object.entries(template.Parameters)) {
  const property = name[0].toLowerCase() + name.slice(1);
  const value = parameter.Default === "" ? "" : ` @default ${JSON.stringify(parameter.Default)}`;
  properties.push(`  /** ${parameter.Description}${value} */\n  readonly ${property}?: ${type(parameter)} | undefined;`);
  rules[property] = { name, type: parameter.Type };
  const { AllowedValues, AllowedPattern, ConstraintDescription, MinValue, MaxValue } = parameter;
  const rest = { allowed: AllowedValues, pattern: AllowedPattern, problem: ConstraintDescription, min: MinValue, max: MaxValue };
  for (const [key, rule] of Object.entries(rest)) if (rule !== undefined) rules[property][key] = rule;
  // Tags are no part of what was parsed: `!Not [!Equals [!Ref A, ""]]` is [["A", ""]].
  const about = (section) => Object.entries(section).filter(([, it]) => new RegExp(`"${name}"|\\$\\{${name}\\}`).test(JSON.stringify(it)));
  const conditions = about(template.Conditions);
  const names = (isGiven) => conditions.filter(([, [it]]) => isGiven === Array.isArray(it)).map(([condition]) => condition);
  rules[property].given = names(true);
  rules[property].special = names(false);
  rules[property].rules = about(template.Rules).map(([rule]) => rule);
}
await writeFile(
  new URL("src/parameters.ts", import.meta.url),
  `// Generated from template.yaml by generate.mjs.

/** The parameters of Rung's template. Those that are not given keep the template's defaults. */
export interface RungParameters {
${properties.join("\n")}
}

/** What a parameter may be. */
export interface Rule {
  readonly name: string;
  readonly type: "String" | "Number" | "CommaDelimitedList";
  readonly allowed?: readonly (string | number)[];
  readonly pattern?: string;
  readonly problem?: string;
  readonly min?: number;
  readonly max?: number;
  /** The conditions that are true when there is a value. */
  readonly given: readonly string[];
  /** The conditions that are true for one special value. */
  readonly special: readonly string[];
  /** The template's rules that look at the value. */
  readonly rules: readonly string[];
}

/** The rule for each property. */
export const RULES: Readonly<Record<keyof RungParameters, Rule>> = ${JSON.stringify(rules, null, 2)};
`,
);

/** The type of a parameter's property. */
function type({ Type, AllowedValues }) {
  if (String(AllowedValues) === "true,false") return "boolean";
  if (AllowedValues !== undefined) return AllowedValues.map((value) => JSON.stringify(value)).join(" | ");
  return { String: "string", Number: "number", CommaDelimitedList: "readonly string[]" }[Type];
}
