"""The transport, against answers that are made up."""

import json
import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from rung import ApiError, ConnectionFailed, PublishFailed, Rung
from rung.types import PublishEventRequest

KEY = "rk_a-secret-that-nobody-may-see"
Handler = Callable[[httpx.Request], httpx.Response]


def answering(*answers: httpx.Response | httpx.TransportError) -> tuple[Rung, list[httpx.Request]]:
    """A client, and the requests to which it got these answers, one after another."""
    requests: list[httpx.Request] = []
    left = iter(answers)

    def answer(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        outcome = next(left)
        if isinstance(outcome, httpx.TransportError):
            raise outcome
        return outcome

    client = httpx.Client(transport=httpx.MockTransport(answer))
    return Rung("http://rung.test/", KEY, http_client=client), requests


def data(value: dict[str, Any], status: int = 200) -> httpx.Response:
    return httpx.Response(status, json={"success": True, "data": value})


def refused(status: int, code: str, *, retryable: bool = False, retry_after: str | None = None) -> httpx.Response:
    error = {"code": code, "message": "url: no", "request_id": "req_1", "retryable": retryable}
    detail = {"field": "url", "code": "invalid", "problem": "no"}
    headers = {} if retry_after is None else {"retry-after": retry_after}
    return httpx.Response(status, json={"success": False, "error": {**error, "details": [detail]}}, headers=headers)


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """Nobody sleeps: these are the times for which they would have. The jitter is all of it."""
    times: list[float] = []
    monkeypatch.setattr("rung._http.time.sleep", times.append)
    monkeypatch.setattr("rung._http.random.uniform", lambda _, most: most)
    yield times


def test_an_error_is_typed() -> None:
    rung, _ = answering(refused(422, "invalid_request"))
    with pytest.raises(ApiError) as caught:
        rung.webhooks.create(url="x", events=["*"])
    error = caught.value
    assert (error.status, error.code, error.request_id, error.retryable) == (422, "invalid_request", "req_1", False)
    assert error.details == [{"field": "url", "code": "invalid", "problem": "no"}]
    assert str(error) == "invalid_request (422): url: no"


def test_an_answer_of_somebody_else_is_an_error_too(slept: list[float]) -> None:
    proxy = [httpx.Response(502, text="<html>"), httpx.Response(200, text="<html>")]
    rung, _ = answering(*proxy)
    with pytest.raises(ApiError) as caught:
        rung.health()
    assert (caught.value.status, caught.value.code) == (200, "unexpected_answer")
    assert slept == [0.5]


def test_every_post_has_an_idempotency_key_that_its_retries_keep(slept: list[float]) -> None:
    made = data({"tenant": {"id": "a"}}, 201)
    rung, requests = answering(refused(503, "unavailable", retryable=True), made, made, made)
    rung.tenants.create(name="A")
    rung.tenants.create(name="A")
    rung.tenants.create(name="A", idempotency_key="mine")
    keys = [request.headers["idempotency-key"] for request in requests]
    assert keys[0] == keys[1] != keys[2]
    assert keys[3] == "mine"


@pytest.mark.parametrize(
    ("data", "place"),
    [({"texts": ["fine", "\ud83d"]}, "data.texts[1]"), ({"texts": [{"\ud83d": 1}, "fine"]}, "data.texts[0]")],
)
def test_a_lone_surrogate_is_named_and_not_sent(data: dict[str, Any], place: str) -> None:
    rung, requests = answering()
    problem = f"{place}: has a lone surrogate, which UTF-8 cannot express; replace it"
    with pytest.raises(ValueError, match=f"^{re.escape(problem)}$"):
        rung.for_tenant("acme").events.publish(type="a", data=data)
    assert requests == []


def test_an_event_with_an_id_has_no_idempotency_key() -> None:
    rung, requests = answering(data({}, 202), data({}, 202))
    rung.events.publish(type="a", data={})
    rung.events.publish(type="a", data={}, id="1", idempotency_key="mine")
    assert ["idempotency-key" in request.headers for request in requests] == [True, False]


def test_an_event_takes_the_hops_of_the_delivery_that_it_results_from_along() -> None:
    rung, requests = answering(data({}, 202), httpx.Response(202, json={"data": {"results": [{}]}}))
    rung.events.publish(type="a", data={}, headers={"Rung-Hops": "1"})
    rung.events.publish_batch([{"type": "a", "data": {}}], headers={"Rung-Hops": "2"})
    assert [request.headers["rung-hops"] for request in requests] == ["1", "2"]


def test_what_may_help_is_repeated_with_growing_pauses(slept: list[float]) -> None:
    outcomes: list[httpx.Response | httpx.TransportError] = [
        httpx.ConnectError("no"),
        httpx.ReadTimeout("no"),
        refused(409, "busy", retryable=True),
        httpx.Response(504),
        data({"status": "ok"}),
    ]
    rung, requests = answering(*outcomes)
    assert rung.health() == {"status": "ok"}
    assert slept == [0.5, 1, 2, 4]
    assert len(requests) == 5


def test_retry_after_is_kept_to_and_a_long_one_not_waited_for(slept: list[float]) -> None:
    date = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + 30))
    limited = [refused(429, "rate_limited", retryable=True, retry_after=after) for after in ("7", date, "61")]
    rung, _ = answering(*limited)
    with pytest.raises(ApiError) as caught:
        rung.health()
    assert caught.value.code == "rate_limited"
    assert caught.value.retryable
    assert slept[0] == 7.5
    assert 29 <= slept[1] <= 31
    assert len(slept) == 2


def test_it_gives_up_in_the_end(slept: list[float]) -> None:
    rung, requests = answering(*[httpx.ConnectError("no")] * 9)
    with pytest.raises(ConnectionFailed) as caught:
        rung.health()
    assert caught.value.retryable
    assert len(requests) == 5


@pytest.mark.parametrize("status", [400, 401, 404, 409, 422, 500])
def test_a_refusal_is_not_repeated(status: int, slept: list[float]) -> None:
    rung, _ = answering(refused(status, "no"))
    with pytest.raises(ApiError):
        rung.health()
    assert slept == []


def test_the_key_is_in_no_text(slept: list[float]) -> None:
    rung, _ = answering(*[httpx.ConnectError("no")] * 9)
    with pytest.raises(ConnectionFailed) as caught:
        rung.webhooks.create(url="http://x", events=["*"], secret=KEY)
    assert KEY not in f"{caught.value!r} {caught.value.__cause__!r} {rung!r} {vars(rung)}"
    with pytest.raises(ValueError, match="^key: ") as wrong:
        Rung("http://rung.test", KEY + "\n")
    assert KEY not in str(wrong.value)


@pytest.mark.parametrize(
    "url", ["rung.test", "ftp://rung.test", "http://me:pw@rung.test", "http://rung.test/?a", "http://a/#b"]
)
def test_a_strange_url_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="^url: ") as caught:
        Rung(url, KEY)
    assert "pw" not in str(caught.value)


def test_paths_and_queries_are_encoded() -> None:
    page: dict[str, Any] = {"tenants": [], "next_cursor": None}
    rung, requests = answering(data({"event_type": {}}), data(page))
    rung.for_tenant("acme").event_types.get("a/b c?")
    assert list(rung.tenants.list(limit=5, q="a&b", metadata={"region": "eu"})) == []
    assert requests[0].url.raw_path == b"/v1/event-types/a/b%20c%3F"
    assert requests[0].headers["rung-tenant"] == "acme"
    assert dict(requests[1].url.params) == {"limit": "5", "q": "a&b", "metadata.region": "eu"}


@pytest.mark.parametrize("id", ["", ".", ".."])
def test_what_is_no_id_is_not_sent(id: str) -> None:
    rung, requests = answering(data({"job": {}}))
    with pytest.raises(ValueError, match="is no id"):
        rung.tenants.delete(id)
    rung.webhooks.delete("../keys")
    assert [request.url.raw_path for request in requests] == [b"/v1/webhooks/..%2Fkeys"]


def test_lists_are_read_page_by_page() -> None:
    rung, requests = answering(
        data({"logs": [{"id": "1"}, {"id": "2"}], "next_cursor": "c"}),
        data({"logs": [{"id": "3"}], "next_cursor": None}),
    )
    assert [entry["id"] for entry in rung.logs.list(status="failed")] == ["1", "2", "3"]
    assert [dict(request.url.params) for request in requests] == [
        {"status": "failed"},
        {"status": "failed", "cursor": "c"},
    ]


def test_a_job_is_waited_for(slept: list[float]) -> None:
    running, ended = (
        {"id": "1", "status": status, "ended_at": at} for status, at in (("running", None), ("succeeded", "now"))
    )
    rung, _ = answering(data({"job": running}), data({"job": running}), data({"job": ended}))
    assert rung.jobs.wait("1")["status"] == "succeeded"
    assert slept == [1, 1]


def accepting(request: httpx.Request) -> httpx.Response:
    events = json.loads(request.content)["events"]
    results = [{"success": True, "status": 202, "duplicate": False, "data": {"event": event}} for event in events]
    return data({"results": results}, 202)


def batches(answer: Handler) -> tuple[Rung, list[httpx.Request]]:
    requests: list[httpx.Request] = []

    def kept(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return answer(request)

    return Rung("http://rung.test", KEY, http_client=httpx.Client(transport=httpx.MockTransport(kept))), requests


def events(count: int, size: int = 0) -> list[PublishEventRequest]:
    return [{"id": f"e{index}", "type": "a", "data": {"text": "x" * size}} for index in range(count)]


def test_a_batch_is_split_at_100_events() -> None:
    rung, requests = batches(accepting)
    results = rung.events.publish_batch(events(250))
    assert [len(json.loads(request.content)["events"]) for request in requests] == [100, 100, 50]
    assert [result["data"]["event"]["id"] for result in results] == [f"e{index}" for index in range(250)]
    assert rung.events.publish_batch([]) == []


def test_a_batch_is_split_at_a_mebibyte() -> None:
    rung, requests = batches(accepting)
    given = events(60, 100_000)
    assert len(rung.events.publish_batch(given)) == 60
    sizes = [len(request.content) for request in requests]
    assert max(sizes) <= 1024 * 1024 < max(sizes) + 100_100
    # To the byte: a batch that just fits is sent in one.
    rest = 1024 * 1024 - len(json.dumps({"events": events(2)}, separators=(",", ":")))
    for more, parts in ((0, 1), (1, 2)):
        exact = events(2)
        exact[0]["data"] = {"text": "x" * (rest + more)}
        requests.clear()
        rung.events.publish_batch(exact)
        assert len(requests) == parts


def test_a_batch_has_a_key_where_an_event_has_no_id_and_results_keep_their_order() -> None:
    rung, requests = batches(accepting)
    mixed: list[PublishEventRequest] = [
        {"type": "a", "data": {}},
        {"id": "e1", "type": "a", "data": {}},
        {"type": "b", "data": {}},
    ]
    results = rung.events.publish_batch(mixed, idempotency_key="mine")
    assert [result["data"]["event"]["type"] for result in results] == ["a", "a", "b"]
    rung.events.publish_batch(mixed[1:2], idempotency_key="mine")
    assert [request.headers.get("idempotency-key") for request in requests] == ["mine-0", None]


def test_refused_events_are_results_and_a_refused_request_is_an_error() -> None:
    refusal = {"success": False, "status": 422, "duplicate": False, "error": {"code": "unknown_event_type"}}
    none = httpx.Response(
        422, json={"success": False, "error": {"code": "batch_refused"}, "data": {"results": [refusal]}}
    )
    rung, _ = answering(
        none, refused(413, "payload_too_large"), data({"results": [refusal] * 100}, 207), refused(401, "unauthorized")
    )
    assert rung.events.publish_batch(events(1)) == [refusal]
    (too_large,) = rung.events.publish_batch(events(1))
    assert (too_large["status"], too_large["error"]["code"]) == (413, "payload_too_large")
    with pytest.raises(PublishFailed) as caught:
        rung.events.publish_batch(events(101))
    assert caught.value.results == [refusal] * 100 + [None]
    assert isinstance(caught.value.__cause__, ApiError)
    assert str(caught.value) == "1 of 101 events have no result: unauthorized (401): url: no"


def lines_of(request: httpx.Request) -> list[str]:
    return request.content.decode().split("\n")


def test_an_export_is_read_page_by_page() -> None:
    link = '</v1/jobs/1/output?cursor=a%2Fb>; rel="next"'
    rung, requests = answering(
        httpx.Response(200, text="1\n2\n", headers={"link": link}), httpx.Response(200, text="3\n")
    )
    assert list(rung.exports.output("1")) == ["1", "2", "3"]
    assert [dict(request.url.params) for request in requests] == [{}, {"cursor": "a/b"}]


def test_an_import_goes_on_where_rung_had_no_time() -> None:
    def results(*lines: int, next_line: int | None = None) -> httpx.Response:
        return data({"results": [{"line": line, "status": 200} for line in lines], "next_line": next_line})

    rung, requests = answering(results(1, 2, next_line=3), results(1, 2), results(1))
    large = "x" * 3_000_000
    taken = rung.exports.import_(["1", "2", "3", large, large])
    assert [lines_of(request) for request in requests[:2]] == [["1", "2", "3", large], ["3", large]]
    assert lines_of(requests[2]) == [large]
    assert [result["line"] for result in taken] == [1, 2, 3, 4, 5]
    assert requests[0].headers["content-type"] == "application/x-ndjson"
