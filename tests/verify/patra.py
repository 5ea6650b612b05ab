"""A Patra receiver on Flask: the body as text, encoded again, with the prefix `sha256=` (document 001)."""

import hashlib
import hmac

from cases import judge


def accepts(headers, raw, secret):
    text = raw.decode("utf-8")
    digest = hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()
    return hmac.compare_digest(headers["x-patra-signature"], "sha256=" + digest)


judge(accepts)
