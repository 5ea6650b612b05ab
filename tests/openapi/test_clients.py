"""Clients that others' tools generate from openapi.json do what they should: each makes a tenant, a key and a webhook, publishes, reads
the log, pages through a list, and is told what is wrong."""

import json
import os
import pathlib
import shutil
import subprocess
import sys

import pytest
from conftest import ADMIN_KEY, ROOT

HERE = pathlib.Path(__file__).parent
DOCUMENT = ROOT / "openapi.json"
# Beside the tools themselves. What a package there has installed is found from here.
CLIENTS = HERE / "clients"
# One for the call itself, and for each kind of object.
FILES_PER_CALL = 4
GENERATED = CLIENTS / "generated"
BIN = pathlib.Path(sys.executable).parent


@pytest.fixture(scope="module", autouse=True)
def folder():
    shutil.rmtree(GENERATED, ignore_errors=True)
    GENERATED.mkdir()


def run(*command, **environment):
    done = subprocess.run(
        command, cwd=CLIENTS, env={**os.environ, **environment}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_openapi_python_client(url):
    client = GENERATED / "python" / "generated_client"
    client.parent.mkdir()
    told = run(BIN / "openapi-python-client", "generate", "--path", DOCUMENT, "--meta", "none", "--output-path", client)
    # What it cannot make sense of it leaves out.
    assert "WARNING" not in told and "Unable" not in told, told
    calls = sum(len(methods) for methods in json.loads(DOCUMENT.read_text())["paths"].values())
    files = len(list(client.rglob("*.py")))
    assert files < FILES_PER_CALL * calls, f"{files} files"
    run(sys.executable, "use_python_client.py", url, ADMIN_KEY, PYTHONPATH=str(client.parent))


def test_openapi_typescript(url):
    tools = HERE / "node_modules/.bin"
    run(tools / "openapi-typescript", DOCUMENT, "--output", GENERATED / "api.d.ts")
    run(tools / "tsc", "--project", CLIENTS, "--outDir", GENERATED)
    run("node", GENERATED / "use.js", url, ADMIN_KEY)


@pytest.mark.skipif(shutil.which("java") is None, reason="openapi-generator needs Java")
def test_openapi_generator(url):
    client = GENERATED / "generator"
    run(BIN / "openapi-generator-cli", "generate", "-g", "python", "-i", DOCUMENT, "-o", client)
    run(sys.executable, "use_generator.py", url, ADMIN_KEY, PYTHONPATH=str(client))
