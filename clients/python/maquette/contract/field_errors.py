"""What pydantic says of a wrong field, in the words of JSON: of objects and lists, not of Python's types."""

from collections.abc import Mapping
from typing import Any

from maquette.contract.problems import FieldError

OBJECT = "Input should be an object with named fields"
LIST = "Input should be a valid list"
# by pydantic's type of an error; the others name the field's values or bounds already
PLAIN = {
    "model_type": OBJECT,
    "model_attributes_type": OBJECT,
    "dataclass_type": OBJECT,
    "dict_type": OBJECT,
    "mapping_type": OBJECT,
    "tuple_type": LIST,
    "list_type": LIST,
    "set_type": LIST,
    "frozen_set_type": LIST,
    "missing": "This field is required",
    "extra_forbidden": "There is no field of this name",
}


def explain_field(item: Mapping[str, Any]) -> FieldError:
    """Return one item of `ValidationError.errors()` as an invalid field of a request."""
    loc = [part for part in item["loc"] if part != "body"]
    return FieldError(loc=loc, message=_explain(item))


def _explain(item: Mapping[str, Any]) -> str:
    kind, context = item["type"], item.get("ctx", {})
    if kind == "json_invalid":
        return f"the body is not valid JSON: {context['error']}"
    if kind == "union_tag_not_found":
        return f"the field {context['discriminator']} is required"
    if kind == "union_tag_invalid":
        return (
            f"{context['tag']!r} is not a known {str(context['discriminator']).strip(chr(39))}: "
            f"give one of {context['expected_tags']}"
        )
    message = str(item["msg"]).removeprefix("Value error, ").replace(" after validation", "")
    return PLAIN.get(kind, message)
