"""The functions' binaries behind the template, over the wire: API, queues, table, secret, schedule."""

import concurrent.futures
import json
import pathlib
import re
import time
import uuid

import pytest

from bed import BUS, Bed, binaries, eventually
import second
from policies import refused, unused
from receiver import Receiver, odin_signature, standard_signature
from template import ROOT
from test_template import FUNCTIONS

DIALECTS = [pathlib.Path(__file__).parent / "dialects" / f"{name}.toml" for name in ("brisk", "patient")]
PAYLOAD = "for the receiver's eyes only"


@pytest.fixture(scope="module")
def bed(tmp_path_factory):
    built = binaries()
    bed = Bed(tmp_path_factory.mktemp("bed"))
    try:
        parameters = {"StrictUrls": "false", "DialectFiles": ":".join(map(str, DIALECTS)), "EgressIps": "192.0.2.1,192.0.2.2"}
        bed.deploy(built, parameters)
        yield bed
    finally:
        bed.stop()


@pytest.fixture(scope="module")
def receiver():
    receiver = Receiver()
    yield receiver
    receiver.stop()


class Api:
    """The API with one key."""

    def __init__(self, bed, key, tenant=None):
        self.bed, self.key = bed, key
        self.headers = {"Authorization": f"Bearer {key}"} | ({"Rung-Tenant": tenant} if tenant else {})

    def __call__(self, method, path, body=None, expect=200):
        status, answer = self.bed.call(method, path, body, self.headers)
        assert status == expect, (method, path, status, answer)
        return answer["data"] if status < 300 else answer["error"]


@pytest.fixture(scope="module")
def admin(bed):
    secret = bed.client("secretsmanager").get_secret_value(SecretId=bed.outputs["AdminKeySecret"])
    return Api(bed, secret["SecretString"])


class Tenant(Api):
    """A tenant with a key of its own."""

    secrets = []

    def __init__(self, bed, admin, dialect, id=None):
        self.id = id or f"tenant-{uuid.uuid4().hex[:8]}"
        admin("POST", "/v1/tenants", {"id": self.id, "name": "Test", "dialect": dialect, "plan": "pro"}, 201)
        limited = {"scopes": ["manage", "publish"], "events_per_hour": 100_000}
        key = admin("POST", f"/v1/tenants/{self.id}/keys", limited, 201)["key"]["key"]
        super().__init__(bed, key)
        self.secrets.append(key)

    def webhook(self, url, events=("*",)):
        webhook = self("POST", "/v1/webhooks", {"url": url, "events": list(events)}, 201)["webhook"]
        self.secrets.append(webhook["secret"])
        return webhook

    def publish(self, event_type, **more):
        return self("POST", "/v1/events", {"type": event_type, "data": {"note": PAYLOAD}, **more}, 202)

    def logs(self, webhook, count, seconds=30):
        """A webhook's log, oldest first, once it has so many entries."""
        path = f"/v1/webhooks/{webhook['id']}/logs"
        return eventually(lambda: (logs := self("GET", path)["logs"]) and len(logs) >= count and logs[::-1], f"fewer than {count} entries", seconds)


def depth(bed, queue):
    """How many messages a queue holds, in whatever state."""
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed"]
    attributes = bed.client("sqs").get_queue_attributes(QueueUrl=bed.outputs[queue], AttributeNames=names)["Attributes"]
    return sum(map(int, attributes.values()))


def dead_letters(bed, queue="DeliverDeadQueueUrl"):
    """Takes what lies among the dead letters."""
    sqs = bed.client("sqs")
    messages = sqs.receive_message(QueueUrl=bed.outputs[queue], MaxNumberOfMessages=10).get("Messages", [])
    for message in messages:
        sqs.delete_message(QueueUrl=bed.outputs[queue], ReceiptHandle=message["ReceiptHandle"])
    return [message["Body"] for message in messages]


def sample(name):
    return json.loads((ROOT / "events" / f"{name}.json").read_text())


# ---- The API


def test_the_api_is_up_and_asks_for_keys(bed, admin):
    assert bed.call("GET", "/v1/health")[0] == 200
    assert bed.call("GET", "/v1/webhooks")[0] == 401
    assert Api(bed, "rk_nobody")("GET", "/v1/tenants", expect=401)["code"] == "unauthorized"
    assert "tenants" in admin("GET", "/v1/tenants")


def test_an_event_arrives_signed_and_is_logged(bed, admin, receiver):
    tenant = Tenant(bed, admin, "odin")
    webhook = tenant.webhook(receiver.url("/odin"), ["user.lesson.completed"])
    published = tenant.publish("user.lesson.completed")
    assert published["deliveries"] == 1
    (arrival,) = receiver.wait_for("/odin", 1)
    assert arrival.headers["x-odin-signature"] == odin_signature(arrival, webhook["secret"])
    assert arrival.headers["webhook-signature"] == standard_signature(arrival, webhook["secret"])
    assert json.loads(arrival.body)["data"] == {"note": PAYLOAD}
    (entry,) = tenant.logs(webhook, 1)
    assert (entry["event_id"], entry["status"], entry["response_status"], entry["attempt"]) == (published["event"]["id"], "succeeded", 200, 1)
    detail = tenant("GET", f"/v1/webhooks/{webhook['id']}/logs/{entry['id']}")["log"]
    assert detail["request"]["body"].encode() == arrival.body
    (delivery,) = tenant("GET", f"/v1/events/{published['event']['id']}")["deliveries"]
    assert delivery["status"] == "succeeded"


def test_the_same_event_again_is_sent_once(bed, admin, receiver):
    tenant = Tenant(bed, admin, "standard")
    tenant.webhook(receiver.url("/again"))
    first = tenant.publish("order.created", id="order-1")
    receiver.wait_for("/again", 1)
    again = tenant.publish("order.created", id="order-1")
    assert again == first
    changed = tenant("POST", "/v1/events", {"id": "order-1", "type": "order.created", "data": {"other": 1}}, 409)
    assert changed["code"]
    assert len(receiver.arrived["/again"]) == 1


def test_a_batch_answers_for_each_event(bed, admin, receiver):
    tenant = Tenant(bed, admin, "odin")
    tenant.webhook(receiver.url("/batch"))
    good = {"type": "user.lesson.completed", "data": {}}
    results = tenant("POST", "/v1/events/batch", {"events": [good, {"type": "no.such.type", "data": {}}, good]}, 207)["results"]
    assert [result["success"] for result in results] == [True, False, True]
    receiver.wait_for("/batch", 2)


def test_everything_about_a_webhook_can_be_managed(bed, admin, receiver):
    tenant = Tenant(bed, admin, "standard")
    webhook = tenant.webhook(receiver.url("/managed"))
    path = f"/v1/webhooks/{webhook['id']}"
    assert [it["id"] for it in tenant("GET", "/v1/webhooks")["webhooks"]] == [webhook["id"]]
    assert tenant("PATCH", path, {"description": "changed"})["webhook"]["description"] == "changed"
    tenant("POST", f"{path}/test", {})
    (arrival,) = receiver.wait_for("/managed", 1)
    assert arrival.headers["rung-test"] == "true"
    (entry,) = tenant.logs(webhook, 1)
    assert entry["trigger"] == "test"
    event = tenant.publish("order.created")["event"]["id"]
    receiver.wait_for("/managed", 2)
    entry = next(it for it in tenant.logs(webhook, 2) if it["event_id"] == event)
    tenant("POST", f"{path}/logs/{entry['id']}/retry", {}, 202)
    receiver.wait_for("/managed", 3)
    assert receiver.arrived["/managed"][2].body == receiver.arrived["/managed"][1].body
    tenant("DELETE", path)
    tenant("GET", path, expect=404)
    keys = admin("GET", f"/v1/tenants/{tenant.id}/keys")["keys"]
    admin("DELETE", f"/v1/tenants/{tenant.id}/keys/{keys[0]['id']}")
    job = admin("DELETE", f"/v1/tenants/{tenant.id}", expect=202)["job"]["id"]
    admin("GET", f"/v1/tenants/{tenant.id}", expect=404)
    assert admin("GET", f"/v1/jobs/{job}")["job"]["kind"] == "erase"


def test_a_new_webhook_takes_the_next_event(bed, admin, receiver):
    tenant = Tenant(bed, admin, "standard")
    for number in range(3):
        tenant.webhook(receiver.url(f"/next/{number}"))
        assert tenant.publish("order.created")["deliveries"] == number + 1


def test_an_event_to_many_webhooks_is_fanned_out(bed, admin, receiver):
    tenant = Tenant(bed, admin, "standard")
    # Too many to stand in the event's own row, and for one message.
    urls = [receiver.url(f"/many/{number}") for number in range(501)]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(tenant.webhook, urls))
    assert tenant.publish("order.created")["deliveries"] == len(urls)
    for number in range(len(urls)):
        receiver.wait_for(f"/many/{number}", 1, 120)


# ---- The bus


def on_bus(tenant, **detail):
    return {"Source": "tests.shop", "DetailType": "Rung Event", "EventBusName": BUS, "Detail": json.dumps({"tenant": tenant.id, **detail})}


def test_an_event_of_the_bus_is_published(bed, admin, receiver):
    tenant = Tenant(bed, admin, "standard")
    webhook = tenant.webhook(receiver.url("/bus"))
    other = {**on_bus(tenant, type="order.created", data={}), "DetailType": "Something else"}
    named = on_bus(tenant, id="order-7", type="order.created", data={"note": PAYLOAD})
    answer = bed.client("events").put_events(Entries=[other, named, on_bus(tenant, type="order.paid", data={"note": PAYLOAD})])
    assert answer["FailedEntryCount"] == 0
    arrivals = receiver.wait_for("/bus", 2)
    assert sorted(json.loads(it.body)["type"] for it in arrivals) == ["order.created", "order.paid"]
    assert all(it.headers["webhook-signature"] == standard_signature(it, webhook["secret"]) for it in arrivals)
    assert "order-7" in [it.headers["webhook-id"] for it in arrivals]
    # The same over HTTP is the same event.
    assert tenant.publish("order.created", id="order-7")["deliveries"] == 1
    assert len(tenant.logs(webhook, 2)) == len(receiver.arrived["/bus"]) == 2


def test_an_event_of_the_bus_that_comes_again_is_sent_once(bed, admin, receiver):
    tenant = Tenant(bed, admin, "odin")
    webhook = tenant.webhook(receiver.url("/bus/again"))
    event = sample("enqueue-eventbridge-publish")
    event["detail"]["tenant"] = tenant.id
    assert bed.invoke("Enqueue", event) is None
    receiver.wait_for("/bus/again", 1)
    tenant.logs(webhook, 1)
    assert bed.invoke("Enqueue", event) is None
    assert depth(bed, "DeliverQueueUrl") == 0
    assert len(receiver.arrived["/bus/again"]) == 1


def test_an_event_of_the_bus_that_is_not_taken_is_kept_and_can_be_sent_round_again(bed, admin, receiver):
    event = sample("enqueue-eventbridge-publish")
    event["detail"]["tenant"] = "tenant-to-come"
    # A rule invokes a function so; here the rule's own invocations are not repeated.
    bed.client("lambda").invoke(FunctionName=bed.function("Enqueue"), InvocationType="Event", Payload=json.dumps(event))
    (letter,) = eventually(lambda: dead_letters(bed, "EnqueueDeadQueueUrl"), "not among the dead letters")
    letter = json.loads(letter)
    assert letter["requestPayload"] == event
    assert letter["responsePayload"]["errorType"] == "not_found"
    assert letter["responsePayload"]["errorMessage"] == 'tenant "tenant-to-come" not found'
    lines = bed.lines("Enqueue")
    told = [line for line in lines if event["id"] in line and event["source"] in line and "not_found" in line]
    assert len(told) >= 3, "the first time and twice more"
    assert not [line for line in lines if event["detail"]["data"]["lesson_id"] in line]

    tenant = Tenant(bed, admin, "odin", "tenant-to-come")
    tenant.webhook(receiver.url("/bus/mended"))
    assert bed.invoke("Enqueue", letter["requestPayload"]) is None
    receiver.wait_for("/bus/mended", 1)


# ---- The queue of events


def send(bed, body, **attributes):
    """Sends a message to the queue of events; its id."""
    attributes = {name.replace("_", "-"): {"DataType": "String", "StringValue": value} for name, value in attributes.items()}
    return bed.client("sqs").send_message(QueueUrl=bed.outputs["EventsQueueUrl"], MessageBody=body if isinstance(body, str) else json.dumps(body), MessageAttributes=attributes)["MessageId"]


def letters(bed):
    """Takes what lies among the dead letters of the queue of events: each body, and its attributes."""
    sqs, url = bed.client("sqs"), bed.outputs["EventsDeadQueueUrl"]
    messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"]).get("Messages", [])
    for message in messages:
        sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return [(message["Body"], {name: it["StringValue"] for name, it in message["MessageAttributes"].items()}) for message in messages]


def test_a_message_of_the_queue_is_published(bed, admin, receiver):
    tenant = Tenant(bed, admin, "standard")
    webhook = tenant.webhook(receiver.url("/queue"))
    one = {"type": "order.created", "data": {"note": PAYLOAD}}
    send(bed, {**one, "tenant": tenant.id, "id": "order-8"})
    send(bed, {"events": [one, {**one, "type": "order.paid"}]}, Rung_Tenant=tenant.id)
    arrivals = receiver.wait_for("/queue", 3)
    assert sorted(json.loads(it.body)["type"] for it in arrivals) == ["order.created", "order.created", "order.paid"]
    assert all(it.headers["webhook-signature"] == standard_signature(it, webhook["secret"]) for it in arrivals)
    assert "order-8" in [it.headers["webhook-id"] for it in arrivals]
    # The same over HTTP is the same event.
    assert tenant.publish("order.created", id="order-8")["deliveries"] == 1
    assert len(tenant.logs(webhook, 3)) == len(receiver.arrived["/queue"]) == 3
    eventually(lambda: depth(bed, "EventsQueueUrl") == 0, "messages were not deleted")


def test_what_a_topic_sends_to_the_queue_is_published(bed, admin, receiver):
    tenant = Tenant(bed, admin, "standard")
    tenant.webhook(receiver.url("/topic"))
    sns = bed.client("sns")
    sns.subscribe(TopicArn=bed.shop, Protocol="sqs", Endpoint=bed.outputs["EventsQueueArn"], Attributes={"RawMessageDelivery": "true"})
    event = {"id": "order-9", "type": "order.created", "data": {"note": PAYLOAD}}
    sns.publish(TopicArn=bed.shop, Message=json.dumps(event), MessageAttributes={"Rung-Tenant": {"DataType": "String", "StringValue": tenant.id}})
    (arrival,) = receiver.wait_for("/topic", 1)
    assert arrival.headers["webhook-id"] == "order-9"


def test_a_message_that_comes_again_is_published_once(bed, admin, receiver):
    tenant = Tenant(bed, admin, "odin", "acme")
    webhook = tenant.webhook(receiver.url("/queue/again"))
    event = sample("enqueue-sqs-publish")
    assert bed.invoke("Enqueue", event) == {"batchItemFailures": []}
    receiver.wait_for("/queue/again", 3)
    tenant.logs(webhook, 3)
    for record in event["Records"]:
        record["attributes"]["ApproximateReceiveCount"] = "2"
    assert bed.invoke("Enqueue", event) == {"batchItemFailures": []}
    assert depth(bed, "DeliverQueueUrl") == 0
    assert len(receiver.arrived["/queue/again"]) == 3


def test_a_message_that_is_refused_is_a_dead_letter_that_can_be_sent_round_again(bed, admin, receiver):
    tenant = Tenant(bed, admin, "standard")
    tenant.webhook(receiver.url("/queue/half"))
    events = [{"tenant": id, "type": "order.created", "data": {"note": PAYLOAD}} for id in (tenant.id, "tenant-to-be")]
    sent = send(bed, {"events": events})
    (body, told), = eventually(lambda: letters(bed), "not among the dead letters")
    assert json.loads(body) == {"events": events}
    assert told == {"Rung-Message-Id": sent, "Rung-Error": "not_found", "Rung-Error-Message": 'events[1].tenant: tenant "tenant-to-be" not found'}
    receiver.wait_for("/queue/half", 1)
    assert depth(bed, "EventsQueueUrl") == 0
    lines = bed.lines("Enqueue")
    assert [line for line in lines if sent in line and "not_found" in line and "among the dead letters" in line]
    assert [line for line in lines if '"Refused":1' in line]

    late = Tenant(bed, admin, "standard", "tenant-to-be")
    late.webhook(receiver.url("/queue/late"))
    send(bed, body, **{name.replace("-", "_"): value for name, value in told.items()})
    receiver.wait_for("/queue/late", 1)
    eventually(lambda: depth(bed, "EventsQueueUrl") == 0, "the message was not deleted")
    assert letters(bed) == [] and len(receiver.arrived["/queue/half"]) == 1


# ---- The ladder


def test_a_failing_receiver_is_retried_through_the_delay_queue_and_disabled(bed, admin, receiver):
    tenant = Tenant(bed, admin, "brisk")
    webhook = tenant.webhook(receiver.url("/failing", 500, 503, 500))
    event = tenant.publish("order.created")["event"]["id"]
    first, second, third = receiver.wait_for("/failing", 3)
    assert second.at - first.at >= 1 and third.at - second.at >= 2, "never before it is due"
    assert first.body == second.body == third.body
    assert len({arrival.headers["webhook-id"] for arrival in (first, second, third)}) == 1
    entries = tenant.logs(webhook, 3)
    assert [(entry["attempt"], entry["response_status"], entry["trigger"]) for entry in entries] == [(1, 500, "event"), (2, 503, "retry"), (3, 500, "retry")]
    state = eventually(lambda: (it := tenant("GET", f"/v1/webhooks/{webhook['id']}")["webhook"])["status"] == "disabled" and it, "not disabled")
    assert state["disabled"]["code"] == "consecutive_failures"
    delivery = eventually(lambda: (it := tenant("GET", f"/v1/events/{event}")["deliveries"][0])["status"] == "failed" and it, "not failed")
    assert delivery["next_attempt_at"] is None


def test_the_operators_topic_is_told_of_a_webhook_that_is_disabled(bed, admin, receiver):
    tenant = Tenant(bed, admin, "brisk")
    webhook = tenant.webhook(receiver.url("/told", 500, 501, 500))
    event = tenant.publish("order.created")["event"]["id"]
    told = {}

    def all_is_told():
        for notification in heard(bed):
            if notification["data"]["webhook_id"] == webhook["id"]:
                assert told.setdefault(notification["type"], notification)["id"] == notification["id"]
        return len(told) >= 3

    eventually(all_is_told, lambda: f"no more than {sorted(told)} is told")
    assert sorted(told) == ["delivery.failed", "webhook.disabled", "webhook.failing"]
    disabled = told["webhook.disabled"]
    assert disabled["data"]["tenant"] == tenant.id and disabled["data"]["reason"] == "consecutive_failures"
    assert told["delivery.failed"]["data"]["event_id"] == event
    # And the operator finds it among the webhooks of all tenants.
    eventually(lambda: webhook["id"] in [it["id"] for it in admin("GET", "/v1/webhooks?status=disabled")["webhooks"]], "not listed")
    assert PAYLOAD not in json.dumps(list(told.values())) and webhook["secret"] not in json.dumps(list(told.values()))


def heard(bed):
    """What the topic has passed on, and its type in the attributes as well."""
    sqs = bed.client("sqs")
    for message in sqs.receive_message(QueueUrl=bed.heard, MaxNumberOfMessages=10).get("Messages", []):
        sqs.delete_message(QueueUrl=bed.heard, ReceiptHandle=message["ReceiptHandle"])
        envelope = json.loads(message["Body"])
        notification = json.loads(envelope["Message"])
        assert envelope["MessageAttributes"]["type"] == {"Type": "String", "Value": notification["type"]}
        yield notification


def test_a_long_wait_is_parked_and_brought_back_by_the_sweep(bed, admin, receiver):
    tenant = Tenant(bed, admin, "patient")
    webhook = tenant.webhook(receiver.url("/patient", 500))
    event = tenant.publish("order.created")["event"]["id"]
    receiver.wait_for("/patient", 1)
    pending = eventually(lambda: tenant("GET", f"/v1/webhooks/{webhook['id']}/deliveries?status=pending")["deliveries"], "not pending")
    assert [it["event_id"] for it in pending] == [event]
    due_ms = make_due_soon(bed, event, 4)
    bed.invoke("Sweep", sample("sweep-scheduler-tick"))
    _, second = receiver.wait_for("/patient", 2)
    assert second.at * 1000 >= due_ms, "never before it is due"
    assert [entry["status"] for entry in tenant.logs(webhook, 2)] == ["failed", "succeeded"]
    eventually(lambda: not tenant("GET", f"/v1/webhooks/{webhook['id']}/deliveries?status=pending")["deliveries"], "still pending")


def make_due_soon(bed, event, seconds):
    """Lets a parked wait and its delivery be due in so many seconds instead of in 20 minutes."""
    table = bed.client("dynamodb")
    name = bed.outputs["TableName"]
    rows = [row for page in table.get_paginator("scan").paginate(TableName=name) for row in page["Items"]]
    (parked,) = [row for row in rows if row["pk"]["S"].startswith("Q#") and f"#{event}#" in row["sk"]["S"]]
    (delivery,) = [row for row in rows if row["pk"]["S"].startswith("D#") and row["pk"]["S"].endswith(f"#{event}")]
    due_ms = int((time.time() + seconds) * 1000)
    table.delete_item(TableName=name, Key={key: parked[key] for key in ("pk", "sk")})
    shard = parked["pk"]["S"].split("#")[2]
    # The schedule's own sweep may have read this minute, into which nothing is parked any more.
    cursor = {"pk": {"S": f"C#{shard}"}, "sk": {"S": "-"}, "mi": {"N": str(due_ms // 60_000)}, "la": {"S": ""}}
    table.put_item(TableName=name, Item=cursor)
    message = json.loads(parked["m"]["S"]) | {"d": due_ms}
    parked["pk"]["S"] = f"Q#{due_ms // 60_000}#{shard}"
    parked["sk"]["S"] = f"{due_ms:013}#" + parked["sk"]["S"].split("#", 1)[1]
    parked["m"]["S"] = json.dumps(message)
    table.put_item(TableName=name, Item=parked)
    delivery["d"]["N"] = str(due_ms)
    table.put_item(TableName=name, Item=delivery)
    return due_ms


def test_a_new_webhook_is_given_what_it_would_have_had(bed, admin, receiver):
    tenant = Tenant(bed, admin, "standard")
    since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 60))
    events = {tenant.publish("order.created")["event"]["id"] for _ in range(3)}
    webhook = tenant.webhook(receiver.url("/backfilled"))
    path = f"/v1/webhooks/{webhook['id']}/recover"
    assert tenant("POST", path, {"since": since, "statuses": ["any"], "dry_run": True})["count"] == len(events)
    job = tenant("POST", path, {"since": since, "statuses": ["any"]}, 202)["job"]["id"]
    receiver.wait_for("/backfilled", len(events))
    ended = eventually(lambda: (it := tenant("GET", f"/v1/jobs/{job}")["job"])["status"] == "succeeded" and it, "not done")
    assert ended["progress"]["done"] == len(events)
    assert {entry["event_id"] for entry in tenant.logs(webhook, len(events))} == events
    stats = eventually(lambda: (it := tenant("GET", "/v1/stats")["stats"])["succeeded"] >= len(events) and it, "not counted")
    assert stats["by_status"]["2xx"] == len(events)


def test_a_waiting_delivery_can_be_cancelled(bed, admin, receiver):
    tenant = Tenant(bed, admin, "patient")
    webhook = tenant.webhook(receiver.url("/cancelled", 500))
    tenant.publish("order.created")
    path = f"/v1/webhooks/{webhook['id']}/deliveries"
    (pending,) = eventually(lambda: tenant("GET", f"{path}?status=pending")["deliveries"], "not pending")
    cancelled = tenant("POST", f"{path}/{pending['id']}/cancel")["delivery"]
    assert (cancelled["status"], cancelled["attempts"]) == ("cancelled", 1)
    assert tenant("GET", f"{path}?status=pending")["deliveries"] == []


def test_a_tenant_is_told_of_a_key_that_ends(bed, admin, receiver):
    tenant = Tenant(bed, admin, "odin")
    tenant.webhook(receiver.url("/key-ends"), ["api.key.expiring"])
    end = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 20 * 86_400))
    key = admin("POST", f"/v1/tenants/{tenant.id}/keys", {"scopes": ["manage"], "expires_at": end}, 201)["key"]
    Tenant.secrets.append(key["key"])
    bed.invoke("Sweep", sample("sweep-scheduler-tick"))
    (arrival,) = receiver.wait_for("/key-ends", 1)
    data = json.loads(arrival.body)["data"]
    assert (data["api_key_id"], data["expires_at"], data["days_remaining"]) == (key["id"], end, 20)


# ---- The queues


def test_poison_goes_to_the_dead_letters_alone(bed, admin, receiver):
    tenant = Tenant(bed, admin, "standard")
    webhook = tenant.webhook(receiver.url("/beside-poison"))
    event = sample("deliver-sqs-one-bad-among-good")
    bodies = [meant_for(bed, tenant, webhook, record["body"]) for record in event["Records"]]
    assert dead_letters(bed) == []
    entries = [{"Id": str(number), "MessageBody": body} for number, body in enumerate(bodies)]
    bed.client("sqs").send_message_batch(QueueUrl=bed.outputs["DeliverQueueUrl"], Entries=entries)
    receiver.wait_for("/beside-poison", 2)
    eventually(lambda: depth(bed, "DeliverQueueUrl") == 0, "not all of the batch is done")
    assert dead_letters(bed) == [bodies[1]], "untouched, and nothing else"


def test_dead_letters_are_looked_at_and_sent_round_again(bed, admin, receiver):
    tenant = Tenant(bed, admin, "standard")
    webhook = tenant.webhook(receiver.url("/redriven"))
    body = meant_for(bed, tenant, webhook, sample("deliver-sqs-first-attempt")["Records"][0]["body"])
    sqs = bed.client("sqs")
    for queue in ("DeliverDeadQueueUrl", "RetryDeadQueueUrl"):
        sqs.send_message(QueueUrl=bed.outputs[queue], MessageBody=body)
    found = admin("GET", "/v1/dead-letters")
    assert found["counts"] == {"deliver": 1, "retry": 1}
    assert {(it["queue"], it["webhook_id"]) for it in found["dead_letters"]} == {("deliver", webhook["id"]), ("retry", webhook["id"])}
    job = admin("POST", "/v1/dead-letters/redrive", {}, 202)["job"]["id"]
    ended = eventually(lambda: (it := admin("GET", f"/v1/jobs/{job}")["job"])["status"] == "succeeded" and it, "not moved")
    assert ended["result"]["messages"] == 2
    receiver.wait_for("/redriven", 1)
    assert dead_letters(bed) == []


def shard(webhook_id):
    """Which of the shards of its tenant's webhooks the row of this one stands in."""
    hashed = 0xCBF29CE484222325
    for byte in webhook_id.encode():
        hashed = (hashed ^ byte) * 0x100000001B3 % 2**64
    return hashed % 16


def meant_for(bed, tenant, webhook, body):
    """A sample message, as if for this webhook and of now; one that makes no sense stays as it is."""
    try:
        message = json.loads(body)
    except ValueError:
        return body
    row = bed.client("dynamodb").get_item(
        TableName=bed.outputs["TableName"],
        Key={"pk": {"S": f"W#{tenant.id}#{shard(webhook['id'])}"}, "sk": {"S": f"W#{webhook['id']}"}},
    )["Item"]
    now_ms = int(time.time() * 1000)
    return json.dumps(message | {"t": tenant.id, "w": webhook["id"], "a": now_ms, "d": now_ms, "p": int(row["epoch"]["N"])})


def test_one_bad_record_fails_no_batch(bed):
    answer = bed.invoke("Deliver", sample("deliver-sqs-one-bad-among-good"))
    assert answer["batchItemFailures"] == []
    assert dead_letters(bed) == [sample("deliver-sqs-one-bad-among-good")["Records"][1]["body"]]


def test_a_duplicate_in_a_batch_is_posted_once(bed, admin, receiver):
    tenant = Tenant(bed, admin, "standard")
    webhook = tenant.webhook(receiver.url("/twice"))
    event = sample("deliver-sqs-first-attempt")
    (record,) = event["Records"]
    record["body"] = meant_for(bed, tenant, webhook, record["body"])
    event["Records"].append({**record, "messageId": str(uuid.uuid4())})
    assert bed.invoke("Deliver", event)["batchItemFailures"] == []
    # Handed out again, it finds the entry in the log.
    for copy in event["Records"]:
        copy["attributes"]["ApproximateReceiveCount"] = "2"
    assert bed.invoke("Deliver", event)["batchItemFailures"] == []
    assert len(receiver.arrived["/twice"]) == 1
    assert len(tenant.logs(webhook, 1)) == 1


@pytest.mark.parametrize("name", ["deliver-sqs-fan-out", "deliver-sqs-first-attempt", "deliver-sqs-key-ends", "deliver-sqs-later-attempt", "deliver-sqs-recovery"])
def test_what_is_for_nobody_is_dropped(bed, name):
    assert bed.invoke("Deliver", sample(name))["batchItemFailures"] == []
    assert dead_letters(bed) == []


@pytest.mark.parametrize("name,status", [("subscriptions-http-health", 200), ("subscriptions-http-create-webhook", 401), ("enqueue-http-publish", 401), ("enqueue-http-batch", 401)])
def test_sample_requests_are_understood(bed, name, status):
    assert bed.invoke(name.split("-")[0].title(), sample(name))["statusCode"] == status


# ---- Afterwards


def test_the_schedule_asks_for_sweeps_by_itself(bed):
    eventually(lambda: len([line for line in bed.lines("Sweep") if line.startswith("START")]) > bed.invoked["Sweep"], "no sweep came by schedule", 150)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_policies_fit(bed, name):
    """Holds the policies against the calls that all the other tests led to."""
    calls = bed.calls(name)
    assert refused(name, calls) == []
    assert unused(name, calls) == []


def test_a_second_stand_in_takes_every_call_to_the_table(bed):
    """Plays all that the other tests led to on a DynamoDB of other people's."""
    requests = [request for name in FUNCTIONS for request in bed.requests(name) if request[0] == "dynamodb"]
    requests.sort(key=lambda it: it[3])
    counts, refusals = second.played([(call, asked) for _, call, asked, _ in requests], bed.outputs["TableName"])
    assert refusals == []
    assert counts.total() > 100 and len(counts) >= 7, counts
    # It does refuse what makes no sense.
    nonsense = {"TableName": bed.outputs["TableName"], "KeyConditionExpression": "sk = :pk", "ExpressionAttributeValues": {":pk": {"S": "T#acme"}}}
    _, refusals = second.played([("Query", nonsense)], bed.outputs["TableName"])
    assert len(refusals) == 1


def test_nothing_was_refused_and_no_log_line_gives_anything_away(bed, admin):
    """Last: judges what all the other tests left in the logs."""
    secrets = [admin.key, PAYLOAD, *Tenant.secrets]
    for name in FUNCTIONS:
        text = "\n".join(bed.lines(name))
        assert "START" in text
        refusals = re.findall(r"not authorized to perform: [\w:]+ on resource: [^\s\"\\]+|AccessDenied\w*", text)
        assert sorted(set(refusals)) == [], name
        assert not [secret for secret in secrets if secret in text], name
