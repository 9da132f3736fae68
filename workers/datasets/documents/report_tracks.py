"""The sections of the report that show tracks."""

import base64
from collections import Counter
from html import escape

from workers.datasets.documents.suspects import count_suspects, render_suspects
from workers.datasets.documents.track_cards import TrackCard, render_cards
from workers.datasets.documents.track_images import ClipOpener
from workers.datasets.version import DatasetVersion


def render_track_section(version: DatasetVersion, opener: ClipOpener) -> str:
    """The first rejected and kept tracks, each with the gate and the value that decided."""
    cards = list(render_cards(version, opener))
    if not cards:
        return "<p>No tracks were found.</p>"
    rejected, kept = (
        "".join(_render_card(card) for card in cards if card.kept == is_kept) for is_kept in (False, True)
    )
    total = Counter(row.kept for row in version.rows["tracks"])
    return f"<h3>Rejected ({total[False]})</h3>{_wrap(rejected)}<h3>Kept ({total[True]})</h3>{_wrap(kept)}"


def _wrap(cards: str) -> str:
    return f"<div class=cards>{cards}</div>" if cards else "<p>None.</p>"


def _render_card(card: TrackCard) -> str:
    picture = "" if card.jpeg is None else f'<img alt="{escape(card.title)}" src="{_embed(card.jpeg)}">'
    style = "" if card.kept else " class=no"
    words = f"{escape(card.title)}<br>{escape(card.decided)}"
    return f"<figure{style}>{picture}<figcaption>{words}</figcaption></figure>"


def render_suspect_section(version: DatasetVersion, opener: ClipOpener) -> str:
    """Strips of frames around each moment."""
    figures = "".join(
        f'<figure class=strip><img alt="{escape(item.caption)}" src="{_embed(item.jpeg)}">'
        f"<figcaption>{escape(item.caption)}</figcaption></figure>"
        for item in render_suspects(version, opener)
    )
    if not figures:
        return "<p>None.</p>"
    shown, total = figures.count("<figure"), count_suspects(version)
    note = "Frames around each moment, with the numbers of tracks; rejected ones are outlined in red."
    more = f"<p>and {total - shown} more</p>" if total > shown else ""
    return f"<p>{note}</p>{figures}{more}"


def _embed(jpeg: bytes) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"
