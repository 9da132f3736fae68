"""Splits that cannot leak: complete connected components over source, session and near-duplicates."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence

# the order in which shares of the hash's range are assigned; it is part of what decides a split
ORDER = ("test", "val", "train")


def connect_items(items: Sequence[str], links: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The group of each item: the least name in its connected component."""
    parent = {item: item for item in items}

    def find_root(item: str) -> str:
        while parent[item] != item:
            parent[item] = parent[parent[item]]
            item = parent[item]
        return item

    for a, b in links:
        first, second = sorted((find_root(a), find_root(b)))
        parent[second] = first
    return {item: find_root(item) for item in items}


def group_sources(
    sources: Sequence[str], sessions: Mapping[str, str | None], duplicates: Iterable[tuple[str, str]]
) -> dict[str, str]:
    """The split group of each source: sources of one session or with near-duplicate clips stay together."""
    by_session: dict[str, str] = {}
    links = list(duplicates)
    for source in sources:
        session = sessions.get(source)
        if session is not None:
            links.append((by_session.setdefault(session, source), source))
    return connect_items(sources, links)


def assign_split(group: str, shares: Mapping[str, float]) -> str:
    """train, val or test by a hash of the group: the same whatever else is in the dataset."""
    point = int.from_bytes(hashlib.sha256(b"split\0" + group.encode()).digest()[:8], "big") / 2**64
    for name in ORDER:
        point -= shares[name]
        if point < 0:
            return name
    return "train"


def strictest_split(splits: Iterable[str]) -> str:
    """The split of a group that others were merged into: what was held out stays held out."""
    present = set(splits)
    return next((name for name in ORDER if name in present), "train")
