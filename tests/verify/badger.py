"""A Badger receiver on Flask: the raw body, the hex digest bare in the header (document 000)."""

import hashlib
import hmac

from cases import judge


def accepts(headers, raw, secret):
    digest = hmac.new(secret.encode("utf-8"), raw, hashlib.sha256).hexdigest()
    return hmac.compare_digest(headers.get("x-badger-signature"), digest)


judge(accepts)
