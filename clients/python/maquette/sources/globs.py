"""Expand globs of files; addresses stay as they are."""

import glob
from collections.abc import Iterable
from pathlib import Path


def expand_globs(patterns: Iterable[str]) -> list[Path | str]:
    """Return http(s) addresses as strings and files as paths; raises FileNotFoundError for no match."""
    expanded: list[Path | str] = []
    for pattern in patterns:
        if pattern.startswith(("https://", "http://")):
            expanded.append(pattern)
            continue
        # Path.glob accepts no absolute patterns
        matches = sorted(glob.glob(pattern, recursive=True)) if glob.has_magic(pattern) else [pattern]  # noqa: PTH207
        if not matches:
            raise FileNotFoundError(f"no file matches {pattern}")
        expanded.extend(Path(match) for match in matches)
    return expanded
