"""Both clients have every call of openapi.json, and no other."""

import json
import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).parents[2]
# The description itself, and what an operator does once by hand.
NOT_FOR_PROGRAMS = {
    ("GET", "/openapi.json"),
    ("POST", "/v1/reencrypt"),
}
CALL = re.compile(r'"(GET|POST|PUT|PATCH|DELETE)",\s*(?:path\(\s*)?(?:path)?["`](/v1[^"`]*)["`]')
PAGES = re.compile(r'Pages\(\s*(?:this\.http|self\._http),\s*(?:path\(\s*)?(?:path)?["`](/v1[^"`]*)["`]')


def described() -> set[tuple[str, str]]:
    paths = json.loads((ROOT / "openapi.json").read_text())["paths"]
    calls = ((method, path) for path, methods in paths.items() for method in methods)
    return {(method.upper(), re.sub(r"\{\w+\}", "{}", path)) for method, path in calls} - NOT_FOR_PROGRAMS


def called(folder: str, suffix: str) -> set[tuple[str, str]]:
    sources = "".join(path.read_text() for path in sorted((ROOT / "clients" / folder).glob(f"*.{suffix}")))
    calls = CALL.findall(sources) + [("GET", path) for path in PAGES.findall(sources)]
    return {(method, re.sub(r"\$\{[^}]*\}", "{}", path)) for method, path in calls}


@pytest.mark.parametrize(("folder", "suffix"), [("typescript/src", "ts"), ("python/src/rung", "py")])
def test_a_client_has_every_call(folder: str, suffix: str) -> None:
    assert called(folder, suffix) == described()
