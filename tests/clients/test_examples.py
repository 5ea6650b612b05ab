"""The examples do what they say: receivers that verify, and an outbox in Postgres."""

import contextlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import warnings
from collections.abc import Callable, Iterator

import psycopg
import pytest

from rung import Dialect, Rung
from rung.testing import Receiver
from rung.types import LogEntry

HERE = pathlib.Path(__file__).parent
EXAMPLES = HERE.parents[1] / "examples"
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLwSw"
OLD_SECRET = "whsec_QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQQ=="


@contextlib.contextmanager
def running(command: list[str | pathlib.Path], **env: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        command, env=os.environ | env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


def line_with(process: subprocess.Popen[str], text: str) -> str:
    """The next line of its output that has this text."""
    assert process.stdout is not None
    for line in process.stdout:
        if text in line:
            return line
    raise AssertionError(f"it has ended without {text}")


def express(env: dict[str, str]) -> contextlib.AbstractContextManager[subprocess.Popen[str]]:
    # Where its libraries are.
    script = HERE / ".work" / "server.mjs"
    shutil.copy(EXAMPLES / "receiver-express" / "server.mjs", script)
    return running(["node", script], PORT="0", **env)


def flask(env: dict[str, str]) -> contextlib.AbstractContextManager[subprocess.Popen[str]]:
    command: list[str | pathlib.Path] = [
        sys.executable,
        "-m",
        "flask",
        "--app",
        EXAMPLES / "receiver-flask" / "app.py",
        "run",
        "--port",
        "0",
    ]
    return running(command, PYTHONUNBUFFERED="1", **env)


Start = Callable[[dict[str, str]], contextlib.AbstractContextManager[subprocess.Popen[str]]]


@pytest.mark.parametrize("start", [express, flask])
@pytest.mark.parametrize(
    ("dialect", "kind"), [("standard", "order.paid"), ("bharatcart", "order.paid"), ("patra", "card.created")]
)
def test_a_receiver_takes_what_is_genuine_once(rung: Rung, start: Start, dialect: Dialect, kind: str) -> None:
    with start({"WEBHOOK_SECRET": f"{SECRET},{OLD_SECRET}", "DIALECT": dialect}) as receiver:
        url = (
            "http://127.0.0.1:"
            + line_with(receiver, "http://127.0.0.1:").rsplit(":", 1)[1].split("/")[0].strip()
            + "/hook"
        )
        acme = rung.for_tenant(rung.tenants.create(name="Acme", dialect=dialect)["id"])
        webhook = acme.webhooks.create(url=url, events=["*"], secret=OLD_SECRET)["id"]
        event = acme.events.publish(type=kind, data={"orderId": "1"})["event"]["id"]
        assert json.loads(line_with(receiver, '"orderId":"1"'))["data"] == {"orderId": "1"}
        log = attempts(acme, event, 1)[0]
        assert (log["status"], log["response_status"]) == ("succeeded", 200)
        acme.logs.retry(webhook, log["id"])
        assert [entry["response_status"] for entry in attempts(acme, event, 2)] == [200, 200]
        acme.events.publish(type=kind, data={"orderId": "2"})
        # The repeat was not handled: no line with the first order stands before the second's.
        assert '"orderId":"2"' in line_with(receiver, '"orderId"')
        for content_type, body in (("application/json", b"{}"), ("text/plain", b"{}"), ("text/plain", b""), ("", None)):
            headers = {"Content-Type": content_type} if content_type else {}
            forged = urllib.request.Request(url, body, headers, method="POST")
            with pytest.raises(urllib.error.HTTPError) as caught:
                urllib.request.urlopen(forged)
            assert caught.value.code == 401
            caught.value.close()


def attempts(acme: Rung, event: str, count: int) -> list[LogEntry]:
    """The log of an event, once it has so many entries."""
    for _ in range(100):
        entries = list(acme.logs.list(event_id=event))
        if len(entries) == count:
            return entries
        time.sleep(0.05)
    raise AssertionError(f"not {count} attempts")


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    """The URL of a database."""
    if shutil.which("initdb") is None:
        warnings.warn("SKIPPED, as there is no Postgres: the outbox has not been tested", stacklevel=1)
        pytest.skip("there is no Postgres")
    with tempfile.TemporaryDirectory() as folder:
        # Postgres refuses to be run by root.
        user = "nobody" if os.geteuid() == 0 else None
        if user is not None:
            shutil.chown(folder, user)

        def run(*command: str) -> None:
            subprocess.run(command, check=True, user=user, cwd=folder, stdout=subprocess.DEVNULL)

        data = f"{folder}/data"
        run("initdb", "--pgdata", data, "--username", "postgres", "--auth", "trust", "--no-sync")
        # No port: only a socket in the folder.
        options = f"-c listen_addresses='' -c unix_socket_directories={folder} -c fsync=off"
        run("pg_ctl", "start", "--pgdata", data, "--wait", "--log", f"{folder}/log", "--options", options)
        try:
            yield f"postgresql://postgres@/postgres?host={folder}"
        finally:
            run("pg_ctl", "stop", "--pgdata", data, "--mode", "immediate")


def test_an_outbox_publishes_each_row_once(rung: Rung, postgres: str) -> None:
    tenants = [rung.tenants.create(name="Acme", dialect="bharatcart")["id"] for _ in range(2)]
    key = rung.keys.create(name="outbox", scopes=["publish"]).get("key")
    assert key is not None
    with Receiver() as receiver, psycopg.connect(postgres, autocommit=True) as database:
        for tenant in tenants:
            rung.for_tenant(tenant).webhooks.create(url=receiver.url, events=["*"])
        database.execute((EXAMPLES / "outbox-postgres" / "schema.sql").read_bytes())
        insert = "INSERT INTO outbox (tenant, type, data) VALUES (%s, %s, %s)"
        with database.transaction():
            for number in range(150):
                database.execute(
                    insert, [tenants[number % 2], "product.deleted", json.dumps({"productId": str(number)})]
                )
            database.execute(insert, [tenants[0], "no.such.type", "{}"])
        # As if a worker had published some of them and died before it could say so.
        rows = database.execute("SELECT * FROM outbox ORDER BY position LIMIT 30").fetchall()
        early = [
            {"id": str(id), "tenant": tenant, "type": kind, "data": data, "timestamp": at.isoformat()}
            for _, id, tenant, kind, data, at, _ in rows
        ]
        assert all(result["success"] for result in rung.events.publish_batch(early))  # type: ignore[arg-type]
        with running([sys.executable, EXAMPLES / "outbox-postgres" / "worker.py"], DATABASE_URL=postgres, RUNG_KEY=key):
            numbers = [receiver.next().json()["data"]["productId"] for _ in range(150)]
            assert sorted(map(int, numbers)) == list(range(150))
            for _ in range(100):
                left = database.execute("SELECT type, refused ->> 'code' FROM outbox").fetchall()
                if left == [("no.such.type", "unknown_event_type")]:
                    break
                time.sleep(0.05)
            assert left == [("no.such.type", "unknown_event_type")]
        published = [len(list(rung.for_tenant(tenant).events.list())) for tenant in tenants]
        assert published == [75, 75]
