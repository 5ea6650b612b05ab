"""Whether a delivery that a key pair has signed (v1a of Standard Webhooks) is genuine. `headers` is a mapping whose names are in lower case,
or told apart without case, as in Flask's request.headers; `body` is the raw body, as in request.get_data(); `public_key` is the webhook's
`public_key`, whpk_….

Needs the package cryptography.
"""

import base64
import time

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

TOLERANCE_S = 300


def verify(headers, body: bytes, public_key: str) -> bool:
    id = headers.get("webhook-id") or ""
    timestamp = headers.get("webhook-timestamp") or ""
    if len(timestamp) > 15 or not timestamp.isdecimal() or abs(time.time() - int(timestamp)) > TOLERANCE_S:
        return False
    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public_key.removeprefix("whpk_")))
    signed = f"{id}.{timestamp}.".encode() + body
    for given in (headers.get("webhook-signature") or "").split(" "):
        version, _, signature = given.partition(",")
        if version != "v1a":
            continue
        try:
            key.verify(base64.b64decode(signature), signed)
            return True
        except (InvalidSignature, ValueError):
            pass
    return False
