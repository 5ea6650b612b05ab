"""The receiver for tests, against senders that are not kind."""

import socket

import httpx
import pytest

from rung.testing import Delivery, Receiver

HEAD = b"POST / HTTP/1.1\r\nHost: x\r\n"


def sent(receiver: Receiver, *parts: bytes) -> bytes:
    """What comes back until the connection ends."""
    with socket.create_connection(("127.0.0.1", int(receiver.url.rsplit(":", 1)[1].strip("/")))) as connection:
        connection.sendall(HEAD + b"Connection: close\r\n" + b"".join(parts))
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(4096), b""))


@pytest.mark.parametrize(
    "cut",
    [
        b"Content-Length: 10\r\n\r\n{",
        b"Content-Length: ten\r\n\r\n{}",
        b"Content-Length: -1\r\n\r\n{}",
        b"Transfer-Encoding: chunked\r\n\r\n5\r\n{",
        b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n",
        b"Transfer-Encoding: chunked\r\n\r\nx\r\n",
    ],
)
def test_what_is_cut_is_no_delivery(cut: bytes) -> None:
    with Receiver() as receiver:
        assert sent(receiver, cut) == b""
        httpx.post(receiver.url, content=b"whole")
        assert receiver.next().body == b"whole"
        with pytest.raises(TimeoutError):
            receiver.next(timeout=0)


def test_a_body_in_chunks_is_read_to_its_end() -> None:
    with Receiver() as receiver:
        assert httpx.post(receiver.url, content=iter([b"{}", b" ", b"\n"])).status_code == 200
        assert receiver.next().body == b"{} \n"
        sent(receiver, b"Transfer-Encoding: chunked\r\n\r\n2;a=b\r\n{}\r\n0\r\nTrailer: x\r\n\r\n")
        assert receiver.next().body == b"{}"


def test_a_receiver_whose_function_raises_answers_500_and_tells_the_test() -> None:
    def respond(delivery: Delivery) -> int:
        if delivery.body == b"wrong status":
            return 99
        if delivery.body == b"broken":
            raise KeyError("broken")
        return 204

    with Receiver(respond) as receiver:
        for body, status in ((b"broken", 500), (b"wrong status", 500), (b"fine", 204)):
            assert httpx.post(receiver.url, content=body).status_code == status
        with pytest.raises(KeyError, match="broken"):
            receiver.next()
        with pytest.raises(ValueError, match="not 99"):
            receiver.next()
        assert receiver.next().body == b"fine"
