"""Figures that a bench has measured so far, one JSON line each: a run that was stopped goes on."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any


class Records:
    """Figures by key in a file; what was measured by another version of the engine has another key."""

    def __init__(self, path: Path, version: str) -> None:
        self._path, self._version = path, version
        self._figures: dict[str, dict[str, Any]] = {}
        if path.exists():
            for line in path.read_text(encoding="utf-8").splitlines():
                record = json.loads(line)
                self._figures[record["key"]] = record["figures"]

    def get(self, key: str, measure: Callable[[], Mapping[str, Any]]) -> dict[str, Any]:
        """The figures of a key, measured and written where they are not known yet."""
        key = f"{self._version}/{key}"
        if key not in self._figures:
            self._figures[key] = dict(measure())
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"key": key, "figures": self._figures[key]}) + "\n")
        return self._figures[key]
