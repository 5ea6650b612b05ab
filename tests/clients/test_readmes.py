"""The first lines of the packages' READMEs run as they stand."""

import json
import os
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


def output_of(command: list[str | pathlib.Path], **env: str) -> str:
    done = subprocess.run(command, env=os.environ | env, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout


def test_typescript() -> None:
    script = WORK / "readme.mjs"
    script.write_text(lines_of("typescript", "js"))
    assert "type: 'order.paid'" in output_of(["node", script])


def test_python() -> None:
    script = WORK / "readme.py"
    script.write_text(lines_of("python", "python"))
    assert "'type': 'order.paid'" in output_of([sys.executable, script])


def test_cdk() -> None:
    script, out = WORK / "app.mjs", WORK / "cdk.out"
    script.write_text(lines_of("cdk", "js"))
    # As `cdk synth` runs it. A warning would be on standard error.
    assert output_of(["node", script], CDK_OUTDIR=str(out)) == ""
    template = json.loads((out / "rung.template.json").read_text())
    assert template["Globals"]["Function"]["Environment"]["Variables"]["RUNG_RETENTION_DAYS"] == "60"
    assert template["Outputs"]["AdminKeyArn"] == {"Value": {"Ref": "AdminKey"}}
