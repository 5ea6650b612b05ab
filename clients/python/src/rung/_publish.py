"""Publishing: one event, or any number in as few requests as the limits allow."""

import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, TypedDict, cast

import httpx

from ._errors import ApiError, ErrorBody, RungError
from ._http import Http, NoIdempotencyKey, error_body_of, parse, to_json
from .types import Published, PublishEventRequest

_MAX_EVENTS = 100
_MAX_BYTES = 1024 * 1024
_ENVELOPE = (b'{"events":[', b"]}")


class PublishAccepted(TypedDict):
    """An event of a batch that Rung has stored."""

    success: Literal[True]
    status: int
    duplicate: bool
    data: Published


class PublishRefused(TypedDict):
    """An event of a batch that Rung has not taken."""

    success: Literal[False]
    status: int
    duplicate: bool
    error: ErrorBody


# What became of one event of a batch: `success` tells which.
PublishResult: TypeAlias = PublishAccepted | PublishRefused


class PublishFailed(RungError):
    """A part of a batch was neither accepted nor refused event by event. Publish again what has no result, with the same ids."""

    def __init__(self, cause: RungError, results: Sequence[PublishResult | None]) -> None:
        unknown = sum(result is None for result in results)
        super().__init__(f"{unknown} of {len(results)} events have no result: {cause}", cause.retryable)
        self.results = results
        """One per event, in order; None where it is unknown whether the event was accepted."""


@dataclass
class _Part:
    """Some events as JSON, the place of the first in the batch, and whether each of them has an id."""

    start: int
    bodies: list[bytes]
    are_named: bool = True


def publish(
    http: Http, event: PublishEventRequest, idempotency_key: str | None, headers: Mapping[str, str] | None
) -> Published:
    """Publishes one event. Its id makes a repeat harmless; without one, the `Idempotency-Key` does. Rung refuses both together."""
    key = idempotency_key if event.get("id") is None else NoIdempotencyKey
    return cast(Published, http.call("POST", "/v1/events", "event", body=event, idempotency_key=key, headers=headers))


def publish_batch(
    http: Http,
    events: Sequence[PublishEventRequest],
    idempotency_key: str | None,
    headers: Mapping[str, str] | None,
) -> list[PublishResult]:
    """Publishes events and returns one result per event, in order."""
    results: list[PublishResult | None] = [None] * len(events)
    key = str(uuid.uuid4()) if idempotency_key is None else idempotency_key
    if not key:
        raise ValueError("idempotency_key: must not be empty")
    for index, part in enumerate(_split(events)):
        # Ids are enough to make a repeat harmless.
        part_key = NoIdempotencyKey if part.are_named else f"{key}-{index}"
        try:
            answered = _publish_part(http, part, part_key, headers)
        except RungError as error:
            raise PublishFailed(error, results) from error
        results[part.start : part.start + len(answered)] = answered
    return cast(list[PublishResult], results)


def _split(events: Sequence[PublishEventRequest]) -> list[_Part]:
    """The events in parts that are small enough."""
    parts: list[_Part] = []
    size = 0
    for place, event in enumerate(events):
        body = to_json(event)
        if not parts or len(parts[-1].bodies) == _MAX_EVENTS or size + len(body) + 1 > _MAX_BYTES:
            parts.append(_Part(place, []))
            size = len(b"".join(_ENVELOPE)) - 1  # One comma less than events.
        parts[-1].bodies.append(body)
        parts[-1].are_named &= event.get("id") is not None
        size += len(body) + 1
    return parts


def _publish_part(
    http: Http, part: _Part, idempotency_key: str | type[NoIdempotencyKey], headers: Mapping[str, str] | None
) -> list[PublishResult]:
    """One result per event of the part. Errors name events by their places in the batch."""
    content = b",".join(part.bodies).join(_ENVELOPE)
    answer = http.send("POST", "/v1/events/batch", content=content, idempotency_key=idempotency_key, headers=headers)
    results = _results_of(answer, len(part.bodies))
    if results is not None:
        for result in results:
            if not result["success"]:
                result["error"] = _moved(error_body_of(answer, result["error"]), part.start)
        return results
    error = _moved(error_body_of(answer, parse(answer).get("error")), part.start)
    if answer.status_code != 413 or len(part.bodies) > 1:
        raise ApiError(answer.status_code, error)
    return [PublishRefused(success=False, status=413, duplicate=False, error=error)]


def _results_of(answer: httpx.Response, count: int) -> list[PublishResult] | None:
    """The results of a part, all, some or none of which was accepted."""
    data = parse(answer).get("data")
    results = data.get("results") if isinstance(data, dict) else None
    if answer.status_code not in (202, 207, 422) or not isinstance(results, list) or len(results) != count:
        return None
    return results if all(map(_is_result, results)) else None


def _is_result(result: object) -> bool:
    if not isinstance(result, dict):
        return False
    return isinstance(result.get("data") if result.get("success") is True else result.get("error"), dict)


def _moved(error: ErrorBody, by: int) -> ErrorBody:
    """The error of a part as one of the batch, in which the part's first event has that place."""
    fields = {detail["field"]: _moved_field(detail["field"], by) for detail in error["details"]}
    if fields:
        # All at once, the longest first: what one has become is not another's.
        names = "|".join(map(re.escape, sorted(fields, key=len, reverse=True)))
        error["message"] = re.sub(names, lambda it: fields[it[0]], error["message"])
    error["details"] = [{**detail, "field": fields[detail["field"]]} for detail in error["details"]]
    return error


def _moved_field(field: str, by: int) -> str:
    return re.sub(r"^events\[([0-9]{1,9})\]", lambda it: f"events[{int(it[1]) + by}]", field)
