"""Addresses of videos that the service has already: `upload:` and the sha256 of their bytes."""

import re

from maquette.contract.media import MediaRef

PREFIX = "upload:"
_SHA256 = re.compile(r"[0-9a-f]{64}")


def format_upload(sha256: str) -> str:
    """Return the address of an upload."""
    return f"{PREFIX}{sha256}"


def is_upload(address: str) -> bool:
    """Return whether an address names an upload."""
    return address.startswith(PREFIX)


def parse_upload(address: str) -> MediaRef:
    """Return the reference of an upload; raises ValueError for what is no hash."""
    sha256 = address.removeprefix(PREFIX)
    if not _SHA256.fullmatch(sha256):
        raise ValueError(f"{address!r} is no upload: {PREFIX} and the 64 hexadecimal digits of its hash")
    return MediaRef(id=sha256)
