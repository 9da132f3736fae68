"""Print text that others wrote: labels, file names, details of errors.

Nothing in it is markup, a link, an emoji code or a control sequence of the terminal.
"""

import unicodedata
from typing import IO, Any

from rich.console import Console
from rich.text import Text

# control characters, surrogates, line and paragraph separators
CONTROL_CATEGORIES = frozenset({"Cc", "Cs", "Zl", "Zp"})
# they change the order of the text around them (Unicode Standard Annex 9)
DIRECTION_CONTROLS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
LAYOUT = frozenset("\n\t")
# in a file or a pipe lines are not broken: the reader's width is not known
UNBOUNDED_WIDTH = 10_000


class PlainConsole(Console):
    """A console that prints strings as they are; styles come from `styled` alone."""

    def __init__(self, *, stderr: bool = False, file: IO[str] | None = None) -> None:
        super().__init__(stderr=stderr, file=file, markup=False, emoji=False, highlight=False)
        if not self.is_terminal and not self.is_jupyter:
            self.width = UNBOUNDED_WIDTH

    def render_str(self, text: str, **options: Any) -> Text:
        """Render a string, with its control characters made visible."""
        return super().render_str(escape_controls(text), **options)


def styled(text: object, style: str) -> Text:
    """Return text in a style such as `bold`."""
    return Text(escape_controls(str(text)), style)


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
