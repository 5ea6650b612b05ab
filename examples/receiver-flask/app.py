"""Receives webhooks: verifies each, and handles it once per event.

pip install -r requirements.txt
WEBHOOK_SECRET=whsec_… DIALECT=standard flask run --port 9000
"""

import json
import os
from typing import Any, cast

from flask import Flask, request

from rung import Dialect, VerificationError, verify

app = Flask(__name__)
# During a rotation: the new secret and the old one, separated by a comma.
SECRETS = os.environ["WEBHOOK_SECRET"].split(",")
DIALECT = cast(Dialect, os.environ.get("DIALECT", "standard"))
# In production this is a table: the same delivery may come twice.
seen: set[str] = set()


@app.post("/hook")
def hook() -> tuple[str, int]:
    try:
        # The signature is of the raw body.
        event = verify(dialect=DIALECT, secret=SECRETS, headers=request.headers, body=request.get_data())
    except VerificationError:
        return "", 401
    event_id = request.headers["webhook-id"]
    if event_id not in seen:
        seen.add(event_id)
        handle(event)
    # Every dialect counts 200 as a success, not every one another 2xx.
    return "", 200


def handle(event: dict[str, Any]) -> None:
    """Keep this short, or put the event into a queue: the sender waits for the answer."""
    print(json.dumps(event, ensure_ascii=False, separators=(",", ":")), flush=True)
