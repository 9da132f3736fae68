"""Pickles of nested dictionaries that are larger than memory."""

import pickle
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any


class _StreamedDict:
    """Is read back as a dict; its items are made while they are written."""

    def __init__(self, items: Iterator[tuple[str, Any]]) -> None:
        self._items = items

    def __reduce__(self) -> tuple[Any, ...]:
        return dict, (), None, None, self._items


def write_pickle(path: Path, groups: Mapping[str, Iterable[tuple[str, Any]]]) -> None:
    """Write `{group: {key: value}}`; one value is in memory at a time."""
    with path.open("wb") as file:
        pickler = pickle.Pickler(file, protocol=4)
        # without a memo, which would keep every value
        pickler.fast = True
        pickler.dump({name: _StreamedDict(iter(items)) for name, items in groups.items()})
