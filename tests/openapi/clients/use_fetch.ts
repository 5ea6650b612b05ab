// The client that openapi-generator has generated for fetch, against a running Rung.
import { Configuration, DeliveriesApi, EventsApi, ResponseError, TenantsApi, WebhooksApi } from "./generated/fetch/index.js";

const [url, key] = process.argv.slice(2) as [string, string];
const client = (accessToken: string) => new Configuration({ basePath: url, accessToken });

function assert(holds: boolean, what: unknown): asserts holds {
  if (!holds) throw new Error(JSON.stringify(what));
}

const tenants = new TenantsApi(client(key));
const { tenant } = (await tenants.createTenant({ createTenantRequest: { id: "fetch", name: "Fetch" } })).data;
assert(tenant.id === "fetch", tenant);
const made = await tenants.createKey({ tenant: tenant.id, createKeyRequest: { scopes: ["manage", "publish"] } });
const own = client(made.data.key.key ?? "");
const [webhooks, events, deliveries] = [new WebhooksApi(own), new EventsApi(own), new DeliveriesApi(own)];

// The secret is shown once: the answer must arrive.
const body = { url: "http://127.0.0.1:9/", events: ["order.paid"], metadata: { a: 1 } };
const { webhook } = (await webhooks.createWebhook({ createWebhookRequest: body })).data;
assert(webhook.secret?.startsWith("whsec_") === true && webhook.metadata["a"] === 1, webhook);
assert((await webhooks.getWebhook({ webhook: webhook.id })).data.webhook.status === "active", webhook);

for (const n of [1, 2, 3]) {
  const published = (await events.publishEvent({ publishEventRequest: { type: "order.paid", data: { n } } })).data;
  assert(published.deliveries === 1, published);
}
const { log } = (await webhooks.testWebhook({ webhook: webhook.id, testWebhookRequest: {} })).data;
assert(log.status === "failed" && log.errorCode === "refused", log);
const { logs } = (await deliveries.listLogs({ webhook: webhook.id, trigger: "test" })).data;
assert(logs.length === 1 && logs[0]?.id === log.id, logs);

const seen = new Set<string>();
let cursor: string | null | undefined;
do {
  const page = (await events.listEvents(cursor ? { limit: 2, cursor } : { limit: 2 })).data;
  for (const { id } of page.events) seen.add(id);
  cursor = page.nextCursor;
} while (cursor);
assert(seen.size === 3, [...seen]);

const refused = await webhooks.createWebhook({ createWebhookRequest: { url: "nowhere", events: ["order.paid"] } }).catch((error: unknown) => error);
assert(refused instanceof ResponseError && refused.response.status === 422, refused);
const { error } = await refused.response.json();
assert(error.code === "invalid_request" && error.details[0].field === "url", error);
