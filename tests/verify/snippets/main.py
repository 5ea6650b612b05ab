"""Runs a snippet over deliveries, one a line: secret, body, then names and values of headers, each in base64; true or false for each."""

import sys
from base64 import b64decode

from webhooks import verify

for line in sys.stdin:
    secret, body, *fields = map(b64decode, line.split())
    texts = [field.decode() for field in fields]
    headers = dict(zip(texts[::2], texts[1::2]))
    print(str(verify(headers, body, secret.decode())).lower())
