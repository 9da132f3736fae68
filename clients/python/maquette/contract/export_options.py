"""Options of exports as text or numbers, checked against the models of requests."""

from typing import Any, get_args

from pydantic import TypeAdapter, ValidationError

from maquette.contract.exports import Export

_EXPORT: TypeAdapter[Export] = TypeAdapter(Export)
NAMES = frozenset(
    get_args(kind.model_fields["format"].annotation)[0] for kind in get_args(get_args(Export)[0])
)


def parse_export(name: str, options: dict[str, Any]) -> Export:
    """Return a format with its options; raises ValueError for unknown ones and values that do not fit.

    Text, as of a command line, becomes the type of the option.
    """
    try:
        return _EXPORT.validate_python({**options, "format": name})
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(map(str, item['loc']))}: {item['msg'].lower()}" for item in error.errors()
        )
        raise ValueError(wrong or str(error)) from error
