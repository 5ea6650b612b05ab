"""Writes src/rung/types.py: the schemas of openapi.json, and the body and the query of each call as CreateWebhookRequest, ListLogsQuery."""

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class GenerateTypes(BuildHookInterface):
    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        description = Path(self.root, "../../openapi.json")
        # An unpacked source distribution has the types already.
        if description.exists():
            generate(json.loads(description.read_text()), Path(self.root, "src/rung/types.py"))


def generate(description: dict[str, Any], output: Path) -> None:
    schemas = {name: extensible(schema) for name, schema in description["components"]["schemas"].items()}
    for operation in (operation for methods in description["paths"].values() for operation in methods.values()):
        name = operation["operationId"][0].upper() + operation["operationId"][1:]
        if body := (operation.get("requestBody") or {}).get("content", {}).get("application/json"):
            schemas.setdefault(f"{name}Request", body["schema"])
        query = [parameter for parameter in operation.get("parameters") or () if parameter["in"] == "query"]
        if query:
            # `metadata.NAME` is a mapping of all names.
            properties = {parameter["name"].removesuffix(".NAME"): parameter["schema"] for parameter in query}
            schemas[f"{name}Query"] = {"type": "object", "properties": properties}
    # Objects of any content are mappings, wherever they are named.
    mappings = {name: schema for name, schema in schemas.items() if is_mapping(schema)}
    types = {name: schema for name, schema in schemas.items() if name not in mappings}
    reduced = {**description, "paths": {}, "components": {"schemas": types}}
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(opened(reduced, mappings), file)
        file.flush()
        flags = ["--input-file-type=openapi", "--output-model-type=typing.TypedDict", "--target-python-version=3.11"]
        flags += ["--disable-timestamp", "--use-schema-description", "--formatters=black"]
        flags += ["--custom-file-header=# Generated from openapi.json."]
        command = [sys.executable, "-W", "ignore", "-m", "datamodel_code_generator", *flags]
        subprocess.run([*command, "--input", file.name, "--output", output], check=True)
    output.write_text(inviting(output.read_text()))


def inviting(code: str) -> str:
    """Bodies of requests take any mapping in place of a dict: a TypedDict of the caller's own is one."""
    classes = re.split(r"(?m)^(?=class )", code.replace("from typing import", "from collections.abc import Mapping\nfrom typing import", 1))
    return "".join(
        one.replace("dict[str, Any]", "Mapping[str, Any]") if re.match(r"class \w+Request\(", one) else one for one in classes
    )


def extensible(schema: dict[str, Any]) -> dict[str, Any]:
    """An enumeration of old as one that may grow."""
    values = schema.get("enum") or [one.get("const") for one in schema.get("oneOf", [])]
    if not values or not all(isinstance(value, str) for value in values):
        return schema
    return {"description": schema.get("description", ""), "type": "string", "x-extensible-enum": values}


def is_mapping(schema: dict[str, Any]) -> bool:
    return schema.get("type") == "object" and "properties" not in schema


def opened(value: Any, mappings: dict[str, Any]) -> Any:
    """Leaves out whether objects take in other members, which type checkers do not know yet, and of which more general kind they are.

    Later servers know more values than this description: an enumeration takes in every other string.
    """
    if isinstance(value, list):
        return [opened(one, mappings) for one in value]
    if not isinstance(value, dict):
        return value
    if mapping := mappings.get(str(value.get("$ref")).rpartition("/")[2]):
        return mapping
    if values := value.get("x-extensible-enum"):
        described = {"description": value["description"]} if "description" in value else {}
        none = [{"type": "null"}] if "null" in value["type"] else []
        return described | {"anyOf": [{"enum": values}, {"type": "string"}, *none]}
    left_out = {"additionalProperties", "allOf"} if "properties" in value else set()
    return {name: opened(one, mappings) for name, one in value.items() if name not in left_out}
