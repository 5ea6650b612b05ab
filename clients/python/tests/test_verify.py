"""Receivers' verification, against what `rung sign` signs."""

import contextlib
import hashlib
import hmac
import json
import os
import random
import subprocess
import time
import typing

import pytest

from rung import Dialect, VerificationError, verify

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLwSw"
OLD_SECRET = "whsec_QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQQ=="
BODY = '{"id":"evt_1","type":"user.lesson.completed","event":"order.paid","data":{"name":"Müller"}}'.encode()
DIALECTS: tuple[Dialect, ...] = typing.get_args(Dialect)
TIMED: list[Dialect] = ["standard", "reward", "odin", "slack", "stripe"]


def signed(dialect: Dialect, secret: str = SECRET, age_s: int = 0) -> dict[str, str]:
    """The headers of a delivery."""
    flags = ["--dialect", dialect, "--json", "--timestamp", str(int(time.time()) - age_s), "--type", "order.paid"]
    command = [os.environ["RUNG_BINARY"], "sign", *flags]
    output = subprocess.run(command, input=BODY, env={"RUNG_SECRET": secret}, capture_output=True, check=True).stdout
    headers: dict[str, str] = json.loads(output)["headers"]
    return headers


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_genuine_delivery_is_parsed(dialect: Dialect) -> None:
    headers = signed(dialect)
    assert verify(dialect=dialect, secret=SECRET, headers=headers, body=BODY) == json.loads(BODY)
    upper = {name.upper(): value for name, value in headers.items()}
    assert verify(dialect=dialect, secret=SECRET, headers=upper, body=BODY) == json.loads(BODY)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_during_a_rotation_either_secret_will_do(dialect: Dialect) -> None:
    for secret in (SECRET, OLD_SECRET):
        assert verify(dialect=dialect, secret=[SECRET, OLD_SECRET], headers=signed(dialect, secret), body=BODY)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_what_is_not_genuine_is_refused(dialect: Dialect) -> None:
    headers = signed(dialect)
    forgeries = [
        (signed(dialect, OLD_SECRET), BODY),
        (headers, BODY + b" "),
        ({}, BODY),
        ({name: "v1,x,y" for name in headers}, BODY),
        ({name: "é" for name in headers}, BODY),
        ({name: value[:-1] for name, value in headers.items()}, BODY),
        (headers, b"\xff"),
    ]
    for forged, body in forgeries:
        with pytest.raises(VerificationError) as caught:
            verify(dialect=dialect, secret=SECRET, headers=forged, body=body)
        assert SECRET not in str(caught.value)


@pytest.mark.parametrize("dialect", TIMED)
@pytest.mark.parametrize("age_s", [310, -310])
def test_a_signed_time_is_not_far_from_now(dialect: Dialect, age_s: int) -> None:
    with pytest.raises(VerificationError):
        verify(dialect=dialect, secret=SECRET, headers=signed(dialect, age_s=age_s), body=BODY)
    assert verify(dialect=dialect, secret=SECRET, headers=signed(dialect, age_s=age_s // 2), body=BODY)


@pytest.mark.parametrize("secret", ["-_8" + "A" * 40 + "=", "whsec_-_8" + "A" * 40, "+/8" + "A" * 40])
def test_every_spelling_of_a_standard_secret_is_taken(secret: str) -> None:
    assert verify(dialect="standard", secret=secret, headers=signed("standard", secret), body=BODY)


def test_every_signature_of_a_rotation_is_looked_at() -> None:
    header = signed("stripe")["Stripe-Signature"]
    both = {"Stripe-Signature": header.replace(",v1=", f",v1={'0' * 64},v1=")}
    assert verify(dialect="stripe", secret=SECRET, headers=both, body=BODY)
    # As many as nobody sends are no signature.
    many = {"Stripe-Signature": header + f",v1={'0' * 64}" * 10}
    with pytest.raises(VerificationError):
        verify(dialect="stripe", secret=SECRET, headers=many, body=BODY)


def test_a_dialect_that_is_not_built_in_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="^dialect: this client does not verify ours; .*--snippet"):
        verify(dialect="ours", secret=SECRET, headers={}, body=BODY)  # type: ignore[arg-type]


@pytest.mark.parametrize("secret", ["not base64!", "whsec_!!!!", "whsec_", "whsec_A", "whsec_ä", "\udcff"])
def test_a_secret_that_is_no_key_is_a_mistake(secret: str) -> None:
    with pytest.raises(ValueError, match="^secret: "):
        verify(dialect="standard", secret=secret, headers={}, body=BODY)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("secret", ["", ["a", ""], [], None])
def test_a_missing_secret_is_a_mistake(dialect: Dialect, secret: str | list[str] | None) -> None:
    with pytest.raises(ValueError, match="^secret: "):
        verify(dialect=dialect, secret=secret, headers={}, body=BODY)


PIECES = ["\xff", "\udcff", "\ud800", "\0", "\r\n", "é", "v1,", "v1", ",", " ", "=", "t=", "sha256=", "v0=", "0", "9" * 400]
PIECES += ["-1", "nan", "inf", "1e400", "٣", str(int(time.time())), "AAAA", "a" * 64, "whsec_"]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_whatever_a_header_has_is_not_genuine_and_nothing_worse(dialect: Dialect) -> None:
    chance = random.Random(7)
    genuine = signed(dialect)
    hostile: list[typing.Any] = [None, 7, b"x", ["a"]]
    for _ in range(2000):
        headers: dict[typing.Any, typing.Any] = dict(genuine)
        name = chance.choice(list(genuine))
        headers[name] = "".join(chance.choices([*PIECES, genuine[name]], k=chance.randint(0, 4)))
        if chance.random() < 0.1:
            headers[name] = chance.choice(hostile)
        # A piece may leave the signature as it is: what must not happen is another error.
        with contextlib.suppress(VerificationError):
            verify(dialect=dialect, secret=SECRET, headers=headers, body=BODY)


@pytest.mark.parametrize("body", [b"no JSON", b"\xff", b"[" * 100_000, b""])
def test_what_is_signed_and_no_json_is_no_delivery(body: bytes) -> None:
    mac = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    with pytest.raises(VerificationError):
        verify(dialect="badger", secret=SECRET, headers={"x-badger-signature": mac}, body=body)


@pytest.mark.parametrize("body", ["{}", None, {}])
def test_a_body_that_is_not_raw_is_a_mistake(body: typing.Any) -> None:
    with pytest.raises(ValueError, match="^body: must be the raw body"):
        verify(dialect="badger", secret=SECRET, headers={}, body=body)
