"""Receivers of odin's webhooks in Python: with Flask, and a server that handles one connection at a time and keeps it open."""

import hashlib
import hmac
import http.server
import os
import time

import flask

app = flask.Flask(__name__)


def is_genuine(header: str | None, body: bytes) -> bool:
    if header is None:
        return False
    parts = dict(part.split("=", 1) for part in header.split(","))
    if abs(time.time() - int(parts["t"])) > 300:
        return False
    signed = parts["t"].encode() + b"." + body
    expected = hmac.new(os.environ["WEBHOOK_SECRET"].encode(), signed, hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected, parts["v1"])


@app.post("/hook")
def hook() -> tuple[str, int]:
    accepted = is_genuine(flask.request.headers.get("X-Odin-Signature"), flask.request.get_data())
    return "", 200 if accepted else 401


class OneAtATime(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        # Names are told apart by case.
        header = dict(self.headers.items()).get("X-Odin-Signature")
        self.send_response(200 if is_genuine(header, body) else 401)
        self.send_header("Content-Length", "0")
        self.end_headers()


if __name__ == "__main__":
    with http.server.HTTPServer(("127.0.0.1", 0), OneAtATime) as server:
        print(f"http://127.0.0.1:{server.server_port}", flush=True)
        server.serve_forever()
