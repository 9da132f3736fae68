"""The pages of the documentation, and what they show in code."""

import re
from collections.abc import Iterator

from tests.support.paths import REPOSITORY

PHONE_VIDEOS = "docs/how-to/phone-videos.md"
PAGES = (*sorted(REPOSITORY.glob("*.md")), *sorted((REPOSITORY / "docs").rglob("*.md")))


def read(name: str) -> str:
    return (REPOSITORY / name).read_text(encoding="utf-8")


def list_code() -> Iterator[tuple[str, str]]:
    """The page and the text of every line of a code block, and of everything between backticks."""
    for page in PAGES:
        name, in_block = page.relative_to(REPOSITORY).as_posix(), False
        for line in read(name).splitlines():
            in_block ^= line.lstrip().startswith("```")
            texts = [line.strip()] if in_block else re.findall(r"`([^`]+)`", line)
            yield from ((name, text) for text in texts)


def list_blocks(name: str, language: str) -> list[str]:
    """The code blocks of a page in a language, in their order."""
    return re.findall(rf"^```{language}\n(.*?)^```$", read(name), re.MULTILINE | re.DOTALL)
