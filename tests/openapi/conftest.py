"""A running `rung dev` for all tests."""

import pathlib
import subprocess
import tempfile

import pytest

ROOT = pathlib.Path(__file__).parents[2]
ADMIN_KEY = "the-operators-own-key-0123456789"


@pytest.fixture(scope="session")
def url():
    with tempfile.TemporaryDirectory() as data:
        flags = ["--addr", "127.0.0.1:0", "--data", data, "--admin-key", ADMIN_KEY]
        process = subprocess.Popen(
            [ROOT / "target/debug/rung-under-test", "dev", *flags], stdout=subprocess.PIPE, text=True
        )
        try:
            yield process.stdout.readline().removeprefix("rung: listening on ").strip()
        finally:
            process.terminate()
            process.wait()
