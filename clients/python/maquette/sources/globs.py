"""Expand what users name: files, globs, lists of them; addresses stay as they are."""

import glob
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

from maquette.sources.text_files import read_lines

WEB_SCHEMES = ("https://", "http://")


def expand_globs(patterns: Iterable[str]) -> list[Path | str]:
    """Return http(s) addresses as strings and files as paths; raises FileNotFoundError for no match.

    A file of that very name comes before a pattern: brackets are common in names.
    """
    expanded: list[Path | str] = []
    for pattern in expand_lists(patterns):
        if is_web_address(pattern):
            expanded.append(pattern)
            continue
        if _exists(pattern) or not glob.has_magic(pattern):
            expanded.append(Path(pattern))
            continue
        # Path.glob accepts no absolute patterns
        matches = sorted(glob.glob(pattern, recursive=True))  # noqa: PTH207
        if not matches:
            raise FileNotFoundError(f"no file matches {pattern}")
        expanded.extend(Path(match) for match in matches)
    return expanded


def expand_lists(addresses: Iterable[str]) -> Iterator[str]:
    """Yield addresses, with the lines of FILE in place of `@FILE`, unless a file is called `@FILE`."""
    for address in addresses:
        if address.startswith("@") and not _exists(address):
            yield from read_lines(Path(address[1:]))
        else:
            yield address


def choose_name(medium: Path | str) -> str:
    """Return the name of a file, or of what an address points to, without its suffix."""
    name = get_file_name(medium)
    return name if is_web_address(medium) and not urlsplit(str(medium)).path else Path(name).stem


def get_file_name(medium: Path | str) -> str:
    """Return the name of a file, or of what an address points to; its query may hold secrets."""
    if is_web_address(medium):
        parts = urlsplit(str(medium))
        return Path(unquote(parts.path)).name or parts.netloc
    return Path(medium).name


def is_web_address(medium: Path | str) -> bool:
    """Whether the service fetches it."""
    return isinstance(medium, str) and medium.startswith(WEB_SCHEMES)


def _exists(path: str) -> bool:
    try:
        return Path(path).exists()
    except (OSError, ValueError):
        # too long for the file system, or with a zero byte
        return False
