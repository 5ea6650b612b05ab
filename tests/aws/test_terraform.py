"""The Terraform module has the parameters of template.yaml, and makes of a release's template what `aws cloudformation package` makes
of it. Its provider is not to be had here, so that no plan is made."""

import base64
import importlib.machinery
import importlib.util
import json
import os
import re
import shutil
import subprocess

import hcl2
import pytest
from samcli.yamlhelper import yaml_parse

from template import PATH, ROOT, written

MODULE = ROOT / "clients/terraform"
OWN = {"name", "release", "bucket", "dialects", "tags"}
TYPES = {"String": "string", "Number": "number", "CommaDelimitedList": "list(string)"}
ZIPS = {"deliver.zip", "dialects.zip", "enqueue.zip", "subscriptions.zip", "sweep.zip"}
needs_terraform = pytest.mark.skipif(shutil.which("terraform") is None, reason="there is no terraform here")


def parsed(name):
    return hcl2.loads((MODULE / name).read_text())


def variables():
    """The variables by their names. The parser leaves the quotes of strings."""
    return {name.strip('"'): it for block in parsed("variables.tf")["variable"] for name, it in block.items()}


def terraform(folder, *arguments, expression=None):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TF_")}
    return subprocess.run(["terraform", *arguments], cwd=folder, env=environment, input=expression, capture_output=True, text=True, check=True).stdout


def snake(name):
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def test_every_parameter_is_a_variable():
    found, parameters = variables(), written()["Parameters"]
    assert found.keys() == OWN | {snake(name) for name in parameters}
    for name, parameter in parameters.items():
        variable = found[snake(name)]
        kind = "bool" if parameter.get("AllowedValues") == ["true", "false"] else TYPES[parameter["Type"]]
        assert variable["type"].strip("${}") == kind, name
        assert json.loads(variable["description"]) == parameter["Description"], name
        assert variable["default"] in (None, "null"), name
    assert parsed("parameters.tf")["locals"][0]["parameters"].keys() == parameters.keys()


def test_every_file_can_be_read():
    files = {path.name for path in MODULE.glob("*.tf")}
    assert files == {"main.tf", "outputs.tf", "parameters.tf", "template.tf", "variables.tf", "versions.tf"}
    assert [parsed(name) for name in files]
    block = re.search(r"^```hcl\n(.*?)^```", (MODULE / "README.md").read_text(), re.M | re.S)
    (module,) = hcl2.loads(block[1])["module"]
    (used,) = module.values()
    assert {name for name in used if not name.startswith("__")} - {"source"} <= variables().keys()
    for output in re.findall(r'outputs\["(\w+)"\]', (MODULE / "outputs.tf").read_text()):
        assert output in written()["Outputs"]


@needs_terraform
def test_it_is_formatted():
    terraform(MODULE, "fmt", "-check", "-diff")


@needs_terraform
def test_terraform_makes_the_template_and_its_parameters(tmp_path):
    # What needs no provider.
    for name in ("variables.tf", "parameters.tf", "template.tf"):
        shutil.copy(MODULE / name, tmp_path)
    release = tmp_path / "release"
    release.mkdir()
    loader = importlib.machinery.SourceFileLoader("release", str(ROOT / "tools/release"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("release", loader))
    loader.exec_module(module)
    (release / "rung.yaml").write_text(module.template(PATH.read_text(), "arm64"))
    for name in ZIPS:
        (release / name).write_text(name)
    given = {"bucket": "code", "release": "release", "subnet_ids": '["subnet-a","subnet-b"]', "strict_urls": "false", "retention_days": "60"}
    flags = [f"-var={name}={value}" for name, value in given.items()]

    def evaluate(expression, *more):
        said = terraform(tmp_path, "console", *flags, *more, expression=f"base64encode(jsonencode({expression}))")
        return json.loads(base64.b64decode(said.strip().strip('"')))

    made, prefix, parameters = evaluate("[local.template, local.prefix, { for name, value in local.parameters : name => value if value != null }]")
    assert parameters == {"SubnetIds": "subnet-a,subnet-b", "StrictUrls": False, "RetentionDays": 60}
    assert set(re.findall(r"(?:Code|Content)Uri: (\S+)", made)) == {f"s3://code/{prefix}{name}" for name in ZIPS}
    assert yaml_parse(made.replace(f"s3://code/{prefix}", "")) == yaml_parse((release / "rung.yaml").read_text())

    # Own dialect files are of it, and lie elsewhere.
    (tmp_path / "own.zip").write_text("own")
    own, elsewhere = evaluate("[local.release, local.prefix]", "-var=dialects=own.zip")
    assert own["dialects.zip"] == "own.zip" and own["sweep.zip"] == "release/sweep.zip"
    assert elsewhere != prefix
