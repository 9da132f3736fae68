"""HTTP ranges of one artefact (RFC 9110, section 14)."""

import re

SINGLE = re.compile(r"^bytes=(\d*)-(\d*)$")


class Unsatisfiable(ValueError):
    """The range lies outside the content."""


def parse(header: str | None, size: int) -> tuple[int, int] | None:
    """Start and stop (exclusive) of a single range; None for the whole, also when the header is not one."""
    found = SINGLE.match(header.strip()) if header else None
    if found is None or found.group(0) == "bytes=-":
        return None
    first, last = found.groups()
    if not first:
        length = int(last)
        if length == 0:
            raise Unsatisfiable
        return max(0, size - length), size
    start = int(first)
    stop = min(size, int(last) + 1) if last else size
    if last and int(last) < start:
        return None
    if start >= size:
        raise Unsatisfiable
    return start, stop
