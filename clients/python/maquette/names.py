"""File names from text that others chose: safe on every system, and no two alike."""

import re
import unicodedata
from collections.abc import Iterable

# file systems allow 255 bytes; programs that add a suffix or a counter need the rest
LONGEST_BYTES = 200
NAMELESS = "unnamed"
# separators, wildcards and streams of any system (Microsoft, "Naming Files, Paths, and Namespaces")
FORBIDDEN = re.compile(r'[<>:"/\\|?*]')
# control, format and surrogate characters, line and paragraph separators
INVISIBLE_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
# devices of Windows, with or without a suffix
RESERVED = frozenset(
    {"CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"}
    | {f"{port}{digit}" for port in ("COM", "LPT") for digit in "0123456789¹²³"}
)


class UniqueNames:
    """Gives each text a safe file name that differs from all earlier ones, in capitals too."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._taken = {_fold(name) for name in taken}

    def add(self, text: str, suffix: str = "") -> str:
        """Return the name for a text; the second `img` with the suffix `.png` becomes `img-2.png`."""
        number = 1
        while True:
            ending = suffix if number == 1 else f"-{number}{suffix}"
            name = to_safe_name(text, ending)
            if _fold(name) not in self._taken:
                self._taken.add(_fold(name))
                return name
            number += 1


def to_safe_name(text: str, suffix: str = "") -> str:
    """Return a file name of at most 200 bytes of UTF-8: no path, device, control character or hidden file."""
    ending = _replace_unsafe(suffix)
    stem = _replace_unsafe(text).lstrip(" .")
    limit = LONGEST_BYTES - len(ending.encode())
    stem = stem.encode()[: max(1, limit)].decode(errors="ignore")
    name = ((stem if ending else stem.rstrip(" .")) or NAMELESS) + ending
    # Windows drops dots and spaces at the end
    name = name.rstrip(" .")
    return f"_{name}" if name.partition(".")[0].rstrip().upper() in RESERVED else name


def split_suffix(name: str) -> tuple[str, str]:
    """Split a name before its last dot; a name that only begins with one has no suffix."""
    stem, dot, suffix = name.rpartition(".")
    return (stem, dot + suffix) if stem.strip(".") else (name, "")


def _replace_unsafe(text: str) -> str:
    visible = (
        "_" if unicodedata.category(char) in INVISIBLE_CATEGORIES else char
        for char in unicodedata.normalize("NFC", text)
    )
    return FORBIDDEN.sub("_", "".join(visible))


def _fold(name: str) -> str:
    """Return what file systems compare that ignore capitals and normalisation."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())
