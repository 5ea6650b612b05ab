"""Sends requests: with credentials, time limits and retries."""

import json
import random
import re
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote, urlsplit

import httpx

from ._errors import ApiError, ConnectionFailed, ErrorBody

_BASE_DELAY_S = 0.5
_MAX_DELAY_S = 8.0
# What asks for a longer wait is not waited for.
_MAX_RETRY_AFTER_S = 60.0
_RETRIED_STATUSES = (429, 502, 503, 504)
_FAILED_CONNECTIONS = (httpx.TimeoutException, httpx.NetworkError, httpx.RemoteProtocolError, httpx.ProxyError)


# In place of an `Idempotency-Key`: none, also with POST.
NO_IDEMPOTENCY_KEY = ""


class Http:
    """The transport of a client."""

    def __init__(self, url: str, key: str, tenant: str | None, max_retries: int, client: httpx.Client) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or "@" in parts.netloc or parts.query or parts.fragment:
            raise ValueError("url: must be http or https, without user information, query or fragment")
        if not re.fullmatch(r"[\x21-\x7e]+", key):
            raise ValueError("key: must be printable ASCII without blanks")
        self._base = url.rstrip("/")
        self._key = key
        self._tenant = tenant
        self._max_retries = max_retries
        self._client = client

    def for_tenant(self, tenant: str) -> "Http":
        """The same, acting for a tenant."""
        return Http(self._base, self._key, tenant, self._max_retries, self._client)

    def close(self) -> None:
        """Closes the connections."""
        self._client.close()

    def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: object = None,
        idempotency_key: str | None = None,
        if_match: str | None = None,
        if_none_match: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """Sends a request, repeats it where that may help, and returns `data` of the answer. Bytes are JSON already."""
        content = body if body is None or isinstance(body, bytes) else to_json(body)
        more = {**(headers or {}), "if-match": if_match, "if-none-match": if_none_match}
        answer = self.send(method, path, query, content, idempotency_key=idempotency_key, headers=more)
        data = parse(answer).get("data")
        if answer.status_code >= 300 or data is None:
            raise error_of(answer)
        return data

    def send(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any] | None = None,
        content: bytes | None = None,
        *,
        idempotency_key: str | None = None,
        headers: Mapping[str, str | None] | None = None,
    ) -> httpx.Response:
        """Sends a request and repeats it where that may help. Returns the last answer, whatever its status."""
        if idempotency_key is None and method == "POST":
            idempotency_key = str(uuid.uuid4())
        every = {
            "content-type": None if content is None else "application/json",
            **(headers or {}),
            "authorization": f"Bearer {self._key}",
            "rung-tenant": self._tenant,
            "idempotency-key": idempotency_key,
        }
        given = {name: value for name, value in every.items() if value}
        for retry in range(self._max_retries + 1):
            outcome = self._attempt(method, path, _parameters(query or {}), content, given)
            delay_s = _delay_s(outcome, retry)
            if delay_s is None or retry == self._max_retries:
                break
            time.sleep(delay_s)
        if isinstance(outcome, ConnectionFailed):
            raise outcome
        return outcome

    def _attempt(
        self, method: str, path: str, query: dict[str, str], content: bytes | None, headers: dict[str, str]
    ) -> httpx.Response | ConnectionFailed:
        try:
            return self._client.request(method, self._base + path, params=query, content=content, headers=headers)
        except _FAILED_CONNECTIONS as error:
            failed = ConnectionFailed(f"{method} {path}: {type(error).__name__}")
            failed.__cause__ = error
            return failed


def error_of(answer: httpx.Response) -> ApiError:
    """An answer as an error; what did not come from Rung has the code `unexpected_answer`."""
    error = ErrorBody(
        code="unexpected_answer",
        message="unexpected answer (not from Rung)",
        request_id=answer.headers.get("x-request-id"),
        retryable=answer.status_code in _RETRIED_STATUSES,
        details=[],
    )
    found = parse(answer).get("error")
    if isinstance(found, dict) and "code" in found:
        error.update(found)  # type: ignore[typeddict-item]
    return ApiError(answer.status_code, error)


def to_json(value: object) -> bytes:
    """JSON without blanks; what JSON cannot express is a ValueError."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
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


def path(template: str, *parameters: str | Sequence[str]) -> str:
    """A path with its parameters encoded; those of a sequence are segments of their own."""
    lists = ([parameter] if isinstance(parameter, str) else parameter for parameter in parameters)
    return template.format(*("/".join(map(_segment, segments)) for segments in lists))


def _segment(name: str) -> str:
    if name in ("", ".", ".."):
        # They would lead to another resource.
        raise ValueError(f"{name!r} is no id")
    return quote(name, safe="")


def parse(answer: httpx.Response) -> dict[str, Any]:
    """The body as an object; an empty one if it is none."""
    try:
        body = answer.json()
    except ValueError:
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
    except ValueError:
        return 0.0
