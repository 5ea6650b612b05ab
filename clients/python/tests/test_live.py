"""The client against a running Rung: RUNG_URL and RUNG_ADMIN_KEY name it."""

import os
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import pytest

from rung import ApiError, Dialect, Rung, verify
from rung.testing import Receiver
from rung.types import PublishEventRequest

DIALECTS: list[Dialect] = ["standard", "reward", "badger", "patra", "bharatcart", "odin"]
T = TypeVar("T")


@pytest.fixture(scope="module")
def rung() -> Iterator[Rung]:
    with Rung(os.environ["RUNG_URL"], os.environ["RUNG_ADMIN_KEY"]) as rung:
        yield rung


def tenant(rung: Rung, dialect: Dialect = "standard") -> Rung:
    """A view of a tenant of its own."""
    made = rung.tenants.create(name="Acme", dialect=dialect, plan="pro" if dialect == "odin" else None)
    return rung.for_tenant(made["id"])


def eventually(read: Callable[[], Iterable[T]], count: int) -> list[T]:
    """What is read, once it is so many: Rung writes its log after the receiver's answer."""
    for _ in range(100):
        items = list(read())
        if len(items) == count:
            return items
        time.sleep(0.05)
    raise AssertionError(f"not {count}: {items}")


@pytest.mark.parametrize("dialect", DIALECTS)
def test_an_event_arrives_signed_also_during_a_rotation(rung: Rung, dialect: Dialect) -> None:
    acme = tenant(rung, dialect)
    kind = next(iter(acme.event_types.list()))["type"] if dialect != "standard" else "order.paid"
    with Receiver() as receiver:
        webhook = acme.webhooks.create(url=receiver.url, events=["*"])
        old = webhook["secret"]
        assert old is not None
        sample = acme.event_types.get(kind)["sample"] if dialect != "standard" else {"total": 42}
        published = acme.events.publish(type=kind, data=sample or {})
        assert published["deliveries"] == 1
        delivery = receiver.next()
        body = verify(dialect=dialect, secret=old, headers=delivery.headers, body=delivery.body)
        assert body == delivery.json()
        new = acme.webhooks.rotate_secret(webhook["id"])["secret"]
        assert new is not None and new != old
        acme.events.publish(type=kind, data=sample or {})
        delivery = receiver.next()
        assert verify(dialect=dialect, secret=[new, old], headers=delivery.headers, body=delivery.body)
        acme.webhooks.finish_rotation(webhook["id"])
        test = acme.webhooks.test(webhook["id"])
        assert (test["status"], test["trigger"]) == ("succeeded", "test")
        delivery = receiver.next()
        assert verify(dialect=dialect, secret=new, headers=delivery.headers, body=delivery.body)


def test_tenants_and_keys_come_and_go(rung: Rung) -> None:
    id = f"t-{uuid.uuid4()}"
    put = rung.tenants.put(id, name="Acme", metadata={"region": id}, if_none_match="*")
    assert put["tenant"]["id"] == id
    with pytest.raises(ApiError) as caught:
        rung.tenants.put(id, name="Acme", if_none_match="*")
    assert (caught.value.status, caught.value.code) == (412, "precondition_failed")
    assert [one["id"] for one in rung.tenants.list(metadata={"region": id})] == [id]
    assert rung.tenants.update(id, name="New")["tenant"]["name"] == "New"
    key = rung.tenant_keys.create(id, scopes=["manage", "publish"], name="backend")
    assert rung.tenant_keys.get(id, key["id"])["name"] == "backend"
    assert rung.tenant_keys.update(id, key["id"], name="worker")["name"] == "worker"
    assert [one["id"] for one in rung.tenant_keys.list(id)] == [key["id"]]
    secret = key.get("key")
    assert secret is not None
    with Rung(os.environ["RUNG_URL"], secret) as own:
        me = own.me()
        assert me["tenant"] is not None and me["tenant"]["id"] == id
        with pytest.raises(ApiError) as caught:
            own.keys.create(name="more", scopes=["admin"])
        assert caught.value.code == "forbidden"
        assert rung.tenant_keys.delete(id, key["id"])["deleted"]
        with pytest.raises(ApiError) as caught:
            own.me()
        assert caught.value.code == "unauthorized"
    operator = rung.keys.create(name="reader", scopes=["read"])
    assert rung.keys.update(operator["id"], name="other")["name"] == "other"
    assert operator["id"] in [one["id"] for one in rung.keys.list()]
    assert rung.keys.delete(operator["id"])["deleted"]
    job = rung.tenants.delete(id)
    assert rung.jobs.get(job["id"])["kind"] == "erase"


def test_a_portal_link_opens_what_it_may(rung: Rung) -> None:
    id = rung.tenants.create(name="Acme")["id"]
    link = rung.portal_links.create(id, capabilities=["view"], actor={"name": "Jo"})
    assert link["token"] is not None
    with Rung(os.environ["RUNG_URL"], link["token"]) as portal:
        me = portal.me()
        assert me["portal_link"] is not None and me["portal_link"]["id"] == link["id"]
        with pytest.raises(ApiError) as caught:
            portal.events.publish(type="a", data={})
        assert caught.value.status == 403
    assert [one["id"] for one in rung.portal_links.list(id)] == [link["id"]]
    assert rung.portal_links.delete(id, link["id"])["deleted"]
    rung.portal_links.create(id)
    rung.portal_links.delete_all(id)
    assert list(rung.portal_links.list(id)) == []


def test_lists_span_pages(rung: Rung) -> None:
    acme = tenant(rung)
    made = [acme.webhooks.create(url="http://127.0.0.1:9/", events=["*"])["id"] for _ in range(5)]
    assert sorted(one["id"] for one in acme.webhooks.list(limit=2)) == sorted(made)
    assert [len(page.items) for page in acme.webhooks.list(limit=2).pages()] == [2, 2, 1]


def test_a_failed_delivery_is_seen_retried_and_cancelled(rung: Rung) -> None:
    acme = tenant(rung)
    answers = iter([500, 500, 200])
    with Receiver(lambda _: next(answers, 200)) as receiver:
        webhook = acme.webhooks.create(url=receiver.url, events=["order.*"])["id"]
        first = acme.events.publish(type="order.paid", data={})["event"]["id"]
        receiver.next()
        acme.events.publish(type="order.paid", data={})
        receiver.next()
        (log,) = eventually(lambda: acme.logs.of_webhook(webhook, event_id=first), 1)
        assert (log["response_status"], log["error_code"]) == (500, "status")
        assert acme.logs.get(webhook, log["id"])["request"]["url"] == receiver.url
        assert acme.deliveries.get(webhook, log["delivery_id"])["status"] == "pending"
        eventually(lambda: acme.logs.list(status="failed"), 2)
        acme.logs.retry(webhook, log["id"])
        receiver.next()
        assert [one["event_type"] for one in acme.events.deliveries(first)] == ["order.paid"]
        (other,) = eventually(lambda: acme.deliveries.list(webhook, status="pending"), 1)
        assert acme.deliveries.cancel(webhook, other["id"])["status"] == "cancelled"
        # The counts come later.
        assert acme.stats.get()["bucket"] == "hour"
        assert acme.webhooks.stats(webhook, bucket="day")["bucket"] == "day"
        assert "webhook.created" in [one["action"] for one in acme.audit.list()]


def test_what_did_not_arrive_is_sent_by_a_job(rung: Rung) -> None:
    acme = tenant(rung)
    with Receiver() as receiver:
        webhook = acme.webhooks.create(url=receiver.url, events=["*"], status="disabled")["id"]
        acme.events.publish(id="missed", type="order.paid", data={})
        assert acme.webhooks.count_recoverable(webhook)["count"] == 1
        activated = acme.webhooks.activate(webhook)
        assert activated["webhook"]["status"] == "active"
        assert receiver.next().headers["webhook-id"] == "missed"
        assert acme.jobs.wait(activated["job"]["id"])["status"] == "succeeded"
        again = acme.webhooks.recover(webhook)
        assert acme.jobs.wait(again["id"])["kind"] == "recover"
        everywhere = acme.webhooks.recover_all()
        cancelled = acme.deliveries.cancel_all(webhook, statuses=["pending"])
        assert {one["id"] for one in acme.jobs.list()} == {
            activated["job"]["id"],
            again["id"],
            everywhere["id"],
            cancelled["id"],
        }
    redriven = rung.dead_letters.redrive()
    assert rung.jobs.wait(redriven["id"])["kind"] == "redrive"
    with pytest.raises(ApiError) as caught:
        rung.jobs.cancel(redriven["id"])
    assert caught.value.code == "job_ended"


def test_an_export_is_imported(rung: Rung) -> None:
    acme = tenant(rung)
    acme.webhooks.create(url="http://127.0.0.1:9/", events=["order.*"])
    lines: list[str] = []
    for _ in range(2):
        job = acme.exports.create(include=["secrets"])
        assert acme.jobs.wait(job["id"])["result"] == {"tenants": 1, "webhooks": 1}
        before, lines = lines, list(acme.exports.output(job["id"]))
        results = rung.exports.import_(lines)
        assert [(one["line"], one["kind"], one["status"]) for one in results] == [(1, "tenant", 200), (2, "webhook", 200)]
    assert lines == before
    refused = rung.exports.import_(['{"tenant": {"id": "_a"}}'])[0]["error"]
    assert refused is not None and refused["code"] == "invalid_request"


def test_a_batch_answers_event_by_event(rung: Rung) -> None:
    acme = tenant(rung, "bharatcart")
    events: list[PublishEventRequest] = [
        {"id": f"e-{index}", "type": "product.deleted", "data": {}} for index in range(205)
    ]
    events[150]["type"] = "no.such.type"
    events.append({"type": "product.deleted", "data": {}})
    results = acme.events.publish_batch(events)
    assert [index for index, result in enumerate(results) if not result["success"]] == [150]
    refused, last = results[150], results[204]
    assert not refused["success"] and refused["error"]["code"] == "unknown_event_type"
    assert [detail["field"] for detail in refused["error"]["details"]] == ["events[150].type"]
    assert last["success"] and last["data"]["event"]["id"] == "e-204"
    again = acme.events.publish_batch(events[:3])
    assert [(result["status"], result["duplicate"]) for result in again] == [(202, True)] * 3
    assert len(list(acme.events.list())) == 205


def test_an_event_too_large_is_a_result_of_its_own(rung: Rung) -> None:
    acme = tenant(rung)
    large: PublishEventRequest = {"id": "large", "type": "a", "data": {"text": "x" * 2_000_000}}
    small: PublishEventRequest = {"id": "small", "type": "a", "data": {}}
    results = acme.events.publish_batch([small, large, small])
    assert [result["status"] for result in results] == [202, 413, 202]
    refused = results[1]
    assert not refused["success"] and refused["error"]["code"] == "payload_too_large"
    assert not refused["error"]["message"].startswith("payload_too_large")


def test_the_deployment_says_what_it_is(rung: Rung) -> None:
    assert rung.health()["status"] == "ok"
    assert rung.about()["limits"]["batch_events"] == 100
    assert rung.egress_ips() == []
    assert rung.dead_letters.list()["dead_letters"] == []
