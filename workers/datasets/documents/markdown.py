"""Text that others wrote, in Markdown."""

import re
from collections.abc import Sequence
from html import escape
from typing import Any

# what CommonMark and GitHub's tables read as anything but itself inside a line
MARKED = re.compile(r"[\\`*_\[\]|~]")
LICENCE_NAME = re.compile(r"[\w.+-]{1,100}")


def escape_markdown(text: str) -> str:
    """Return text that Markdown shows as it is, in one line: no HTML, links, images or table cells."""
    line = " ".join(text.split())
    return MARKED.sub(r"\\\g<0>", escape(line, quote=False))


def render_table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[str]:
    """Return the lines of a table; cells are Markdown, so text of others is escaped first."""
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    return lines + [f"| {' | '.join(map(str, row))} |" for row in rows]


def choose_licence(licences: set[str | None]) -> str:
    """Return the licence for the head of a card: `other` for several, and for what is not a short name."""
    if licences <= {None}:
        return "unknown"
    only = next(iter(licences)) if len(licences) == 1 else None
    # the head is YAML: free text of a submitter must not get into it
    return only.lower() if only and LICENCE_NAME.fullmatch(only) else "other"
