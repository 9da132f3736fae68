"""What people and other tools read about a version; made from its rows, and no part of its hash."""

from collections.abc import Callable

from workers.datasets.documents.card import card, takedown
from workers.datasets.documents.contact import contact_sheet
from workers.datasets.documents.croissant import croissant
from workers.datasets.documents.report import report
from workers.datasets.writing import Written

MEDIA_TYPES = {
    "README.md": "text/markdown",
    "takedown.json": "application/json",
    "croissant.json": "application/ld+json",
    "contact.png": "image/png",
    "report.html": "text/html",
}


def documents(written: Written, read: Callable[[str], bytes]) -> dict[str, bytes]:
    """All documents by name; `read` gives stored content by its hash."""
    sheet = contact_sheet(written, read)
    return {
        "README.md": card(written).encode(),
        "takedown.json": takedown(written),
        "croissant.json": croissant(written),
        "contact.png": sheet,
        "report.html": report(written, sheet).encode(),
    }
