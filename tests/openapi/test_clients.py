"""Clients that others' tools generate from openapi.json do what they should: each makes a tenant, a key and a webhook, publishes, reads
the log, pages through a list, and is told what is wrong."""

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
# Of a client with a file for each call and each class.
PYTHON_FILES = 200
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
    files = len(list(client.rglob("*.py")))
    assert files < PYTHON_FILES, f"{files} files: see FREQUENT in shared/api/src/openapi/clients.rs"
    run(sys.executable, "use_python_client.py", url, ADMIN_KEY, PYTHONPATH=str(client.parent))


def compile_typescript(project):
    run(HERE / "node_modules/.bin/tsc", "--project", CLIENTS / project, "--outDir", GENERATED)


def test_openapi_typescript(url):
    run(HERE / "node_modules/.bin/openapi-typescript", DOCUMENT, "--output", GENERATED / "api.d.ts")
    compile_typescript("tsconfig.json")
    run("node", GENERATED / "use.js", url, ADMIN_KEY)


def generate(generator, folder, **properties):
    """The client that openapi-generator makes, without its pages and tests."""
    if shutil.which("java") is None:
        pytest.skip("openapi-generator needs Java")
    client = GENERATED / folder
    left_out = "apiDocs=false,modelDocs=false,apiTests=false,modelTests=false"
    flags = [f"--additional-properties={name}={value}" for name, value in properties.items()]
    run(BIN / "openapi-generator-cli", "generate", "-g", generator, "-i", DOCUMENT, "-o", client, "--global-property", left_out, *flags)
    return client


def test_openapi_generator_for_python(url):
    client = generate("python", "generator")
    run(sys.executable, "use_generator.py", url, ADMIN_KEY, PYTHONPATH=str(client))


def test_openapi_generator_for_fetch(url):
    generate("typescript-fetch", "fetch", importFileExtension=".js")
    compile_typescript("tsconfig.fetch.json")
    run("node", GENERATED / "use_fetch.js", url, ADMIN_KEY)


@pytest.mark.skipif(shutil.which("javac") is None, reason="needs a JDK")
def test_openapi_generator_for_java(url):
    client = generate("java", "java", library="native", openApiNullable="false")
    # What the client is built on is a part of the generator, but for an annotation of Java 8.
    (jar,) = BIN.parent.rglob("openapi-generator.jar")
    classes = GENERATED / "classes"
    sources = [*client.rglob("src/main/**/*.java"), *(CLIENTS / "java").rglob("*.java")]
    run("javac", "-nowarn", "-d", classes, "-cp", jar, *sources)
    run("java", "-cp", f"{classes}{os.pathsep}{jar}", "Use", url, ADMIN_KEY)


def has_guzzle():
    has = 'exit(extension_loaded("mbstring") && (@include "GuzzleHttp/autoload.php") !== false ? 0 : 1);'
    return shutil.which("php") is not None and subprocess.run(["php", "-r", has]).returncode == 0


@pytest.mark.skipif(not has_guzzle(), reason="needs PHP with mbstring and Guzzle, which tests/openapi/php brings")
def test_openapi_generator_for_php(url):
    client = generate("php", "php")
    run("php", "use.php", client, url, ADMIN_KEY)
