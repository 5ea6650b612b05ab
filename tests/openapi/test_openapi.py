"""openapi.json is valid, its examples are what it says, and so is every answer of the running API."""

import json
import os
import urllib.request
import zlib

import jsonschema
import openapi_spec_validator
import pytest
import schemathesis
from conftest import ADMIN_KEY, ROOT
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

DOCUMENT = json.loads((ROOT / "openapi.json").read_text())
# Nobody listens there: whatever is made up here, nothing leaves this machine.
NOWHERE = "http://127.0.0.1:9/"
MAX_EXAMPLES = int(os.environ.get("EXAMPLES", "40"))


def test_it_is_openapi():
    openapi_spec_validator.validate(DOCUMENT)


def test_what_webhooks_are_sent_is_openapi(url):
    """In every dialect, as the description of a tenant's event types says it, with a schema of the tenant's own."""
    headers = {"Authorization": f"Bearer {ADMIN_KEY}"}

    def call(method, path, body=None, **more):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(url + path, data, {**headers, **more}, method=method)
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)

    for dialect in call("GET", "/v1/me")["data"]["dialects"]:
        document = call("GET", f"/v1/event-types?format=openapi&dialect={dialect['name']}")
        openapi_spec_validator.validate(document)
    call("PUT", "/v1/tenants/described", {"name": "Described", "dialect": "odin", "plan": "pro"})
    schema = {"$id": "https://example.com/a", "properties": {"next": {"$ref": "#/$defs/a"}}, "$defs": {"a": {"type": "object"}}}
    definition = {"schema": schema, "sample": {"next": {}}, "deprecated": {}}
    tenant = {"Rung-Tenant": "described"}
    call("PUT", "/v1/event-types/user.lesson.completed", definition, **tenant)
    document = call("GET", "/v1/event-types?format=openapi", **tenant)
    openapi_spec_validator.validate(document)
    sent = document["webhooks"]["user.lesson.completed"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    validator = jsonschema.Draft202012Validator({**sent, "components": document["components"]})
    body = {"id": "evt_1", "type": "user.lesson.completed", "created_at": "2025-10-09T08:53:20Z", "data": {"next": {}}}
    body["metadata"] = {"api_version": "v1", "request_id": "req_1"}
    validator.validate(body)
    body["data"] = {"next": 1}
    assert not validator.is_valid(body)


def bodies():
    yield from DOCUMENT["components"]["responses"].items()
    for path, methods in DOCUMENT["paths"].items():
        for method, operation in methods.items():
            yield f"{method} {path}", operation.get("requestBody", {})
            for status, response in operation["responses"].items():
                yield f"{method} {path} {status}", response


    for name, methods in DOCUMENT["webhooks"].items():
        yield f"webhook {name}", methods["post"]["requestBody"]


def examples():
    for name, body in bodies():
        content = body.get("content", {}).get("application/json", {})
        if "example" in content:
            yield pytest.param(content["schema"], content["example"], id=name)
        for code, example in content.get("examples", {}).items():
            yield pytest.param(content["schema"], example["value"], id=f"{name} {code}")


@pytest.mark.parametrize(("schema", "example"), list(examples()))
def test_examples_are_what_the_schemas_say(schema, example):
    closed = {**schema, "components": DOCUMENT["components"]}
    jsonschema.Draft202012Validator(closed, format_checker=jsonschema.FormatChecker()).validate(example)


class Rung:
    """A running `rung dev` with a tenant, two webhooks, a key, a delivery and its log entry."""

    def __init__(self, url):
        self.url = url
        self.call("POST", "/v1/tenants", {"id": "acme", "name": "Acme", "dialect": "odin", "plan": "pro"})
        key = self.call("POST", "/v1/tenants/acme/keys", {"scopes": ["manage"]})["key"]["id"]
        hook = self.call("POST", "/v1/webhooks", {"url": NOWHERE, "events": ["*"]})["webhook"]["id"]
        log = self.call("POST", f"/v1/webhooks/{hook}/test", {})["log"]["id"]
        event = {"type": "user.lesson.completed", "data": {}}
        event = self.call("POST", "/v1/events", event)["event"]["id"]
        self.known = {"tenant": "acme", "key": key, "webhook": hook, "log": log, "event": event}
        self.known["type"] = "user.lesson.completed"
        delivery = self.call("GET", f"/v1/events/{event}")["deliveries"][0]["id"]
        self.known["delivery"] = delivery
        self.known["operator_key"] = self.call("POST", "/v1/keys", {"name": "reader", "scopes": ["read"]})["key"]["id"]
        link = self.call("POST", "/v1/tenants/acme/portal-links", {})
        self.known["portal_link"] = link["portal_link"]["id"]
        gone = self.call("POST", "/v1/webhooks", {"url": NOWHERE, "events": ["*"]})["webhook"]["id"]
        self.known["job"] = self.call("DELETE", f"/v1/webhooks/{gone}")["job"]["id"]

    def call(self, method, path, body=None):
        headers = {"Authorization": f"Bearer {ADMIN_KEY}"}
        if not path.startswith(("/v1/tenants", "/v1/keys")):
            headers["Rung-Tenant"] = "acme"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)["data"]


@pytest.fixture(scope="session")
def rung(url):
    return Rung(url)


def tame(body):
    """Leaves no way out of this machine in what was made up."""
    if isinstance(body, dict) and str(body.get("url", "")).lower().startswith("http"):
        body["url"] = NOWHERE
    return body


schema = schemathesis.openapi.from_path(ROOT / "openapi.json")


@schema.parametrize()
@settings(max_examples=MAX_EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
def test_answers_are_documented(case, rung):
    # What is made up names nothing: each other time, things that are there stand in. They are not deleted.
    known = case.method != "DELETE" and zlib.crc32(repr(case.body).encode()) % 2 == 0
    for name in case.path_parameters or {}:
        if known:
            case.path_parameters[name] = rung.known[name]
    case.body = tame(case.body)
    case.headers["Authorization"] = f"Bearer {ADMIN_KEY}"
    # Calls about the deployment refuse it.
    named = [parameter["name"] for parameter in case.operation.definition.raw.get("parameters", [])]
    case.headers.pop("Rung-Tenant", None)
    if "Rung-Tenant" in named:
        case.headers["Rung-Tenant"] = "acme"
    case.call_and_validate(
        base_url=rung.url,
        checks=[
            not_a_server_error,
            status_code_conformance,
            content_type_conformance,
            response_schema_conformance,
        ],
    )
