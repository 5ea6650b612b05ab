// Writes src/types.ts: the schemas of openapi.json, and the body and the query of each call as `CreateWebhookRequest`, `ListLogsQuery`.
import { readFile, writeFile } from "node:fs/promises";
import openapiTS, { astToString } from "openapi-typescript";
import ts from "typescript";

const description = JSON.parse(await readFile(new URL("../../openapi.json", import.meta.url), "utf8"));
const schemas = { ...description.components.schemas };
for (const methods of Object.values(description.paths)) {
  for (const { operationId, requestBody, parameters = [] } of Object.values(methods)) {
    const name = operationId[0].toUpperCase() + operationId.slice(1);
    const body = requestBody?.content["application/json"];
    if (body) schemas[`${name}Request`] = body.schema;
    const query = parameters.filter((parameter) => parameter.in === "query");
    if (query.length) schemas[`${name}Query`] = { type: "object", properties: Object.fromEntries(query.map(property)) };
  }
}
const nodes = await openapiTS(
  { openapi: description.openapi, info: description.info, paths: {}, components: { schemas } },
  { defaultNonNullable: false, emptyObjectsUnknown: true, rootTypes: true, rootTypesNoSchemaPrefix: true, transform: open },
);
await writeFile(new URL("src/types.ts", import.meta.url), `// Generated from openapi.json by generate.mjs.\n${astToString(nodes)}`);

/** A query parameter as a property. `metadata.NAME` is an object of all names. */
function property({ name, description, schema }) {
  return [name.replace(".NAME", ""), { ...schema, description }];
}

/** Later servers know more values than this description: a named enumeration takes in every other string. */
function open(schema, { path }) {
  const values = schema.enum ?? schema.oneOf?.map((one) => one.const);
  if (path?.split("/").length !== 4 || !values?.every((value) => typeof value === "string")) return undefined;
  const literals = values.map((value) => ts.factory.createLiteralTypeNode(ts.factory.createStringLiteral(value)));
  const string = ts.factory.createKeywordTypeNode(ts.SyntaxKind.StringKeyword);
  const any = ts.factory.createIntersectionTypeNode([string, ts.factory.createTypeLiteralNode([])]);
  return ts.factory.createUnionTypeNode([...literals, ts.factory.createParenthesizedType(any)]);
}
