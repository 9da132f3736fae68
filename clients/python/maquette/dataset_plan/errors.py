"""Errors of plans, with the dotted name of each key and the nearest known name."""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from maquette.dataset_plan.writing import format_key


class PlanError(ValueError):
    """A plan cannot be read; the message names every wrong key."""

    code = "plan_invalid"


def explain(error: ValidationError, model: type[BaseModel]) -> str:
    """Return a line per wrong key of a model's input."""
    schema = model.model_json_schema()
    return "\n".join(_explain_one(detail, schema) for detail in error.errors())


def _explain_one(detail: ErrorDetails, schema: Mapping[str, Any]) -> str:
    location = [part for part in detail["loc"] if part != "[key]"]
    name = ".".join(format_key(str(part)) for part in location)
    is_unknown_name = detail["type"] == "extra_forbidden" or "[key]" in detail["loc"]
    if not is_unknown_name:
        if detail["type"] == "missing":
            return f"{name} is missing"
        return f"{name}: {detail['msg'].removeprefix('Value error, ')}"
    known = _known_names(schema, location[:-1])
    nearest = get_close_matches(str(location[-1]), known, n=1)
    hint = f"did you mean {nearest[0]}?" if nearest else f"known are {', '.join(known)}"
    return f"unknown key {name}: {hint}"


def _known_names(schema: Mapping[str, Any], location: Sequence[int | str]) -> list[str]:
    """Return the keys that a table of the plan may have."""
    table = _resolve(schema, schema)
    for part in location:
        inner = table.get("properties", {}).get(part) or table.get("additionalProperties")
        if not isinstance(inner, Mapping):
            # a branch of a union: pydantic names it after the field
            continue
        table = _resolve(inner, schema)
    names = table.get("properties") or _resolve(table.get("propertyNames", {}), schema).get("enum", ())
    return list(names)


def _resolve(node: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Follow references, and of a union take the table."""
    while "$ref" in node:
        node = schema["$defs"][node["$ref"].rsplit("/", 1)[-1]]
    for option in node.get("anyOf", ()):
        resolved = _resolve(option, schema)
        if "properties" in resolved:
            return resolved
    return node
