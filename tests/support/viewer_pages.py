"""Reads HTML viewers back with the parser of the standard library."""

import base64
import json
from html.parser import HTMLParser
from typing import Any


class PageReader(HTMLParser):
    """Collects the text and the attributes of every element that a test looks at."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, str] = {}
        self._open = ""
        self.feed(page.decode("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.tags.append((tag, values))
        self._open = values.get("id") or tag

    def handle_data(self, data: str) -> None:
        self.texts[self._open] = self.texts.get(self._open, "") + data

    def handle_endtag(self, tag: str) -> None:
        self._open = ""

    @property
    def policy(self) -> dict[str, list[str]]:
        """The Content-Security-Policy: its directives with their sources."""
        (text,) = [
            str(values["content"])
            for _, values in self.tags
            if values.get("http-equiv") == "Content-Security-Policy"
        ]
        return {words[0]: words[1:] for words in (part.split() for part in text.split(";"))}

    @property
    def fields(self) -> dict[str, Any]:
        """The numbers that the script reads."""
        return dict(json.loads(self.texts["fields"]))

    @property
    def payload(self) -> bytes:
        """The asset's data."""
        return base64.b64decode(self.texts["payload"], validate=True)
