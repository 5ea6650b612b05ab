"""Receivers as they are in the world take what Rung sends, at the first attempt: header names as the document spells them, several
deliveries at once, on servers that handle one connection at a time.
"""

import contextlib
import pathlib
import shutil
import subprocess
import sys
from collections.abc import Callable

import pytest
from test_examples import attempts, line_with, running

from rung import Rung

HERE = pathlib.Path(__file__).parent
RECEIVERS = HERE / "receivers"
SECRET = "your_webhook_secret_key"

Running = contextlib.AbstractContextManager[subprocess.Popen[str]]


def php() -> Running:
    if shutil.which("php") is None:
        pytest.skip("php is not here: tests/clients/php brings it")
    return running(["php", "-S", "127.0.0.1:0", RECEIVERS / "getallheaders.php"], WEBHOOK_SECRET=SECRET)


def flask() -> Running:
    return python("-m", "flask", "--app", RECEIVERS / "odin.py", "run", "--port", "0")


def gunicorn() -> Running:
    return python("-m", "gunicorn", "--chdir", RECEIVERS, "--bind", "127.0.0.1:0", "odin:app")


def one_at_a_time() -> Running:
    return python(RECEIVERS / "odin.py")


def python(*arguments: str | pathlib.Path) -> Running:
    return running([sys.executable, *arguments], PYTHONUNBUFFERED="1", WEBHOOK_SECRET=SECRET)


def express() -> Running:
    # Where its libraries are.
    script = HERE / ".work" / "odin.mjs"
    shutil.copy(RECEIVERS / "express.mjs", script)
    return running(["node", script], WEBHOOK_SECRET=SECRET)


@pytest.mark.parametrize("start", [php, flask, gunicorn, express, one_at_a_time])
def test_a_receiver_in_the_world_takes_each_delivery_at_once(rung: Rung, start: Callable[[], Running]) -> None:
    with start() as receiver:
        line = line_with(receiver, "http://127.0.0.1:")
        port = line.split("http://127.0.0.1:")[1].split(")")[0].split("/")[0].split()[0]
        acme = rung.for_tenant(rung.tenants.create(name="Acme", dialect="odin", plan="pro")["id"])
        url = f"http://127.0.0.1:{port}/hook"
        webhook = acme.webhooks.create(url=url, events=["*"], secret=SECRET)["id"]
        if start is one_at_a_time:
            # What docs/receivers.md says of servers that handle one connection at a time.
            acme.webhooks.update(webhook, keep_alive=False, max_in_flight=1)
        for n in range(5):
            acme.events.publish(id=f"evt_{n}", type="user.lesson.completed", data={"n": n, "text": "ünï 🦀"})
        for n in range(5):
            entry = attempts(acme, f"evt_{n}", 1)[0]
            assert (entry["response_status"], entry["error"]) == (200, None)
