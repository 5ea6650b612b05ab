"""The client that openapi-generator has generated, against a running Rung: sys.argv[1] is its URL, sys.argv[2] the operator's key."""

import json
import sys

import openapi_client as rung

url, key = sys.argv[1:]


def client(key):
    return rung.ApiClient(rung.Configuration(host=url, access_token=key))


operator = client(key)
tenants = rung.TenantsApi(operator)
made = tenants.create_tenant(rung.CreateTenantRequest(id="generator", name="Generator"))
assert made.data.tenant.id == "generator", made
made = tenants.create_key("generator", rung.CreateKeyRequest(scopes=["manage", "publish"]))
tenant = client(made.data.key.key)
webhooks, events, deliveries = rung.WebhooksApi(tenant), rung.EventsApi(tenant), rung.DeliveriesApi(tenant)

# The secret is shown once: the answer must arrive.
webhook = rung.CreateWebhookRequest(url="http://127.0.0.1:9/", events=["order.paid"], metadata={"a": 1})
made = webhooks.create_webhook(webhook).data.webhook
assert made.secret.startswith("whsec_"), made
assert made.metadata == {"a": 1}, made
assert webhooks.get_webhook(made.id).data.webhook.status == "active"

for number in range(3):
    event = rung.PublishEventRequest(type="order.paid", data={"n": number})
    published = events.publish_event(event).data
    assert published.deliveries == 1, published

log = webhooks.test_webhook(made.id, test_webhook_request=rung.TestWebhookRequest()).data.log
assert (log.status, log.error_code) == ("failed", "refused"), log
logs = deliveries.list_logs(made.id, trigger="test").data.logs
assert [log.id] == [log.id for log in logs], logs

seen, cursor = [], None
while True:
    page = events.list_events(limit=2, cursor=cursor).data
    seen += [event.id for event in page.events]
    cursor = page.next_cursor
    if cursor is None:
        break
assert len(set(seen)) == len(seen) == 3, seen

try:
    webhooks.create_webhook(rung.CreateWebhookRequest(url="nowhere", events=["order.paid"]))
    raise AssertionError("a wrong URL was taken")
except rung.exceptions.UnprocessableEntityException as refused:
    error = rung.Error.from_json(refused.body).error
    assert error.code == "invalid_request", error
    assert error.details[0].var_field == "url" if hasattr(error.details[0], "var_field") else error.details[0].field == "url", error

# A later server has values and members that this client does not know.
later = json.loads(webhooks.get_webhook_without_preload_content(made.id).data)
later["data"]["webhook"].update(status="resting", health="dozing", mood="good")
read = rung.WebhookResponse.from_dict(later).data.webhook
assert (read.status, read.health) == ("resting", "dozing"), read
