"""The client that openapi-python-client has generated, against a running Rung: sys.argv[1] is its URL, sys.argv[2] the operator's key."""

import sys

from generated_client import AuthenticatedClient
from generated_client.api.deliveries import list_logs
from generated_client.api.events import list_events, publish_event
from generated_client.api.tenants import create_key, create_tenant
from generated_client.api.webhooks import create_webhook, get_webhook, test_webhook
from generated_client.models import (
    CreateKeyRequest,
    CreateTenantRequest,
    CreateWebhookRequest,
    Error,
    JsonObject,
    PublishEventRequest,
    TestWebhookRequest,
)

url, key = sys.argv[1:]
operator = AuthenticatedClient(base_url=url, token=key)

made = create_tenant.sync(client=operator, body=CreateTenantRequest(id="python", name="Python"))
assert made.data.tenant.id == "python", made
made = create_key.sync("python", client=operator, body=CreateKeyRequest(scopes=["manage", "publish"]))
tenant = AuthenticatedClient(base_url=url, token=made.data.key.key)

webhook = CreateWebhookRequest(url="http://127.0.0.1:9/", events=["order.paid"], metadata=JsonObject.from_dict({"a": 1}))
made = create_webhook.sync(client=tenant, body=webhook).data.webhook
assert made.secret.startswith("whsec_"), made
assert made.metadata["a"] == 1, made
read = get_webhook.sync(made.id, client=tenant).data.webhook
assert read.status == "active", read

for number in range(3):
    event = PublishEventRequest(type_="order.paid", data=JsonObject.from_dict({"n": number}))
    published = publish_event.sync(client=tenant, body=event).data
    assert published.deliveries == 1, published

log = test_webhook.sync(made.id, client=tenant, body=TestWebhookRequest()).data.log
assert (log.status, log.error_code) == ("failed", "refused"), log
logs = list_logs.sync(made.id, client=tenant, trigger="test").data.logs
assert [log.id] == [log.id for log in logs], logs

seen, cursor = [], None
while True:
    more = {} if cursor is None else {"cursor": cursor}
    page = list_events.sync(client=tenant, limit=2, **more).data
    seen += [event.id for event in page.events]
    cursor = page.next_cursor
    if cursor is None:
        break
assert len(set(seen)) == len(seen) == 3, seen

wrong = CreateWebhookRequest(url="nowhere", events=["order.paid"])
refused = create_webhook.sync(client=tenant, body=wrong)
assert isinstance(refused, Error), refused
assert refused.error.code == "invalid_request", refused
assert refused.error.details[0].field == "url", refused
