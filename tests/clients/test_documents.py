"""The commands of the README and of docs/ run as they stand, and their examples of JSON are what the API answers.

The commands of a document run one after the other in one shell, for a fresh tenant `acme` of one `rung dev`. A block that cannot run
here is listed with the reason, so that a new one is either run or listed."""

import contextlib
import http.server
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import tarfile
import threading
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from jsonschema import Draft202012Validator

from rung import Rung

ROOT = pathlib.Path(__file__).parents[2]
WORK = pathlib.Path(__file__).parent / ".work"
DOCUMENTS = ["README.md", *sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs").glob("*.md"))]

AWS = "needs an account of AWS"
BUILDS = "builds Rung"
RUNS_ON = "runs until it is stopped"
PREPARED = "test_from_nothing_to_a_verified_webhook runs it"
# By the document and the beginning of the block.
NOT_RUN = {
    "README.md": {"tar xzf": PREPARED, "npm install": PREPARED, "node first.mjs": PREPARED, "sam deploy": AWS},
    "docs/aws-access.md": {"api_id=": AWS},
    "docs/benchmarks.md": {"cargo build": BUILDS, "cargo run --release -p rung-tests": BUILDS, "cargo run --release -p rung-json": BUILDS},
    "docs/by-hand.md": {"python3 -c": RUNS_ON},
    "docs/cli.md": {"RUNG_SECRET=whsec_… rung listen": RUNS_ON, "RUNG_SECRET=whsec_… rung prove": "needs a receiver", "rung export --profile old": "needs two deployments"},
    "docs/dialects.md": {"rung dialects check acme.toml": RUNS_ON},
    "docs/moving.md": {"rung listen --headers": RUNS_ON, "for side in": "compares what the block before it has recorded"},
    "docs/operate.md": {
        "sam build": AWS,
        "output()": AWS,
        "aws secretsmanager": AWS,
        "aws events": AWS,
        "aws lambda": AWS,
        "aws sqs": AWS,
        "aws sns": AWS,
        "aws dynamodb": AWS,
        "cargo lambda": AWS,
        "git pull": AWS,
        "stack=": AWS,
        "keys=": AWS,
        "docs/restore": AWS,
        "cargo run --release -- dialects": BUILDS,
        "sam deploy": AWS,
    },
    "docs/operator-events.md": {"sam deploy": AWS},
    "docs/promises.md": {"cargo test": BUILDS, "cargo build": BUILDS},
    "docs/secrets.md": {"rung webhooks update $WEBHOOK --tenant acme --client-certificate": "needs a certificate; tests/tests/end_to_end/cli/manage.rs has one"},
    "docs/upgrade.md": {
        "sha256sum": "tests/aws/test_release.py runs it",
        "aws cloudformation package": "tests/aws/test_release.py runs it",
        "cargo build": BUILDS,
    },
}
# Where readers get `$RUNG`, `$KEY` and `$WEBHOOK` from.
BY_HAND = "docs/by-hand.md"
# What a document supposes to be there.
BEFORE = {
    "docs/cli.md": 'echo \'{"type": "user.lesson.completed", "data": {}}\' >event.json; echo "{}" >lesson.json',
    "docs/export.md": "NEW=$RUNG NEW_ADMIN_KEY=$ADMIN_KEY",
    "docs/moving.md": "echo '{}' >body.json; rung dialects show odin --source | sed 's/^name = \"odin\"$/name = \"ours\"/' >ours.toml",
    "docs/operate.md": "api=$RUNG key=$ADMIN_KEY",
}
# By the document and the beginning of the block, the schemas of openapi.json that examples meet; the others are only read.
SCHEMAS = {
    "docs/audit.md": {'{"id": "aud_': "AuditEntry"},
    "docs/choosing.md": {"{\n": "CreateWebhookRequest", '{"success"': "FilterPreviewResponse"},
    "docs/errors.md": {'{"success"': "Error"},
    "docs/event-types.md": {'{"success"': "Error"},
    "docs/jobs.md": {"{": "Job"},
    "docs/portal.md": {'{"success"': "PortalLinkResponse"},
    "docs/seeing.md": {'{"stats"': "StatsData"},
}
# The languages of blocks that are no commands. Those in http are held by the tests of the API.
OTHER = {"", "http", "html", "python", "sql", "toml", "js", "mermaid"}


class Block(NamedTuple):
    language: str
    text: str


def blocks(document: str) -> list[Block]:
    text = (ROOT / document).read_text()
    return [Block(*found) for found in re.findall(r"^```(\w*)\n(.*?)^```", text, re.M | re.S)]


def reason_not_to_run(document: str, block: Block) -> str | None:
    listed = NOT_RUN.get(document, {})
    return next((reason for start, reason in listed.items() if block.text.startswith(start)), None)


def commands(document: str) -> list[str]:
    return [it.text for it in blocks(document) if it.language == "sh" and reason_not_to_run(document, it) is None]


def way_to(document: str) -> list[str]:
    """The commands of a reader who comes to a document: what uses the key goes on where docs/by-hand.md has ended."""
    own = commands(document)
    goes_on = document != BY_HAND and any("$KEY" in it for it in own)
    return [*commands(BY_HAND), *own] if goes_on else own


def test_what_is_listed_is_there() -> None:
    for document, listed in NOT_RUN.items():
        for start in listed:
            assert any(it.text.startswith(start) for it in blocks(document) if it.language == "sh"), (document, start)
    for document in DOCUMENTS:
        assert {it.language for it in blocks(document)} <= OTHER | {"sh", "json"}, document


# An answer that is an error ends the shell. Who types the commands asks for the log when the delivery has been made.
PRELUDE = """set -euo pipefail
curl() {
  case "$*" in *" -sf "*|-sf*) ;; *) set -- --fail-with-body "$@";; esac
  command curl "$@"
  case "$*" in *v1/events*)
    for _ in {1..100}; do
      ! command curl -s "$RUNG/v1/logs" -H "Authorization: Bearer $KEY" | grep -q '"log_' || break
      sleep 0.1
    done
  esac
}
"""


def rung_url() -> str:
    return os.environ["RUNG_URL"]


@pytest.mark.parametrize("document", [it for it in DOCUMENTS if commands(it)])
def test_commands_run_as_they_stand(document: str, rung: Rung, tmp_path: pathlib.Path) -> None:
    if any(tenant["id"] == "acme" for tenant in rung.tenants.list()):
        rung.tenants.delete("acme")
    own = rung.keys.create(name="to be revoked", scopes=["read"])["id"]
    bin = tmp_path / "bin"
    bin.mkdir()
    (bin / "rung").symlink_to(os.environ["RUNG_BINARY"])
    pass_ = bin / "pass"
    pass_.write_text('#!/bin/sh\necho "$RUNG_ADMIN_KEY"\n')
    pass_.chmod(0o755)
    (tmp_path / ".rung").mkdir()
    (tmp_path / ".rung/admin-key").write_text(os.environ["RUNG_ADMIN_KEY"])
    with receiver() as url, own_catalogue(rung):
        env = {}
        webhook = "$WEBHOOK"
        if commands(BY_HAND)[0] not in way_to(document):
            rung.tenants.create(id="acme", name="Acme")
            webhook = rung.for_tenant("acme").webhooks.create(url=url, events=["*"])["id"]
            env = {"RUNG": rung_url(), "ADMIN_KEY": os.environ["RUNG_ADMIN_KEY"], "WEBHOOK": webhook}
        there = {
            "http://127.0.0.1:8080": rung_url(),
            "https://webhooks.example.com": rung_url(),
            "http://127.0.0.1:9000": url,
            "webhook_5kq2m8x1r7": webhook,
            "key_4f9d2c7b1a": own,
        }
        script = "\n".join(way_to(document))
        for written, here in there.items():
            script = script.replace(written, here)
        env |= {
            "PATH": f"{bin}:{os.environ['PATH']}",
            "HOME": str(tmp_path),
            "RUNG_ADMIN_KEY": os.environ["RUNG_ADMIN_KEY"],
        }
        done = subprocess.run(
            ["bash", "-c", PRELUDE + BEFORE.get(document, "") + "\n" + script],
            cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60,
        )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


@contextlib.contextmanager
def own_catalogue(rung: Rung) -> Iterator[None]:
    """Removes what is defined meanwhile for all tenants: others use the same names."""
    try:
        yield
    finally:
        for it in list(rung.event_types.list(dialect="standard")):
            if it["source"] == "deployment":
                rung.event_types.delete(it["type"], dialect="standard")


@contextlib.contextmanager
def receiver() -> Iterator[str]:
    """The URL of a receiver that agrees to every challenge."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            answer = self.headers.get("rung-challenge", "").encode()
            self.send_response(200)
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def example(text: str) -> list[Any]:
    """What a block of JSON has: one value, or one on each line, or members of an object."""
    for form in (f"[{text}]", "[" + ",".join(text.strip().splitlines()) + "]", f"[{{{text}}}]"):
        try:
            found: list[Any] = json.loads(form)
        except ValueError:
            continue
        return found
    raise AssertionError(f"no JSON: {text}")


@pytest.mark.parametrize("document", [it for it in DOCUMENTS if any(block.language == "json" for block in blocks(it))])
def test_examples_are_what_the_api_answers(document: str) -> None:
    description = json.loads((ROOT / "openapi.json").read_text())
    met = set()
    for block in blocks(document):
        if block.language != "json":
            continue
        found = example(block.text)
        for start, name in SCHEMAS.get(document, {}).items():
            if block.text.startswith(start):
                met.add(start)
                schema = {"$ref": f"#/components/schemas/{name}", "components": description["components"]}
                faults = [f"{fault.json_path}: {fault.message}" for fault in Draft202012Validator(schema).iter_errors(found[0])]
                assert faults == [], document
    assert met == SCHEMAS.get(document, {}).keys()


def test_from_nothing_to_a_verified_webhook(tmp_path: pathlib.Path) -> None:
    """README, followed to the letter on a machine with Node alone: the released command, the packed client, a verified webhook."""
    readme = blocks("README.md")
    (start, install, first, run) = (
        next(it.text for it in readme if it.text.startswith(beginning))
        for beginning in ("tar xzf", "npm install", "import { readFile }", "node first.mjs")
    )
    assert len([line for line in first.splitlines() if line and not line.startswith("import ")]) <= 10
    # What tools/release packs, with a link in place of the command's bytes.
    with tarfile.open(tmp_path / "rung-x86_64-unknown-linux-gnu.tar.gz", "w:gz") as archive:
        entry = tarfile.TarInfo("rung")
        entry.type, entry.linkname = tarfile.SYMTYPE, os.environ["RUNG_BINARY"]
        archive.addfile(entry)
    (package,) = WORK.glob("rung-client-*.tgz")
    shutil.copy(package, tmp_path)
    # Other ports, as others may use these; and the package that is not published.
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{listener.getsockname()[1]}"
    start = start.replace("./rung dev", f"exec ./rung dev --addr {address}")
    install = install.replace("rung-client", f"--prefer-offline --no-audit --no-fund ./{package.name}")
    (tmp_path / "first.mjs").write_text(first.replace("127.0.0.1:8080", address))
    env = {name: os.environ[name] for name in ("PATH", "HOME")}
    begun = time.monotonic()
    with subprocess.Popen(["sh", "-ec", start], cwd=tmp_path, env=env, stdout=subprocess.PIPE, text=True) as rung:
        try:
            assert rung.stdout is not None
            assert rung.stdout.readline() == f"rung: listening on http://{address}\n"
            done = subprocess.run(
                ["sh", "-ec", install + run], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=120
            )
            assert done.returncode == 0, done.stderr
            # README says so, and leaves four minutes to whoever types.
            assert time.monotonic() - begun < 60
            assert "type: 'order.paid'" in done.stdout and "data: { total: 42 }" in done.stdout
        finally:
            rung.terminate()
