"""Runs a snippet over deliveries, one a line: secret, body, what the receiver knows of the URL, then names and values of headers, each in
base64; true or false for each."""

import sys
from base64 import b64decode

from webhooks import verify

for line in sys.stdin:
    secret, body, given, *fields = map(b64decode, line.split())
    texts = [field.decode() for field in fields]
    headers = dict(zip(texts[::2], texts[1::2]))
    known = [secret.decode(), given.decode()][: verify.__code__.co_argcount - 2]
    print(str(verify(headers, body, *known)).lower())
