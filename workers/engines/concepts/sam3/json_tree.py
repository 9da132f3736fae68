"""Nested Python values as JSON, with markers for what JSON cannot hold."""

from collections.abc import Callable, Mapping
from typing import Any

_TENSOR, _DICT, _SET, _TUPLE = "$tensor", "$dict", "$set", "$tuple"


def pack(value: Any, leaf: type, keep: Callable[[Any], str]) -> Any:
    """JSON for a nested value; `keep` stores a leaf of that type and returns its name.

    Raises TypeError for a value of another type.
    """
    if isinstance(value, leaf):
        return {_TENSOR: keep(value)}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list):
        return [pack(item, leaf, keep) for item in value]
    if isinstance(value, tuple):
        return {_TUPLE: [pack(item, leaf, keep) for item in value]}
    if isinstance(value, set):
        return {_SET: sorted(value)}
    if isinstance(value, dict):
        return {_DICT: [[pack(key, leaf, keep), pack(item, leaf, keep)] for key, item in value.items()]}
    raise TypeError(f"a {type(value).__name__} cannot be stored in a snapshot")


def unpack(tree: Any, leaves: Mapping[str, Any]) -> Any:
    """The value of `pack`, its leaves looked up by name."""
    if isinstance(tree, list):
        return [unpack(item, leaves) for item in tree]
    if not isinstance(tree, dict):
        return tree
    ((mark, inner),) = tree.items()
    if mark == _TENSOR:
        return leaves[inner]
    if mark == _SET:
        return set(inner)
    if mark == _TUPLE:
        return tuple(unpack(item, leaves) for item in inner)
    return {unpack(key, leaves): unpack(item, leaves) for key, item in inner}
