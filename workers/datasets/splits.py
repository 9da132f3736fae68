"""Splits that cannot leak: complete connected components over source, session and near-duplicates."""

import hashlib
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

from workers.datasets.schema import SourceRow

# the order in which shares of the hash's range are assigned; it is part of what decides a split
ORDER = ("test", "val", "train")
SEPARATORS = " ._-+#()[]"
# not a dot within a name, such as that of a version or a time
SUFFIX = re.compile(r"\.[a-z][a-z0-9]{1,4}$")
# the number of a part at the end: after a separator or a word for a part, or after letters alone
PART = re.compile(
    r"(?:[ ._+#()\[\]-]+(?:part|pt|clip|scene|shot|cut|take|seg|segment|chunk|cd|disc|no)?[ ._-]*\(?\d+"
    r"(?:[ ._-]*(?:of|/)[ ._-]*\d+)?|(?<=^)\d+|(?<=[^\W\d_])\d+)[ ._+()\[\]-]*$"
)
# names that cameras, phones and programs give to every file
SAY_NOTHING = frozenset(
    {
        "camera", "cam", "capture", "chunk", "clip", "cut", "dji", "dsc", "dscf", "dscn", "file", "frame",
        "frames", "gh", "gopr", "gp", "gx", "image", "img", "input", "mov", "movie", "mvi", "out", "output",
        "part", "pxl", "rec", "record", "recording", "sample", "scene", "screen", "seg", "segment",
        "sequence", "shot", "take", "test", "track", "train", "val", "vid", "video", "wa", "whatsapp video",
    }
)  # fmt: skip


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
    sources: Sequence[str],
    sessions: Mapping[str, str | None],
    duplicates: Iterable[tuple[str, str]],
    names: Mapping[str, str | None] | None = None,
) -> dict[str, str]:
    """The split group of each source: sources of one session or with near-duplicate clips stay together.

    Where no session is given, sources whose `names` differ only by a number stay together as well.
    """
    by_session: dict[str, str] = {}
    links = list(duplicates)
    for source in sources:
        session = sessions.get(source)
        if session is not None:
            links.append((by_session.setdefault(session, source), source))
    unknown = {source: name for source, name in (names or {}).items() if sessions.get(source) is None}
    for members in find_recordings(unknown).values():
        links += [(members[0], member) for member in members[1:]]
    return connect_items(sources, links)


def find_recordings(names: Mapping[str, str | None]) -> dict[str, list[str]]:
    """The sources of each recording that has several, by what their names have in common.

    Folders that have a name in common hold recordings of their own (`day1/walk-1.mp4`, `day2/walk-1.mp4`). A
    complete name that several sources have says nothing.
    """
    counts = Counter(names.values())
    by_folder: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for source in sorted(names):
        name = names[source]
        folder, file = split_folder(name or "")
        recording = guess_recording(file)
        if recording is not None and counts[name] == 1:
            by_folder[recording][folder].append(source)
    recordings: dict[str, list[str]] = {}
    for recording, folders in by_folder.items():
        stems = [
            {_strip_suffix(split_folder(str(names[one]))[1]) for one in members}
            for members in folders.values()
        ]
        if sum(map(len, stems)) == len(set().union(*stems)):
            recordings[recording] = [source for members in folders.values() for source in members]
        else:
            recordings |= {f"{folder}/{recording}": members for folder, members in folders.items()}
    return {recording: sorted(members) for recording, members in recordings.items() if len(members) > 1}


def split_folder(name: str) -> tuple[str, str]:
    """The folder and the file of a name; a title such as `part 1/2` has no folder."""
    folder, _, file = name.rpartition("/")
    return ("", name) if file.isdigit() else (folder, file)


def flag_sessions(sources: Sequence[SourceRow], *, group_by_name: bool) -> list[str]:
    """What is uncertain about the splits: `sessions_assumed` from names, or `sessions_unknown`."""
    unknown = [row for row in sources if row.session is None]
    flags = {
        "sessions_assumed": group_by_name and find_recordings({row.source: row.name for row in unknown}),
        "sessions_unknown": len({row.split_group for row in unknown}) > 1,
    }
    return [name for name, is_set in flags.items() if is_set]


def guess_recording(name: str | None) -> str | None:
    """What the files of one recording are called without their numbers; None where a name says nothing.

    `film-01.mp4`, `film part 2.mp4`, `Film (3).mov` and `film.mp4` are of `film`. Names that cameras and
    programs give to everything, such as `IMG_0001` and `clip 7`, say nothing.
    """
    if name is None:
        return None
    stem = _strip_suffix(name)
    shortened = PART.sub("", stem)
    while shortened != stem:
        stem, shortened = shortened, PART.sub("", shortened)
    words = stem.strip(SEPARATORS)
    says_nothing = words in SAY_NOTHING or (len(words) == 1 and words.isascii())
    return None if says_nothing or not re.search(r"[^\W\d_]", words) else words


def _strip_suffix(name: str) -> str:
    return SUFFIX.sub("", unicodedata.normalize("NFKC", name).casefold())


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
