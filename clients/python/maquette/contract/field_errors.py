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

# what the patterns of the contract ask for
FORMS = {
    r"\S": "Input should not be blank",
    r"^job_[0-9a-f]{28}$": "Input should be the id of a job: job_ and 28 hexadecimal digits",
    r"^(job_[0-9a-f]{0,28})?$": "Input should be the first characters of the id of a job, from job_ on",
    r"^upl_[0-9a-f]{28}$": "Input should be the id of an upload: upl_ and 28 hexadecimal digits",
    r"^ses_[0-9a-f]{28}$": "Input should be the id of a session: ses_ and 28 hexadecimal digits",
    r"^[0-9a-f]{64}$": "Input should be a SHA-256: 64 hexadecimal digits in lower case",
    r"^[0-9a-f]{1,40}$": "Input should be the id of a key: at most 40 hexadecimal digits in lower case",
    r"^[0-9]{1,18}$": "Input should be the number of an event: at most 18 digits",
    r"^[a-z0-9_-]{1,40}$": "Input should be the name of an engine: at most 40 of a-z, 0-9, _ and -",
    r"^[a-z0-9_]{1,40}$": "Input should be the name of a key point: at most 40 of a-z, 0-9 and _",
    r"^[a-z0-9_]{1,60}$": "Input should be a problem code: at most 60 of a-z, 0-9 and _",
    r"^[0-9a-zA-Z_-]{4,64}$": "Input should be the id of a clip: 4 to 64 letters, digits, _ and -",
    r"^[a-z][a-z0-9]*://[^\s]+$": "Input should be an address such as s3://bucket/folder",
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
    if kind == "string_pattern_mismatch" and context["pattern"] in FORMS:
        return FORMS[context["pattern"]]
    message = str(item["msg"]).removeprefix("Value error, ").replace(" after validation", "")
    return PLAIN.get(kind, message)
