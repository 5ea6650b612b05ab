"""An Odin receiver on Flask: the header taken apart by place, not by name; nothing older than 5 minutes (document 004)."""

import hashlib
import hmac
import time

from cases import judge

MAX_AGE_S = 300


def accepts(headers, raw, secret):
    first, second = headers["x-odin-signature"].split(",")[:2]
    t = first.split("=")[1]
    v1 = second.split("=")[1]
    if int(time.time()) - int(t) > MAX_AGE_S:
        return False
    signed = f"{t}.{raw.decode()}"
    digest = hmac.new(secret.encode(), signed.encode(), hashlib.sha256).hexdigest()
    return hmac.compare_digest(digest, v1)


judge(accepts)
