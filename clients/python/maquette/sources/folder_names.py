"""Names of files from several folders, which often call their files alike."""

from collections import defaultdict
from collections.abc import Sequence
from itertools import count
from pathlib import PurePath

# the service accepts 500 characters
LONGEST = 500


def name_apart(paths: Sequence[PurePath]) -> list[str]:
    """Return the last part of each path; where folders share one, all with as many folders as differ.

    `day1/walk_1.mp4` and `day2/walk_1.mp4` keep their folders, and so does `day2/walk_2.mp4` beside them.
    """
    folders: dict[str, set[PurePath]] = defaultdict(set)
    for path in paths:
        folders[path.name.casefold()].add(path.parent)
    if all(len(parents) == 1 for parents in folders.values()):
        return [path.name for path in paths]
    parents = {path.parent for path in paths}
    most = max(len(_list_parts(parent)) for parent in parents)
    depth = next(
        n for n in count(1) if n >= most or len({_list_parts(p)[-n:] for p in parents}) == len(parents)
    )
    return ["/".join(_list_parts(path)[-depth - 1 :])[-LONGEST:] for path in paths]


def ends_with(path: PurePath, ending: str) -> bool:
    """Whether a path ends with these parts, the last one with or without its suffix."""
    wanted = _list_parts(PurePath(ending))
    parts = _list_parts(path)
    return bool(wanted) and wanted in (parts[-len(wanted) :], (*parts[-len(wanted) : -1], path.stem))


def _list_parts(path: PurePath) -> tuple[str, ...]:
    return path.parts[1:] if path.anchor else path.parts
