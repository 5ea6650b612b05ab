"""Reads template.yaml, as written and as the SAM transform turns it into CloudFormation."""

import copy
import functools
import os
import pathlib
import types

from samcli.yamlhelper import yaml_parse

ROOT = pathlib.Path(__file__).resolve().parents[2]
PATH = ROOT / "template.yaml"


@functools.cache
def written():
    """The template as it is written; functions such as !Ref in their long form."""
    return yaml_parse(PATH.read_text())


@functools.cache
def transformed():
    """The template after the SAM transform; intrinsic functions are still in it."""
    os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")
    from samtranslator.translator.transform import transform

    template = copy.deepcopy(written())
    # Where the code lies does not matter here, but the transform takes no local path.
    for resource in template["Resources"].values():
        for name in ("CodeUri", "ContentUri"):
            if name in resource.get("Properties", {}):
                resource["Properties"][name] = "s3://bucket/key"
    return transform(template, {}, types.SimpleNamespace(load=dict))


def resources(kind, template=None):
    """The resources of a type by their logical ids."""
    template = template or transformed()
    return {name: it for name, it in template["Resources"].items() if it["Type"] == kind}


def default(value):
    """A value, or the default of the parameter that it refers to."""
    if isinstance(value, dict) and value.keys() == {"Ref"} and value["Ref"] in written()["Parameters"]:
        return written()["Parameters"][value["Ref"]]["Default"]
    return value


def target(value):
    """The logical id that a !Ref or !GetAtt names."""
    if "Ref" in value:
        return value["Ref"]
    attribute = value["Fn::GetAtt"]
    return attribute[0] if isinstance(attribute, list) else attribute.split(".")[0]


def statements(role):
    """The statements of a role's own policies, those included that only some parameters bring."""
    for policy in role["Properties"].get("Policies", []):
        for statement in policy["PolicyDocument"]["Statement"]:
            yield statement["Fn::If"][1] if "Fn::If" in statement else statement
