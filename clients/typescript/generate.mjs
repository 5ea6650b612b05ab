// Writes src/types.ts: the schemas of openapi.json, and the body and the query of each call as `CreateWebhookRequest`, `ListLogsQuery`.
import { readFile, writeFile } from "node:fs/promises";
import openapiTS, { astToString } from "openapi-typescript";
import ts from "typescript";

const description = JSON.parse(await readFile(new URL("../../openapi.json", import.meta.url), "utf8"));
const schemas = Object.fromEntries(Object.entries(description.components.schemas).map(([name, schema]) => [name, extensible(schema)]));
for (const methods of Object.values(description.paths)) {
  for (const { operationId, requestBody, parameters } of Object.values(methods)) {
    const name = operationId[0].toUpperCase() + operationId.slice(1);
    const body = requestBody?.content["application/json"];
    if (body) schemas[`${name}Request`] ??= body.schema;
    const query = (parameters ?? []).filter((parameter) => parameter.in === "query");
    if (query.length) schemas[`${name}Query`] = { type: "object", properties: Object.fromEntries(query.map(property)) };
  }
}
for (const name of Object.keys(schemas).filter((name) => name.endsWith("Request"))) schemas[name] = inviting(schemas[name]);
const nodes = await openapiTS(
  withoutClosings({ openapi: description.openapi, info: description.info, paths: {}, components: { schemas } }),
  { defaultNonNullable: false, emptyObjectsUnknown: true, rootTypes: true, rootTypesNoSchemaPrefix: true, transform: open },
);
await writeFile(new URL("src/types.ts", import.meta.url), `// Generated from openapi.json by generate.mjs.\n${astToString(nodes)}`);

/** An enumeration of old as one that may grow. */
function extensible(schema) {
  const values = schema.enum ?? schema.oneOf?.map((one) => one.const);
  if (!values?.every((value) => typeof value === "string")) return schema;
  return { description: schema.description, type: "string", "x-extensible-enum": values };
}

/** In a body of a request any object will do: an interface of the caller's own has no index signature. */
function inviting(value) {
  if (Array.isArray(value)) return value.map(inviting);
  if (typeof value !== "object" || value === null) return value;
  if (value.$ref === "#/components/schemas/JsonObject") return { type: "object", "x-any-object": true };
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, inviting(one)]));
}

/** A query parameter as a property. `metadata.NAME` is an object of all names. */
function property({ name, description, schema }) {
  return [name.replace(".NAME", ""), { ...schema, description }];
}

/** Leaves out whether objects take in other members, which types do not say, and of which more general kind they are: their members stand beside it. */
function withoutClosings(value) {
  if (Array.isArray(value)) return value.map(withoutClosings);
  if (typeof value !== "object" || value === null) return value;
  const { additionalProperties, ...rest } = value;
  if (additionalProperties !== undefined && value.properties === undefined) rest.additionalProperties = additionalProperties;
  if (value.properties !== undefined) delete rest.allOf;
  return Object.fromEntries(Object.entries(rest).map(([name, one]) => [name, withoutClosings(one)]));
}

/** What is typed otherwise than the description says. Later servers know more values than this description: an enumeration takes in every other string. */
function open(schema) {
  if (schema["x-any-object"]) return ts.factory.createKeywordTypeNode(ts.SyntaxKind.ObjectKeyword);
  const values = schema["x-extensible-enum"];
  if (values === undefined) return undefined;
  const literals = values.map((value) => ts.factory.createLiteralTypeNode(ts.factory.createStringLiteral(value)));
  const string = ts.factory.createKeywordTypeNode(ts.SyntaxKind.StringKeyword);
  const other = ts.factory.createParenthesizedType(ts.factory.createIntersectionTypeNode([string, ts.factory.createTypeLiteralNode([])]));
  const none = schema.type.includes("null") ? [ts.factory.createLiteralTypeNode(ts.factory.createNull())] : [];
  return ts.factory.createUnionTypeNode([...literals, other, ...none]);
}
