"""For receivers: whether a request is a genuine delivery."""

import hashlib
import hmac
import json
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, Protocol

import standardwebhooks

Dialect = Literal["standard", "reward", "badger", "patra", "bharatcart", "odin"]

# How far a signed time may be from the clock: as in `standardwebhooks`.
_TOLERANCE_S = 5 * 60

# The header of a signature of the body, and what stands before it.
_PLAIN = {
    "badger": ("x-badger-signature", ""),
    "patra": ("x-patra-signature", "sha256="),
    "bharatcart": ("x-webhook-signature", ""),
}


class Headers(Protocol):
    """What web frameworks and mappings have in common. Names may be in any case."""

    def items(self) -> Iterable[tuple[str, str]]:
        """Names and values."""


class VerificationError(Exception):
    """The request is not a genuine delivery: answer 401."""


def verify(*, dialect: Dialect, secret: str | Sequence[str] | None, headers: Headers, body: bytes) -> Any:
    """Returns the body, parsed, of a genuine delivery; raises VerificationError otherwise.

    `secret` is the webhook's; during a rotation a list of the new one and the old one.
    Without one it is a ValueError. `body` is the raw body: the bytes as received, not parsed.
    """
    secrets = [secret] if isinstance(secret, str) else secret
    if not secrets or "" in secrets:
        raise ValueError("secret: must not be empty")
    given = {name.lower(): value for name, value in headers.items()}
    if not any(_is_signed(dialect, one, given, body) for one in secrets):
        raise VerificationError("the signature does not match")
    return json.loads(body)


def _is_signed(dialect: Dialect, secret: str, headers: Mapping[str, str], body: bytes) -> bool:
    if dialect in ("standard", "reward"):
        return _is_standard(secret, headers, body)
    if dialect == "odin":
        return _is_odin(secret, headers.get("x-odin-signature", ""), body)
    if dialect not in _PLAIN:
        raise ValueError(f"dialect: there is no {dialect}")
    header, prefix = _PLAIN[dialect]
    return _equal(headers.get(header, ""), prefix + _hmac(secret, body))


def _is_odin(secret: str, given: str, body: bytes) -> bool:
    """`t=UNIX,v1=HEX` of `UNIX.BODY`."""
    match = re.match(r"t=([0-9]{1,15}),v1=", given)
    if match is None or abs(time.time() - int(match[1])) > _TOLERANCE_S:
        return False
    return _equal(given, f"t={match[1]},v1={_hmac(secret, match[1].encode() + b'.' + body)}")


def _is_standard(secret: str, headers: Mapping[str, str], body: bytes) -> bool:
    # Rung takes base64 in the URL's alphabet too.
    key = secret.removeprefix("whsec_").replace("-", "+").replace("_", "/")
    webhook = standardwebhooks.Webhook(key)
    try:
        webhook.verify(body, dict(headers), json_parse=False)
    except (standardwebhooks.WebhookVerificationError, ValueError):
        # A header that is no signature at all is a ValueError.
        return False
    return True


def _hmac(secret: str, signed: bytes) -> str:
    """The text of the secret is the key, `whsec_` included."""
    return hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()


def _equal(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode(), expected.encode())
