"""Print text that others wrote: labels, file names, details of errors.

Nothing in it is markup, a link, an emoji code or a control sequence of the terminal.
"""

from typing import IO, Any

from rich.console import Console
from rich.text import Text

from maquette.plain_text import escape_controls

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
