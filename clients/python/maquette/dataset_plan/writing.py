"""Write plans as TOML; Python's standard library only reads it."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from maquette.dataset_plan.schema import DatasetPlan

BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


def format_plan(plan: DatasetPlan) -> str:
    """Return the plan as TOML, with the defaults that it takes."""
    table = plan.model_dump(mode="json", exclude_none=True)
    # a fact with its default value differs from one that is left out: those are not written
    facts = plan.input.model_dump(mode="json", include={"source", "sources"}, exclude_unset=True)
    table["input"] |= {"source": {}, "sources": {}} | facts
    if not plan.regates:
        # the plans of most versions have none
        del table["regates"]
    return "\n".join(_format_table(table, ())).strip() + "\n"


def format_value(value: Any) -> str:
    """Return a value as TOML; raises TypeError for None and other types that TOML does not have."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str):
        # JSON's escapes are TOML's; DEL alone is legal only in JSON
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(format_value, value))}]"
    if isinstance(value, Mapping):
        items = (f"{format_key(key)} = {format_value(item)}" for key, item in value.items())
        return f"{{{', '.join(items)}}}"
    raise TypeError(f"TOML has no {type(value).__name__}")


def format_key(key: str) -> str:
    """Return one part of a key, in quotes where TOML needs them."""
    return key if BARE_KEY.fullmatch(key) else format_value(key)


def _format_table(table: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[str]:
    """Yield the lines of a table with its heading."""
    values = [value for value in table.values() if not isinstance(value, Mapping) and not _is_tables(value)]
    # a gate without bounds is another than one that keeps those of the policy
    is_unbounded_gate = not table and path[-2:-1] == ("gates",)
    if path and (values or is_unbounded_gate):
        yield f"\n[{_format_path(path)}]"
    yield from _format_content(table, path)


def _format_content(table: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[str]:
    """Yield the lines of a table without its heading: its values first, then its tables."""
    for key, value in table.items():
        if not isinstance(value, Mapping) and not _is_tables(value):
            yield f"{format_key(key)} = {format_value(value)}"
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from _format_table(value, (*path, key))
        elif _is_tables(value):
            for item in value:
                yield f"\n[[{_format_path((*path, key))}]]"
                yield from _format_content(item, (*path, key))


def _is_tables(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, Mapping) for item in value)


def _format_path(path: tuple[str, ...]) -> str:
    return ".".join(map(format_key, path))
