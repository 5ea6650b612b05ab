"""The first lines of the packages' READMEs run as they stand."""

import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).parents[2]
WORK = pathlib.Path(__file__).parent / ".work"


def lines_of(package: str, language: str) -> str:
    """The first block of code in that language."""
    found = re.search(
        rf"^```{language}\n(.*?)^```", (ROOT / "clients" / package / "README.md").read_text(), re.M | re.S
    )
    assert found is not None
    code = found[1]
    written = [line for line in code.splitlines() if line and not re.match(r"import |from ", line)]
    assert len(written) <= 10
    return code


def output_of(command: list[str | pathlib.Path]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_typescript() -> None:
    script = WORK / "readme.mjs"
    script.write_text(lines_of("typescript", "js"))
    assert "type: 'order.paid'" in output_of(["node", script])


def test_python() -> None:
    script = WORK / "readme.py"
    script.write_text(lines_of("python", "python"))
    assert "'type': 'order.paid'" in output_of([sys.executable, script])
