"""For receivers: whether a request is a genuine delivery."""

import base64
import hashlib
import hmac
import json
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, Protocol

import standardwebhooks

Dialect = Literal[
    "standard",
    "reward",
    "badger",
    "patra",
    "bharatcart",
    "odin",
    "github",
    "shopify",
    "slack",
    "stripe",
]

# How far a signed time may be from the clock: as in `standardwebhooks`.
_TOLERANCE_S = 5 * 60

# More signatures than a rotation makes are not looked at.
_SIGNATURES = 10

# The header of a signature of the body in hex, and what stands before it.
_PLAIN = {
    "badger": ("x-badger-signature", ""),
    "patra": ("x-patra-signature", "sha256="),
    "bharatcart": ("x-webhook-signature", ""),
    "github": ("x-hub-signature-256", "sha256="),
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
    if not secrets or not all(isinstance(one, str) and one for one in secrets):
        raise ValueError("secret: must be a text or a list of texts, none of them empty")
    if not isinstance(body, (bytes, bytearray)):
        raise ValueError("body: must be the raw body, as bytes")
    body = bytes(body)
    given: dict[str, str] = {}
    for name, value in headers.items():
        if isinstance(name, str) and isinstance(value, str):
            # Of several of one name none counts.
            given[name.lower()] = "" if name.lower() in given else value
    if not any(_is_signed(dialect, one, given, body) for one in secrets):
        raise VerificationError("the signature does not match")
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise VerificationError("the body is no JSON") from None


def _is_signed(dialect: Dialect, secret: str, headers: Mapping[str, str], body: bytes) -> bool:
    if dialect in ("standard", "reward"):
        return _is_standard(secret, headers, body)
    if dialect == "odin":
        return _is_timed(secret, headers.get("x-odin-signature", ""), body, 1)
    if dialect == "stripe":
        return _is_timed(secret, headers.get("stripe-signature", ""), body, _SIGNATURES)
    if dialect == "slack":
        return _is_slack(secret, headers, body)
    if dialect == "shopify":
        signature = base64.b64encode(_mac(secret, body).digest()).decode()
        return _equal(headers.get("x-shopify-hmac-sha256", ""), signature)
    if dialect not in _PLAIN:
        raise ValueError(
            f"dialect: this client does not verify {dialect}; `rung dialects show {dialect} --snippet python` "
            "prints code that does"
        )
    header, prefix = _PLAIN[dialect]
    return _equal(headers.get(header, ""), prefix + _hmac(secret, body))


def _is_timed(secret: str, given: str, body: bytes, most: int) -> bool:
    """`t=UNIX,v1=HEX` of `UNIX.BODY`; during a rotation some dialects have several `v1`."""
    match = re.fullmatch(r"t=([0-9]{1,15})((?:,v1=[0-9a-f]{64})+)", given)
    if match is None or not _is_now(match[1]):
        return False
    signatures = match[2].split(",v1=")[1:]
    expected = _hmac(secret, match[1].encode() + b"." + body)
    return len(signatures) <= most and any(_equal(signature, expected) for signature in signatures)


def _is_slack(secret: str, headers: Mapping[str, str], body: bytes) -> bool:
    """`v0=HEX` of `v0:UNIX:BODY`."""
    timestamp = headers.get("x-slack-request-timestamp", "")
    if re.fullmatch(r"[0-9]{1,15}", timestamp) is None or not _is_now(timestamp):
        return False
    signature = _hmac(secret, b"v0:" + timestamp.encode() + b":" + body)
    return _equal(headers.get("x-slack-signature", ""), f"v0={signature}")


def _is_now(timestamp: str) -> bool:
    return abs(time.time() - int(timestamp)) <= _TOLERANCE_S


def _is_standard(secret: str, headers: Mapping[str, str], body: bytes) -> bool:
    webhook = standardwebhooks.Webhook(_standard_key(secret))
    try:
        webhook.verify(body, dict(headers), json_parse=False)
    except (standardwebhooks.WebhookVerificationError, ValueError):
        # A header that is no signature at all is a ValueError.
        return False
    return True


def _standard_key(secret: str) -> bytes:
    """Rung takes base64 in the URL's alphabet too, and without padding."""
    text = secret.removeprefix("whsec_").replace("-", "+").replace("_", "/")
    try:
        key = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except ValueError:
        key = b""
    if not key:
        raise ValueError("secret: must be base64, with or without `whsec_` in front")
    return key


def _mac(secret: str, signed: bytes) -> hmac.HMAC:
    """The text of the secret is the key, `whsec_` included."""
    return hmac.new(secret.encode(), signed, hashlib.sha256)


def _hmac(secret: str, signed: bytes) -> str:
    return _mac(secret, signed).hexdigest()


def _equal(given: str, expected: str) -> bool:
    # Servers hand over bytes beyond ASCII as lone surrogates.
    return hmac.compare_digest(given.encode(errors="surrogatepass"), expected.encode())
