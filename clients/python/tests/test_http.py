"""The transport, against answers that are made up."""

import json
import re
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypedDict, cast

import httpx
import pytest

from rung import ApiError, ConnectionFailed, PublishFailed, PublishResult, Rung, RungError
from rung.types import PublishEventRequest

KEY = "rk_a-secret-that-nobody-may-see"
Handler = Callable[[httpx.Request], httpx.Response]


def answering(*answers: httpx.Response | httpx.RequestError) -> tuple[Rung, list[httpx.Request]]:
    """A client, and the requests to which it got these answers, one after another."""
    requests: list[httpx.Request] = []
    left = iter(answers)

    def answer(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        outcome = next(left)
        if isinstance(outcome, httpx.RequestError):
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
    rung, requests = answering(data({"event": {}}, 202), data({"event": {}}, 202))
    rung.events.publish(type="a", data={})
    rung.events.publish(type="a", data={}, id="1", idempotency_key="mine")
    assert ["idempotency-key" in request.headers for request in requests] == [True, False]


def test_an_event_takes_the_hops_of_the_delivery_that_it_results_from_along() -> None:
    rung, requests = answering(data({"event": {}}, 202), accepting(1))
    rung.events.publish(type="a", data={}, headers={"Rung-Hops": "1"})
    rung.events.publish_batch([{"type": "a", "data": {}}], headers={"Rung-Hops": "2"})
    assert [request.headers["rung-hops"] for request in requests] == ["1", "2"]


def test_what_may_help_is_repeated_with_growing_pauses(slept: list[float]) -> None:
    outcomes: list[httpx.Response | httpx.RequestError] = [
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
    "url",
    [
        "rung.test",
        "ftp://rung.test",
        "http://me:pw@rung.test",
        "http://rung.test/?a",
        "http://rung.test/?",
        "http://a/#b",
        "http://",
        "http://:8080",
        "http://a:99999",
        "http://a:b",
        "http://a b",
        "http://a/ ",
        "http://a\n",
        "http://me:pw@[",
        "",
        None,
    ],
)
def test_a_strange_url_is_refused(url: Any) -> None:
    with pytest.raises(ValueError, match="^url: ") as caught:
        Rung(url, KEY)
    assert "pw" not in str(caught.value)


@pytest.mark.parametrize("tenant", ["", " ", "a b", "a\r\nX: y", "acme\n", "ä", "a" * 65, "a/b", None, 7, b"acme", ["acme"]])
def test_what_is_no_tenant_is_refused_and_never_the_whole_deployment(tenant: Any) -> None:
    rung, requests = answering()
    with pytest.raises(ValueError, match="^tenant: must be 1 to 64 characters"):
        rung.for_tenant(tenant).webhooks.recover_all()
    with pytest.raises(ValueError, match="^tenant: must be 1 to 64 characters"):
        Rung("http://rung.test", KEY, tenant=tenant)
    assert requests == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("key", value) for value in ("", None, 7, "a b", "a\n", "ä")),
        *(("max_retries", value) for value in (-1, 1.5, None, "4")),
        *(("timeout", value) for value in (0, -1, float("nan"), None, "30")),
    ],
)
def test_a_client_is_not_made_with_what_makes_no_sense(field: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"^{field}: must be "):
        Rung(**{"url": "http://rung.test", "key": KEY, field: value})


def test_a_condition_or_a_key_that_is_empty_is_no_call_without_it() -> None:
    rung, requests = answering()
    calls: list[Callable[[], object]] = [
        lambda: rung.tenants.put("acme", name="A", if_match=""),
        lambda: rung.webhooks.delete("w", if_match="a\r\nb: c"),
        lambda: rung.events.publish(type="a", data={}, idempotency_key=""),
        lambda: rung.events.publish_batch([{"type": "a", "data": {}}], idempotency_key=""),
        lambda: rung.events.publish(type="a", data={}, headers={"a b": "c"}),
        lambda: rung.event_types.get(cast(str, None)),
        lambda: rung.tenants.delete(cast(str, None)),
        lambda: rung.events.publish(type="a", data={"at": {1, 2}}),
        lambda: rung.tenants.list(q="x" * 70_000).page(),
    ]
    for call in calls:
        with pytest.raises(ValueError):
            call()
    assert requests == []


@pytest.mark.parametrize(
    "error", [httpx.DecodingError("bad gzip"), httpx.LocalProtocolError("no"), httpx.UnsupportedProtocol("no")]
)
def test_whatever_goes_wrong_on_the_way_is_an_error_of_the_client(error: httpx.RequestError, slept: list[float]) -> None:
    rung, _ = answering(*[error] * 5)
    with pytest.raises(ConnectionFailed, match=rf"^GET http://rung.test/v1/health: {error} \({type(error).__name__}\)$"):
        rung.health()


def test_an_answer_that_cannot_be_unpacked_is_an_error_of_the_client(slept: list[float]) -> None:
    rung, _ = batches(lambda _: httpx.Response(200, content=b"no gzip", headers={"content-encoding": "gzip"}))
    with pytest.raises(RungError):
        rung.health()


def test_a_refused_connection_says_where_and_why() -> None:
    with Rung("http://127.0.0.1:1", KEY, max_retries=0) as rung:
        with pytest.raises(ConnectionFailed, match=r"^GET http://127\.0\.0\.1:1/v1/health: .*[Cc]onnection refused"):
            rung.health()
    with pytest.raises(RungError, match="^the client is closed$"):
        rung.health()


def test_a_proxy_that_cannot_be_used_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:1")
    with pytest.raises(RungError, match="^the environment's proxies or certificates: .*socks"):
        Rung("http://rung.test", KEY)


def test_a_redirect_is_not_followed_and_says_where_to() -> None:
    rung, requests = answering(httpx.Response(301, headers={"location": "https://rung.test/v1/health"}))
    with pytest.raises(ApiError, match="redirected to https://rung.test/v1/health; redirects are not followed"):
        rung.health()
    assert len(requests) == 1


ANSWERS: list[Any] = [None, 7, [], {}, {"data": None}, {"data": []}, {"data": {}}, {"error": 7}, {"error": {"code": 7}}]
ANSWERS += [{"error": {"code": "no", "details": 7, "message": None, "retryable": "yes"}}, {"data": {"results": [7]}}]
ANSWERS += [{"data": {"results": []}}, {"data": {"results": [{"success": True}]}}, {"data": {"results": None}}]


@pytest.mark.parametrize("status", [200, 202, 207, 302, 404, 413, 422])
@pytest.mark.parametrize("answer", ANSWERS)
def test_an_answer_without_what_it_must_have_is_an_error_of_the_client(answer: Any, status: int) -> None:
    calls: list[Callable[[Rung], object]] = [
        lambda rung: rung.tenants.create(name="A"),
        lambda rung: list(rung.tenants.list()),
        lambda rung: rung.webhooks.activate("w"),
        lambda rung: rung.webhooks.secret("w"),
        lambda rung: rung.me(),
        lambda rung: rung.egress_ips(),
        lambda rung: rung.exports.import_(["{}"]),
        lambda rung: rung.events.publish(type="a", data={}),
        lambda rung: rung.events.publish_batch(events(2)),
    ]
    for call in calls:
        rung, _ = answering(httpx.Response(status, json=answer))
        with pytest.raises(RungError):
            call(rung)


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


def accepting(request: httpx.Request | int) -> httpx.Response:
    """Accepts what is sent, or so many events."""
    events = events_of(request) if isinstance(request, httpx.Request) else [{}] * request
    results = [{"success": True, "status": 202, "duplicate": False, "data": {"event": event}} for event in events]
    return data({"results": results}, 202)


def events_of(request: httpx.Request) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(request.content)["events"]
    return found


def accepted(results: Iterable[PublishResult]) -> list[dict[str, Any]]:
    """What was published, all of which is accepted."""
    found: list[dict[str, Any]] = []
    for result in results:
        # A type checker tells the two kinds apart by `success`.
        assert result["success"], result["error"]
        found.append(cast(dict[str, Any], result["data"]["event"]))
    return found


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
    assert [event["id"] for event in accepted(results)] == [f"e{index}" for index in range(250)]
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
    assert [event["type"] for event in accepted(results)] == ["a", "a", "b"]
    rung.events.publish_batch(mixed[1:2], idempotency_key="mine")
    assert [request.headers.get("idempotency-key") for request in requests] == ["mine-0", None]


def test_refused_events_are_results_and_a_refused_request_is_an_error() -> None:
    error: dict[str, Any] = {"code": "unknown_event_type", "message": "no", "request_id": None, "retryable": False, "details": []}
    refusal = {"success": False, "status": 422, "duplicate": False, "error": error}
    none = httpx.Response(
        422, json={"success": False, "error": {"code": "batch_refused"}, "data": {"results": [refusal]}}
    )
    rung, _ = answering(
        none, refused(413, "payload_too_large"), data({"results": [refusal] * 100}, 207), refused(401, "unauthorized")
    )
    assert rung.events.publish_batch(events(1)) == [refusal]
    (too_large,) = rung.events.publish_batch(events(1))
    assert not too_large["success"] and too_large["status"] == 413
    assert (too_large["error"]["code"], too_large["error"]["message"]) == ("payload_too_large", "url: no")
    with pytest.raises(PublishFailed) as caught:
        rung.events.publish_batch(events(101))
    assert caught.value.results == [refusal] * 100 + [None]
    assert isinstance(caught.value.__cause__, ApiError)
    assert str(caught.value) == "1 of 101 events have no result: unauthorized (401): url: no"


def test_errors_name_events_by_their_places_in_the_batch() -> None:
    def refusing(request: httpx.Request) -> httpx.Response:
        if len(events_of(request)) == 50:
            details = [{"field": f"events[{place}].type", "code": "invalid", "problem": "no"} for place in (1, 10)]
            error = {"code": "invalid_request", "message": "events[1].type: no; events[10].type: no", "details": details}
            return httpx.Response(422, json={"error": error})
        results = json.loads(accepting(request).content)["data"]["results"]
        details = [{"field": "events[20].type", "code": "unknown", "problem": "no"}]
        error = {"code": "unknown_event_type", "message": "events[20].type: no", "details": details}
        results[20] = {"success": False, "status": 422, "duplicate": False, "error": error}
        return data({"results": results}, 207)

    rung, _ = batches(refusing)
    with pytest.raises(PublishFailed) as caught:
        rung.events.publish_batch(events(250))
    for place in (20, 120):
        result = caught.value.results[place]
        assert result is not None and not result["success"]
        assert result["error"]["message"] == f"events[{place}].type: no"
        assert result["error"]["details"][0]["field"] == f"events[{place}].type"
    cause = caught.value.__cause__
    assert isinstance(cause, ApiError)
    assert [detail["field"] for detail in cause.details] == ["events[201].type", "events[210].type"]
    assert str(cause) == "invalid_request (422): events[201].type: no; events[210].type: no"


class Order(TypedDict):
    """Data of a type of the caller's own."""

    total: int


def test_data_may_have_a_type_of_its_own() -> None:
    rung, requests = answering(data({"event": {}}, 202))
    rung.events.publish(type="order.paid", data=Order(total=42))
    assert json.loads(requests[0].content)["data"] == {"total": 42}


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
