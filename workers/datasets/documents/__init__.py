"""What people and other tools read about a version; rendered from its rows, and not part of its hash."""

from collections.abc import Callable

from workers.datasets.documents.card import render_card
from workers.datasets.documents.contact_sheet import render_contact_sheet
from workers.datasets.documents.croissant import build_croissant
from workers.datasets.documents.report import render_report
from workers.datasets.documents.takedown import build_takedown_index
from workers.datasets.documents.track_images import ClipOpener
from workers.datasets.version import DatasetVersion

MEDIA_TYPES = {
    "README.md": "text/markdown",
    "takedown.json": "application/json",
    "croissant.json": "application/ld+json",
    "contact.png": "image/png",
    "report.html": "text/html",
}


def render_documents(version: DatasetVersion, read: Callable[[str], bytes]) -> dict[str, bytes]:
    """All documents by name; `read` gives stored content by its hash."""
    opener = ClipOpener(version, read)
    sheet = render_contact_sheet(version, opener)
    return {
        "README.md": render_card(version).encode(),
        "takedown.json": build_takedown_index(version),
        "croissant.json": build_croissant(version),
        "contact.png": sheet,
        "report.html": render_report(version, sheet, opener).encode(),
    }
