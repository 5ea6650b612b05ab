"""The sample events: in the shape that AWS sends, and about what their names say."""

import base64
import hashlib
import json

import pytest

from template import ROOT, transformed
from test_template import routed

EVENTS = {path.stem: json.loads(path.read_text()) for path in sorted((ROOT / "events").glob("*.json"))}
OF_SOURCE = {source: [name for name in EVENTS if name.split("-")[1] == source] for source in ("http", "eventbridge", "sqs", "scheduler")}
ATTEMPT = {"t", "w", "e", "a", "n", "d", "k", "r", "p", "g"}
FAN_OUT = {"t", "e", "a", "x"}
JOB = {"z", "t", "a", "n", "p"}
KEY_ENDS = {"t", "i", "a"}


def test_every_function_has_one_per_source():
    assert {tuple(name.split("-")[:2]) for name in EVENTS} == {
        ("subscriptions", "http"),
        ("enqueue", "http"),
        ("enqueue", "eventbridge"),
        ("enqueue", "sqs"),
        ("deliver", "sqs"),
        ("sweep", "scheduler"),
    }


@pytest.mark.parametrize("name", OF_SOURCE["http"])
def test_a_request_is_one_that_its_function_gets(name):
    event = EVENTS[name]
    assert event["version"] == "2.0" and not event["isBase64Encoded"]
    call = event["requestContext"]["http"]
    assert call["path"] == event["rawPath"]
    assert routed(call["method"], call["path"]).lower() == name.split("-")[0]
    assert all(header == header.lower() for header in event["headers"])
    if call["method"] == "POST":
        json.loads(event["body"])
        assert int(event["headers"]["content-length"]) == len(event["body"].encode())


@pytest.mark.parametrize("name", OF_SOURCE["eventbridge"])
def test_an_event_of_a_bus_is_one_that_the_rule_hands_over(name):
    event = EVENTS[name]
    assert event.keys() == {"version", "id", "detail-type", "source", "account", "time", "region", "resources", "detail"}
    pattern = transformed()["Resources"]["BusRule"]["Properties"]["EventPattern"]
    assert pattern == {"detail-type": [event["detail-type"]]}
    assert event["detail"]["tenant"] and event["detail"].keys() <= {"tenant", "id", "type", "data", "timestamp", "metadata"}


@pytest.mark.parametrize("name", OF_SOURCE["scheduler"])
def test_a_tick_is_of_the_schedule_that_the_template_makes(name):
    schedule = transformed()["Resources"]["SweepEveryMinute"]["Properties"]["Name"]["Fn::Sub"]
    (source,) = EVENTS[name]["resources"]
    assert source.endswith(":schedule/default/" + schedule.replace("${AWS::StackName}", "rung"))


@pytest.mark.parametrize("name", OF_SOURCE["sqs"])
def test_records_are_those_of_a_queue(name):
    for record in EVENTS[name]["Records"]:
        assert record["eventSource"] == "aws:sqs"
        assert record["md5OfBody"] == hashlib.md5(record["body"].encode()).hexdigest()
        assert int(record["attributes"]["ApproximateReceiveCount"]) >= 1


def meant(record):
    """Whether the record is a message of Rung's, by the names of shared/core/src/domain/message.rs."""
    try:
        message = json.loads(record["body"])
    except ValueError:
        return False
    if "b" in message:
        body = message.pop("b")["b"]
        json.loads(base64.b64decode(body + "=" * (-len(body) % 4)))
    return message.keys() in (ATTEMPT, FAN_OUT, JOB, KEY_ENDS)


def test_messages_are_good_and_bad_as_their_names_say():
    good = {name: [meant(record) for record in EVENTS[name]["Records"]] for name in OF_SOURCE["sqs"] if name.startswith("deliver")}
    assert good == {
        "deliver-sqs-fan-out": [True],
        "deliver-sqs-first-attempt": [True],
        "deliver-sqs-key-ends": [True],
        "deliver-sqs-later-attempt": [True],
        "deliver-sqs-one-bad-among-good": [True, False, True],
        "deliver-sqs-poison": [False],
        "deliver-sqs-recovery": [True],
    }
    names = (ROOT / "shared/core/src/domain/message.rs").read_text()
    assert all(f'rename = "{name}"' in names for name in ATTEMPT | FAN_OUT | JOB | KEY_ENDS | {"b", "y"})


def test_messages_of_events_are_what_the_api_takes():
    single, batch = EVENTS["enqueue-sqs-publish"]["Records"]
    assert json.loads(single["body"]).keys() == {"tenant", "id", "type", "data"} and single["messageAttributes"] == {}
    assert json.loads(batch["body"]).keys() == {"events"}
    assert batch["messageAttributes"]["Rung-Tenant"]["stringValue"] == "acme"
    bad = EVENTS["enqueue-sqs-one-bad-among-good"]["Records"]
    assert ["type" in json.loads(record["body"]) for record in bad] == [True, False, True]


def test_no_sample_holds_a_key_that_looks_real():
    for name in OF_SOURCE["http"]:
        assert EVENTS[name]["headers"].get("authorization", "Bearer sample-admin-key") == "Bearer sample-admin-key"
