"""For tests: a server on 127.0.0.1 that receives deliveries."""

import json
import queue
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BufferedIOBase
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


class _Cut(Exception):
    """The sender has gone in the middle of a request, or it is none."""


class Receiver:
    """Keeps what it gets. Answers 200, another status, or what a function of the delivery says."""

    def __init__(self, respond: int | Callable[[Delivery], int] = 200) -> None:
        self._unread: queue.Queue[Delivery | Exception] = queue.Queue()
        unread = self._unread

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                try:
                    body = _body(self.rfile, self.headers)
                except (_Cut, OSError):
                    # Nobody waits for an answer, and nothing has arrived.
                    self.close_connection = True
                    return
                delivery = Delivery({name.lower(): value for name, value in self.headers.items()}, body)
                arrived: Delivery | Exception = delivery
                status = 500
                try:
                    status = _status(respond if isinstance(respond, int) else respond(delivery))
                except Exception as error:
                    arrived = error
                try:
                    self.send_response(status)
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                except OSError:
                    self.close_connection = True
                unread.put(arrived)

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
        """The next delivery, in the order of arrival.

        Raises TimeoutError after so many seconds, and what the function raised that was to answer the delivery.
        """
        try:
            arrived = self._unread.get(timeout=timeout)
        except queue.Empty:
            raise TimeoutError(f"no delivery within {timeout} s") from None
        if isinstance(arrived, Exception):
            raise arrived
        return arrived

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


def _status(given: object) -> int:
    if not isinstance(given, int) or not 200 <= given < 600:
        raise ValueError(f"a receiver answers a status from 200 to 599, not {given!r}")
    return given


def _body(source: BufferedIOBase, headers: Message) -> bytes:
    """The body of a request, whole; _Cut if it is not."""
    try:
        if headers.get("transfer-encoding", "").lower() != "chunked":
            return _read(source, int(headers.get("content-length", "0")))
        body = b""
        while size := int(source.readline().split(b";")[0], 16):
            body += _read(source, size)
            _line(source)
        # Trailers, and the line that ends them.
        while _line(source):
            pass
        return body
    except ValueError:
        raise _Cut from None


def _read(source: BufferedIOBase, size: int) -> bytes:
    if size < 0 or len(body := source.read(size)) < size:
        raise _Cut
    return body


def _line(source: BufferedIOBase) -> bytes:
    line = source.readline()
    if not line.endswith(b"\n"):
        raise _Cut
    return line.strip()
