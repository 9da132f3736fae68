"""Text that others wrote, as terminals can show it; `console` prints tables and styles as well."""

import sys
import unicodedata

# control characters, surrogates, line and paragraph separators
CONTROL_CATEGORIES = frozenset({"Cc", "Cs", "Zl", "Zp"})
# they change the order of the text around them (Unicode Standard Annex 9)
DIRECTION_CONTROLS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
LAYOUT = frozenset("\n\t")


def print_line(text: str, *, stderr: bool = False) -> None:
    """Print a line, with its control characters made visible."""
    print(escape_controls(text), file=sys.stderr if stderr else sys.stdout)


def escape_controls(text: str) -> str:
    r"""Return text in which control characters are written out, as `\x1b`; line breaks and tabs stay."""
    return "".join(_escape(char) if _is_control(char) else char for char in text)


def _is_control(char: str) -> bool:
    if char in LAYOUT:
        return False
    return char in DIRECTION_CONTROLS or unicodedata.category(char) in CONTROL_CATEGORIES


def _escape(char: str) -> str:
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
