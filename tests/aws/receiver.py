"""A receiver of webhooks on this machine: keeps what arrives, and answers by script."""

import base64
import collections
import hashlib
import hmac
import http.server
import threading
import time

from bed import eventually


class Receiver:
    def __init__(self):
        self.arrived = collections.defaultdict(list)
        self.scripts = {}
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                arrival = Arrival(time.time(), headers, body)
                receiver.arrived[self.path].append(arrival)
                self.send_response(receiver.scripts[self.path](arrival))
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def url(self, path, *statuses):
        """The URL of a path that answers with these statuses, one after the other, and with 200 from then on."""
        left = list(statuses)
        return self.scripted(path, lambda _: left.pop(0) if left else 200)

    def scripted(self, path, script):
        """The URL of a path that answers with the status that the script returns for an arrival."""
        self.scripts[path] = script
        return f"http://127.0.0.1:{self.server.server_port}{path}"

    def wait_for(self, path, count, seconds=60):
        """The first arrivals at a path, once there are so many."""
        eventually(lambda: len(self.arrived[path]) >= count, lambda: f"{len(self.arrived[path])} of {count} arrived at {path}", seconds)
        return self.arrived[path]

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


Arrival = collections.namedtuple("Arrival", "at headers body")


def odin_signature(arrival, secret):
    """What a receiver computes by the Odin document."""
    stamp = arrival.headers["x-odin-signature"].split(",")[0].removeprefix("t=")
    mac = hmac.new(secret.encode(), f"{stamp}.".encode() + arrival.body, hashlib.sha256)
    return f"t={stamp},v1={mac.hexdigest()}"


def standard_signature(arrival, secret):
    """What a receiver computes by Standard Webhooks 1.0."""
    content = f"{arrival.headers['webhook-id']}.{arrival.headers['webhook-timestamp']}.".encode() + arrival.body
    key = base64.b64decode(secret.removeprefix("whsec_"))
    return "v1," + base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()
