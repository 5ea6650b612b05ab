"""What the client raises."""

from collections.abc import Sequence
from typing import TypedDict


class ErrorDetail(TypedDict):
    """What is wrong with one field of a request."""

    field: str
    code: str
    problem: str


class ErrorBody(TypedDict):
    """The body of an error."""

    code: str
    message: str
    request_id: str | None
    retryable: bool
    details: Sequence[ErrorDetail]


class RungError(Exception):
    """Everything that this package raises of its own, `VerificationError` of receivers apart."""

    retryable: bool
    """Whether the same request may succeed later."""

    def __init__(self, message: str, retryable: bool) -> None:
        super().__init__(message)
        self.retryable = retryable


class ConnectionFailed(RungError):
    """No answer: the connection failed or the request took too long. Whether it took effect is unknown."""

    def __init__(self, message: str) -> None:
        super().__init__(message, retryable=True)


class ApiError(RungError):
    """Rung refused the request. Branch on `code`, which is stable across releases."""

    def __init__(self, status: int, body: ErrorBody) -> None:
        super().__init__(f"{body['code']} ({status}): {body['message']}", body["retryable"])
        self.status = status
        self.code = body["code"]
        self.details = body["details"]
        self.request_id = body["request_id"]
