"""The base classes of every model of the contract. Attribute docstrings become OpenAPI descriptions."""

import re
from typing import Self, cast

from pydantic import BaseModel, ConfigDict


class RequestModel(BaseModel):
    """A model that clients send: unknown fields are errors, and numbers are finite."""

    model_config = ConfigDict(
        extra="forbid", allow_inf_nan=False, ser_json_inf_nan="null", use_attribute_docstrings=True
    )

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
