"""Publishing: one event, or any number in as few requests as the limits allow."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NotRequired, TypedDict, cast

import httpx

from ._errors import ErrorBody, RungError
from ._http import NO_IDEMPOTENCY_KEY, Http, error_of, parse, to_json
from .types import Published, PublishEventRequest

_MAX_EVENTS = 100
_MAX_BYTES = 1024 * 1024
_ENVELOPE = (b'{"events":[', b"]}")


class PublishResult(TypedDict):
    """What became of one event of a batch: `data` if it was accepted, else `error`."""

    success: bool
    status: int
    duplicate: bool
    data: NotRequired[Published]
    error: NotRequired[ErrorBody]


class PublishFailed(RungError):
    """A part of a batch was neither accepted nor refused event by event. Publish again what has no result, with the same ids."""

    def __init__(self, cause: RungError, results: Sequence[PublishResult | None]) -> None:
        unknown = sum(result is None for result in results)
        super().__init__(f"{unknown} of {len(results)} events have no result: {cause}", cause.retryable)
        self.results = results
        """One per event, in order; None where it is unknown whether the event was accepted."""


@dataclass
class _Part:
    """Some events as JSON, their places in the batch, and whether each of them has an id."""

    places: list[int]
    bodies: list[bytes]
    are_named: bool = True


def publish(
    http: Http, event: PublishEventRequest, idempotency_key: str | None, headers: Mapping[str, str] | None
) -> Published:
    """Publishes one event. Its id makes a repeat harmless; without one, the `Idempotency-Key` does. Rung refuses both together."""
    if event.get("id") is not None:
        idempotency_key = NO_IDEMPOTENCY_KEY
    return cast(
        Published, http.call("POST", "/v1/events", body=event, idempotency_key=idempotency_key, headers=headers)
    )


def publish_batch(
    http: Http,
    events: Sequence[PublishEventRequest],
    idempotency_key: str | None,
    headers: Mapping[str, str] | None,
) -> list[PublishResult]:
    """Publishes events and returns one result per event, in order."""
    results: list[PublishResult | None] = [None] * len(events)
    key = idempotency_key or str(uuid.uuid4())
    for index, part in enumerate(_split(events)):
        # Ids are enough to make a repeat harmless.
        part_key = NO_IDEMPOTENCY_KEY if part.are_named else f"{key}-{index}"
        try:
            answered = _publish_part(http, part.bodies, part_key, headers)
        except RungError as error:
            raise PublishFailed(error, results) from error
        for place, result in zip(part.places, answered, strict=True):
            results[place] = result
    return cast(list[PublishResult], results)


def _split(events: Sequence[PublishEventRequest]) -> list[_Part]:
    """The events in parts that are small enough."""
    parts: list[_Part] = []
    size = 0
    for place, event in enumerate(events):
        body = to_json(event)
        if not parts or len(parts[-1].bodies) == _MAX_EVENTS or size + len(body) + 1 > _MAX_BYTES:
            parts.append(_Part([], []))
            size = len(b"".join(_ENVELOPE)) - 1  # One comma less than events.
        parts[-1].places.append(place)
        parts[-1].bodies.append(body)
        parts[-1].are_named &= event.get("id") is not None
        size += len(body) + 1
    return parts


def _publish_part(
    http: Http, bodies: Sequence[bytes], idempotency_key: str, headers: Mapping[str, str] | None
) -> list[PublishResult]:
    content = b",".join(bodies).join(_ENVELOPE)
    answer = http.send("POST", "/v1/events/batch", content=content, idempotency_key=idempotency_key, headers=headers)
    results = _results_of(answer)
    if results is not None:
        return results
    error = error_of(answer)
    if error.status != 413 or len(bodies) > 1:
        raise error
    body = ErrorBody(
        code=error.code,
        message=str(error),
        request_id=error.request_id,
        retryable=error.retryable,
        details=error.details,
    )
    return [PublishResult(success=False, status=413, duplicate=False, error=body)]


def _results_of(answer: httpx.Response) -> list[PublishResult] | None:
    """The results of a part, all, some or none of which was accepted."""
    if answer.status_code not in (202, 207, 422):
        return None
    data: dict[str, Any] = parse(answer).get("data") or {}
    return data.get("results")
