// The reference of the API for people, made of openapi.json. A call has the address `#OPERATION`, such as `#createWebhook`.
// The description is in English, and so is this page.

import { description } from "./api.js";
import { copyButton, h } from "./dom.js";

const WHO = { operatorKey: "an operator's key", tenantKey: "a tenant's key", portalKey: "a portal link's token" };
let api;

/** What a `$ref` leads to. */
const followed = (value) => (value?.$ref ? followed(value.$ref.split("/").slice(1).reduce((at, name) => at[name.replaceAll("~1", "/").replaceAll("~0", "~")], api)) : value);

/** A line of the description, with code between backticks. */
const line = (text) => text.split("`").map((piece, index) => (index % 2 ? h("code", null, piece) : piece));

/** A text of the description: paragraphs, and lists of lines that begin with "- ". */
const prose = (text) => (text ?? "").split("\n\n").filter(Boolean).map((part) => (part.startsWith("- ")
  ? h("ul", null, part.slice(2).split("\n- ").map((item) => h("li", null, line(item))))
  : h("p", null, line(part))));

/** What kind of value a schema describes, in a few words. */
function kind(schema) {
  if (schema.$ref) return schema.$ref.split("/").pop();
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  const alternatives = schema.anyOf ?? schema.oneOf;
  if (alternatives) return alternatives.map(kind).join(" or ");
  return [schema.type ?? "any value"].flat().map((type) => (type === "array" ? `list of ${kind(schema.items ?? {})}` : type)).join(" or ");
}

/** What else a value has to be. */
function bounds({ format, pattern, default: initial, minimum, maximum, minLength, maxLength, minItems, maxItems, ...schema }) {
  const known = schema["x-extensible-enum"] ?? schema.enum;
  const between = (least, most, unit) => (least ?? most) !== undefined && `${least ?? ""}…${most ?? ""}${unit}`;
  const found = [
    known && known.map((value) => JSON.stringify(value)).join(", "),
    format, pattern, between(minimum, maximum, ""), between(minLength, maxLength, " characters"), between(minItems, maxItems, " elements"),
    initial !== undefined && `default ${JSON.stringify(initial)}`,
  ];
  return found.filter(Boolean).join("; ");
}

/** The schema of an object with members that a value is, or may be, or is a list of. */
function objectOf(schema) {
  const { properties, anyOf, oneOf, items } = followed(schema) ?? {};
  if (properties) return followed(schema);
  return [...(anyOf ?? oneOf ?? []), ...(items ? [items] : [])].map(objectOf).find(Boolean);
}

/** What is inside is made when it is opened: schemas may contain themselves. */
function folded(summary, content, attributes) {
  const element = h("details", attributes, h("summary", null, summary));
  element.addEventListener("toggle", () => element.append(...[content()].flat(Infinity).filter(Boolean)), { once: true });
  return element;
}

/** Names with what each of them is. */
const listed = (entries) => h("dl", { class: "members" }, entries.map(([name, schema, { isRequired, place, text }]) => h("div", null,
  h("dt", null, h("code", null, name), " ", h("span", { class: "sub" }, [kind(schema), place, isRequired && "required"].filter(Boolean).join(", "))),
  h("dd", null, prose(text ?? schema.description ?? followed(schema).description), h("span", { class: "sub" }, bounds(followed(schema))), members(schema)))));

/** The members of an object, folded; nothing for other values. */
function members(schema) {
  const object = objectOf(schema);
  return object && folded("Members", () => listed(Object.entries(object.properties)
    .map(([name, property]) => [name, property, { isRequired: object.required?.includes(name) }])));
}

/** What a request or a response has in it. */
const content = (of) => Object.entries(of?.content ?? {}).map(([type, { schema, example }]) => [
  h("p", { class: "sub" }, type),
  schema && members(schema),
  example !== undefined && folded("Example", () => {
    const text = typeof example === "string" ? example : JSON.stringify(example, null, 2);
    return [copyButton(text, "Copy the example"), h("pre", { tabindex: "0" }, text)];
  }),
]);

/** A response: its status with what it means, or with the codes of its errors. */
function outcome(status, response) {
  const { description: text } = followed(response);
  const codes = text.startsWith("- ") && text.slice(2).split("\n- ").map((item) => item.split(":")[0].replaceAll("`", "")).join(", ");
  return folded([h("strong", null, status), " ", codes || line(text)], () => [codes && prose(text), content(followed(response))]);
}

/** One call. */
function call(method, path, operation) {
  const { operationId, summary, description: text, security, parameters, requestBody, responses } = operation;
  const name = `${method.toUpperCase()} ${path}`;
  const element = folded([h("code", null, h("strong", null, method.toUpperCase()), ` ${path}`), " ", h("span", { class: "sub" }, summary)], () => [
    prose(text),
    h("p", { class: "hint" }, security?.length ? `With ${security.flatMap(Object.keys).map((scheme) => WHO[scheme] ?? scheme).join(", or ")}.` : "Without a key."),
    parameters?.length && [h("h3", null, "Parameters"), listed(parameters.map(followed).map((it) => [it.name, it.schema, { isRequired: it.required, place: it.in, text: it.description }]))],
    requestBody && [h("h3", null, "Body"), content(followed(requestBody))],
    h("h3", null, "Responses"),
    Object.entries(responses).map(([status, response]) => outcome(status, response)),
  ], { class: "card call", id: operationId });
  return { element, text: `${name} ${operationId} ${summary}`.toLowerCase() };
}

/** Opens the call that the address names. */
function lead() {
  const element = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (element?.localName === "details") element.open = true;
  element?.scrollIntoView();
}

api = await description();
const parts = api.tags.map(({ name, description: text }) => {
  const calls = Object.entries(api.paths).flatMap(([path, methods]) => Object.entries(methods).filter(([, it]) => it.tags.includes(name)).map(([method, it]) => call(method, path, it)));
  return { name, calls, element: h("section", { class: "fields" }, h("h2", { id: `part-${name}` }, name), prose(text), calls.map(({ element }) => element)) };
});
document.getElementById("nav").append(...parts.map(({ name }) => h("a", { href: `#part-${name}` }, name)), h("a", { href: "openapi.json" }, "openapi.json"));
document.getElementById("main").append(h("div", null,
  h("h1", null, `${api.info.title} API ${api.info.version}`),
  prose(api.info.description),
  parts.map(({ element }) => element)));
document.getElementById("search").addEventListener("input", ({ target }) => {
  for (const { element, calls } of parts) {
    for (const it of calls) it.element.hidden = !it.text.includes(target.value.trim().toLowerCase());
    element.hidden = calls.every((it) => it.element.hidden);
  }
});
addEventListener("hashchange", lead);
lead();
