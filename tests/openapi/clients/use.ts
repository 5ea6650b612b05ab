// The types that openapi-typescript has generated, with openapi-fetch, against a running Rung.
import createClient from "openapi-fetch";
import type { paths, components } from "./generated/api.js";

const [url, key] = process.argv.slice(2) as [string, string];
const client = (key: string) => createClient<paths>({ baseUrl: url, headers: { Authorization: `Bearer ${key}` } });

/** What a call answered, or the reason why not. */
function answered<T>({ data, error }: { data?: T; error?: components["schemas"]["Error"] }): T {
  if (data === undefined) throw new Error(JSON.stringify(error));
  return data;
}
function assert(holds: boolean, what: unknown): asserts holds {
  if (!holds) throw new Error(JSON.stringify(what));
}

const operator = client(key);
const tenant = answered(await operator.POST("/v1/tenants", { body: { id: "typescript", name: "TypeScript" } })).data.tenant;
const params = { path: { tenant: tenant.id } };
const made = answered(await operator.POST("/v1/tenants/{tenant}/keys", { params, body: { scopes: ["manage", "publish"] } }));
const own = made.data.key.key;
assert(typeof own === "string", made);
const api = client(own);

const body: components["schemas"]["CreateWebhookRequest"] = { url: "http://127.0.0.1:9/", events: ["order.paid"], metadata: { a: 1 } };
const webhook = answered(await api.POST("/v1/webhooks", { body })).data.webhook;
assert(webhook.secret?.startsWith("whsec_") === true, webhook);
const of = { path: { webhook: webhook.id } };
const status: string = answered(await api.GET("/v1/webhooks/{webhook}", { params: of })).data.webhook.status;
assert(status === "active", status);

for (const n of [1, 2, 3]) {
  const published = answered(await api.POST("/v1/events", { body: { type: "order.paid", data: { n } } }));
  assert(published.data.deliveries === 1, published);
}
const { log } = answered(await api.POST("/v1/webhooks/{webhook}/test", { params: of, body: {} })).data;
assert(log.status === "failed" && log.error_code === "refused", log);
const { logs } = answered(await api.GET("/v1/webhooks/{webhook}/logs", { params: { ...of, query: { trigger: "test" } } })).data;
assert(logs.length === 1 && logs[0]?.id === log.id, logs);

const seen = new Set<string>();
let cursor: string | null | undefined;
do {
  const query = cursor ? { limit: 2, cursor } : { limit: 2 };
  const page: components["schemas"]["ListedEventPageData"] = answered(await api.GET("/v1/events", { params: { query } })).data;
  for (const { id } of page.events) seen.add(id);
  cursor = page.next_cursor;
} while (cursor);
assert(seen.size === 3, [...seen]);

const refused = await api.POST("/v1/webhooks", { body: { url: "nowhere", events: ["order.paid"] } });
assert(refused.error?.error.code === "invalid_request" && refused.error.error.details[0]?.field === "url", refused.error);
