"""For tests: a server on 127.0.0.1 that receives deliveries."""

import json
import queue
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self


@dataclass(frozen=True)
class Delivery:
    """A request that a receiver got."""

    headers: Mapping[str, str]
    """With names in lower case."""
    body: bytes
    """As it came, not verified."""

    def json(self) -> Any:
        """The body, parsed and not verified."""
        return json.loads(self.body)


class Receiver:
    """Keeps what it gets. Answers 200, another status, or what a function of the delivery says."""

    def __init__(self, respond: int | Callable[[Delivery], int] = 200) -> None:
        self._unread: queue.Queue[Delivery] = queue.Queue()
        unread = self._unread

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                headers = {name.lower(): value for name, value in self.headers.items()}
                delivery = Delivery(headers, self.rfile.read(int(headers.get("content-length", "0"))))
                self.send_response(respond if isinstance(respond, int) else respond(delivery))
                self.send_header("Content-Length", "0")
                self.end_headers()
                unread.put(delivery)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """What to make a webhook with."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/"

    def next(self, timeout: float = 10.0) -> Delivery:
        """The next delivery, in the order of arrival; TimeoutError after so many seconds."""
        try:
            return self._unread.get(timeout=timeout)
        except queue.Empty:
            raise TimeoutError(f"no delivery within {timeout} s") from None

    def close(self) -> None:
        """Stops the server."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
