"""Sends requests: with credentials, time limits and retries."""

import json
import random
import re
import time
import uuid
from collections.abc import Iterator, Mapping
from email.utils import parsedate_to_datetime
from typing import Any, TypeGuard
from urllib.parse import quote

import httpx

from ._errors import ApiError, ConnectionFailed, ErrorBody, ErrorDetail, RungError

_BASE_DELAY_S = 0.5
_MAX_DELAY_S = 8.0
# What asks for a longer wait is not waited for.
_MAX_RETRY_AFTER_S = 60.0
_RETRIED_STATUSES = (429, 502, 503, 504)


class NoIdempotencyKey:
    """In place of an `Idempotency-Key`: none, also with POST."""


class Http:
    """The transport of a client."""

    def __init__(self, url: str, key: str, max_retries: int, client: httpx.Client, tenant: str | None = None) -> None:
        self._base = _base(url)
        if not _matches(r"[\x21-\x7e]+", key):
            raise ValueError("key: must be printable ASCII without blanks, and not empty")
        if not isinstance(max_retries, int) or max_retries < 0:
            raise ValueError("max_retries: must be a whole number, at least 0")
        self._key = key
        self._tenant = tenant
        self._max_retries = max_retries
        self._client = client

    def for_tenant(self, tenant: str) -> "Http":
        """The same, acting for a tenant."""
        # Without the header an operator's key would act for the whole deployment.
        if not _matches("[A-Za-z0-9_-]{1,64}", tenant):
            raise ValueError("tenant: must be 1 to 64 characters from A-Z, a-z, 0-9, `_` and `-`")
        return Http(self._base, self._key, self._max_retries, self._client, tenant)

    def close(self) -> None:
        """Closes the connections."""
        self._client.close()

    def call(
        self,
        method: str,
        path: str,
        *members: str,
        query: Mapping[str, Any] | None = None,
        body: object = None,
        idempotency_key: str | type[NoIdempotencyKey] | None = None,
        if_match: str | None = None,
        if_none_match: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """Sends a request, repeats it where that may help, and returns `data` of the answer, which must have these members."""
        content = None if body is None else to_json(body)
        more = {**(headers or {}), "if-match": if_match, "if-none-match": if_none_match}
        answer = self.send(method, path, query, content, idempotency_key=idempotency_key, headers=more)
        data = parse(answer).get("data")
        if answer.status_code >= 300 or not isinstance(data, dict) or not data.keys() >= set(members):
            raise error_of(answer)
        return data

    def send(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any] | None = None,
        content: bytes | None = None,
        *,
        idempotency_key: str | type[NoIdempotencyKey] | None = None,
        headers: Mapping[str, str | None] | None = None,
    ) -> httpx.Response:
        """Sends a request and repeats it where that may help. Returns the last answer, whatever its status."""
        if idempotency_key is None and method == "POST":
            idempotency_key = str(uuid.uuid4())
        given = {
            "content-type": None if content is None else "application/json",
            **(headers or {}),
            "authorization": f"Bearer {self._key}",
            "rung-tenant": self._tenant,
            "idempotency-key": idempotency_key if isinstance(idempotency_key, str) else None,
        }
        request = self._request(method, path, _parameters(query or {}), content, _legal(given))
        for retry in range(self._max_retries + 1):
            outcome = self._attempt(request)
            delay_s = _delay_s(outcome, retry)
            if delay_s is None or retry == self._max_retries:
                break
            time.sleep(delay_s)
        if isinstance(outcome, ConnectionFailed):
            raise outcome
        return outcome

    def _request(
        self, method: str, path: str, query: dict[str, str], content: bytes | None, headers: dict[str, str]
    ) -> httpx.Request:
        try:
            return self._client.build_request(method, self._base + path, params=query, content=content, headers=headers)
        except httpx.InvalidURL as error:
            raise ValueError(f"the request's URL: {error}") from error

    def _attempt(self, request: httpx.Request) -> httpx.Response | ConnectionFailed:
        if self._client.is_closed:
            raise RungError("the client is closed", retryable=False)
        try:
            return self._client.send(request, follow_redirects=False)
        except (httpx.RequestError, OSError) as error:
            place = f"{request.method} {request.url.copy_with(query=None)}"
            failed = ConnectionFailed(f"{place}: {str(error) or 'no answer in time'} ({type(error).__name__})")
            failed.__cause__ = error
            return failed


def _base(url: str) -> str:
    try:
        parts = httpx.URL(url)
    except (httpx.InvalidURL, TypeError):
        parts = httpx.URL()
    is_plain = not parts.userinfo and not re.search(r"[?#\s]", str(url))
    if parts.scheme not in ("http", "https") or not parts.host or not is_plain or not 0 < (parts.port or 80) < 65536:
        raise ValueError("url: must be http or https with a host, without user information, query, fragment or blanks")
    return str(url).rstrip("/")


def _legal(headers: Mapping[str, str | None]) -> dict[str, str]:
    """Those that are there. An empty one is a mistake: without `if-match` a call would change what it should not."""
    given = {name: value for name, value in headers.items() if value is not None}
    for name, value in given.items():
        if not _matches(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name) or not _matches(r"[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?", value):
            raise ValueError(f"{name!r}: must be printable ASCII, without blanks at its ends, and not empty")
    return given


def _matches(pattern: str, value: object) -> bool:
    return isinstance(value, str) and re.fullmatch(pattern, value) is not None


def error_of(answer: httpx.Response) -> ApiError:
    """An answer as an error."""
    return ApiError(answer.status_code, error_body_of(answer, parse(answer).get("error")))


def error_body_of(answer: httpx.Response, found: object) -> ErrorBody:
    """What was found in the place of an error. What did not come from Rung has the code `unexpected_answer`."""
    given = found if isinstance(found, dict) and isinstance(found.get("code"), str) else {}
    details = given.get("details")
    retryable = given.get("retryable")
    return ErrorBody(
        code=given.get("code", "unexpected_answer"),
        message=str(given.get("message", _unexpected(answer))),
        request_id=given.get("request_id", answer.headers.get("x-request-id")),
        retryable=retryable if isinstance(retryable, bool) else answer.status_code in _RETRIED_STATUSES,
        details=list(filter(_is_detail, details)) if isinstance(details, list) else [],
    )


def _unexpected(answer: httpx.Response) -> str:
    if answer.has_redirect_location:
        return f"redirected to {answer.headers['location']}; redirects are not followed: name the URL of Rung itself"
    return "unexpected answer (not from Rung)"


def _is_detail(detail: object) -> TypeGuard[ErrorDetail]:
    return isinstance(detail, dict) and all(isinstance(detail.get(name), str) for name in ErrorDetail.__annotations__)


def to_json(value: object) -> bytes:
    """JSON without blanks; what JSON cannot express is a ValueError."""
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except (TypeError, RecursionError) as error:
        raise ValueError(f"the body: {error}") from error
    try:
        return text.encode()
    except UnicodeEncodeError:
        place = next(lone_surrogates(value, ""), "")
        raise ValueError(f"{place or 'the body'}: has a lone surrogate, which UTF-8 cannot express; replace it") from None


def lone_surrogates(value: object, place: str) -> Iterator[str]:
    """The places of texts that UTF-8 cannot express, as the API names places: `events[0].data`."""
    if isinstance(value, str):
        if any("\ud800" <= letter <= "\udfff" for letter in value):
            yield place
    elif isinstance(value, Mapping):
        for name, member in value.items():
            yield from lone_surrogates(name, place)
            yield from lone_surrogates(member, f"{place}.{name}" if place else str(name))
    elif isinstance(value, (list, tuple)):
        for index, element in enumerate(value):
            yield from lone_surrogates(element, f"{place}[{index}]")


def path(template: str, *parameters: str | list[str]) -> str:
    """A path with its parameters encoded; those of a list are segments of their own."""
    lists = (parameter if isinstance(parameter, list) else [parameter] for parameter in parameters)
    return template.format(*("/".join(map(_segment, segments)) for segments in lists))


def _segment(name: object) -> str:
    if not isinstance(name, str) or name in ("", ".", ".."):
        # They would lead to another resource.
        raise ValueError(f"{name!r} is no id")
    return quote(name, safe="")


def parse(answer: httpx.Response) -> dict[str, Any]:
    """The body as an object; an empty one if it is none."""
    try:
        body = answer.json()
    except (ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}


def _parameters(query: Mapping[str, Any]) -> dict[str, str]:
    """A query: members of a mapping are named with a dot, and None is left out."""
    flat: dict[str, Any] = {}
    for name, value in query.items():
        is_mapping = isinstance(value, Mapping)
        flat |= {f"{name}.{member}": one for member, one in value.items()} if is_mapping else {name: value}
    given = {name: value for name, value in flat.items() if value is not None}
    return {name: value if isinstance(value, str) else json.dumps(value) for name, value in given.items()}


def _delay_s(outcome: httpx.Response | ConnectionFailed, retry: int) -> float | None:
    """How long to wait before the next attempt; None if another one would not help."""
    jitter = random.uniform(0, min(_MAX_DELAY_S, _BASE_DELAY_S * 2**retry))
    if isinstance(outcome, ConnectionFailed):
        return jitter
    if outcome.status_code < 400 or not error_of(outcome).retryable:
        return None
    asked = _retry_after_s(outcome.headers.get("retry-after", ""))
    return None if asked > _MAX_RETRY_AFTER_S else asked + jitter


def _retry_after_s(value: str) -> float:
    """`Retry-After` in either form; 0 if there is none."""
    if value.isdecimal():
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, OverflowError):
        return 0.0
