"""HTTP ranges of one artefact (RFC 9110, section 14)."""

import re

SINGLE = re.compile(r"bytes=([0-9]*)-([0-9]*)", re.ASCII | re.IGNORECASE)
# longer numbers lie outside of every file
MAX_DIGITS = 18


class Unsatisfiable(ValueError):
    """The range lies outside the content."""


def parse(header: str | None, size: int) -> tuple[int, int] | None:
    """Start and stop (exclusive) of a single range; None for the complete content.

    A header that is not a single range of bytes is ignored, as the standard allows. Raises Unsatisfiable.
    """
    match = SINGLE.fullmatch(header.strip()) if header else None
    if match is None or match.groups() == ("", ""):
        return None
    first, last = (_to_int(text) for text in match.groups())
    if first is None:
        if not last:
            raise Unsatisfiable
        return max(0, size - last), size
    if last is not None and last < first:
        return None
    if first >= size:
        raise Unsatisfiable
    return first, size if last is None else min(size, last + 1)


def _to_int(digits: str) -> int | None:
    if not digits:
        return None
    digits = digits.lstrip("0") or "0"
    return int(digits) if len(digits) <= MAX_DIGITS else 10**MAX_DIGITS
