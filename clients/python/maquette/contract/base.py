"""The base classes of every model of the contract. Attribute docstrings become OpenAPI descriptions."""

import re
from typing import Any, Self, cast

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler
from pydantic_core import CoreSchema, PydanticKnownError, core_schema

# what is no part of how a value is validated
_NOT_SCHEMAS = frozenset({"default", "metadata", "serialization"})


def _check_integer(value: Any) -> Any:
    if isinstance(value, bool):
        raise PydanticKnownError("int_type")
    return value


def _check_number(value: Any) -> Any:
    if isinstance(value, bool):
        raise PydanticKnownError("float_type")
    return value


_CHECKS = (
    {"type": "no-info", "function": _check_integer},
    {"type": "no-info", "function": _check_number},
)


def _refuse_booleans(schema: Any) -> Any:
    """Return a schema whose numbers are not taken from booleans, which pydantic reads as 0 and 1."""
    if isinstance(schema, list | tuple):
        return type(schema)(map(_refuse_booleans, schema))
    if not isinstance(schema, dict):
        return schema
    if schema.get("function") in _CHECKS:
        # of a model whose schema stands in this one
        return schema
    if schema.get("type") == "int":
        return core_schema.no_info_before_validator_function(_check_integer, cast(CoreSchema, schema))
    if schema.get("type") == "float":
        return core_schema.no_info_before_validator_function(_check_number, cast(CoreSchema, schema))
    return {name: part if name in _NOT_SCHEMAS else _refuse_booleans(part) for name, part in schema.items()}


class RequestModel(BaseModel):
    """A model that clients send: unknown fields are errors, and numbers are finite and no booleans."""

    model_config = ConfigDict(
        extra="forbid", allow_inf_nan=False, ser_json_inf_nan="null", use_attribute_docstrings=True
    )

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return cast(CoreSchema, _refuse_booleans(handler(source)))

    @classmethod
    def defaults(cls) -> Self:
        """Return an instance with every default and without required fields; it is not validated.

        Signatures elsewhere read their defaults from it, so that each is written once, in the contract.
        """
        return cast(Self, cls.model_construct())


def describe_field(model: type[BaseModel], name: str) -> str:
    """Return a field's description on one line, for readers who write no JSON."""
    description = " ".join((model.model_fields[name].description or "").split())
    return re.sub(r"\bnull\b", "unset", description)


class ResponseModel(BaseModel):
    """A model that the service sends: clients ignore fields that a newer service adds."""

    model_config = ConfigDict(extra="ignore", allow_inf_nan=False, use_attribute_docstrings=True)
