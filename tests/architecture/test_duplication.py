"""Code is written once: no six lines stand in two places."""

from collections import defaultdict
from collections.abc import Iterator

import pytest

from tests.architecture.sources import Source, sources

LINES = 6
# lines of a run that say more than a bracket or a keyword; with fewer it is layout
MEANINGFUL_LINES, MEANINGFUL_LENGTH = 4, 4
# from `_async`, and from the declarations of exporters
GENERATED = ("clients/python/maquette/_sync/", "clients/python/maquette/contract/exports.py")
# the fields of one record on both sides of a layer: the contract imports no worker
LAYERED = {("clients/python/maquette/contract/geometry.py", "workers/geometry/cameras.py")}


@pytest.mark.slow
def test_no_six_lines_stand_in_two_places() -> None:
    places: defaultdict[tuple[str, ...], list[tuple[str, int]]] = defaultdict(list)
    for source in sources():
        if not source.path.startswith(GENERATED):
            for number, run in list_runs(source):
                places[run].append((source.path, number))
    repeated = [
        ", ".join(f"{path}:{number}" for path, number in equal)
        for equal in places.values()
        if len(equal) > 1 and tuple(sorted({path for path, _ in equal})) not in LAYERED
    ]
    assert repeated == []


def list_runs(source: Source) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Runs of lines, each with the number of its first: no blank lines, comments, imports or signatures."""
    text = source.read().splitlines()
    signatures = (range(function.line, function.body_line) for function in source.functions)
    skipped = {number for lines in (*source.imports, *signatures) for number in lines}
    code = [
        (number, line.strip())
        for number, line in enumerate(text, 1)
        if line.strip() and not line.lstrip().startswith("#")
    ]
    for start in range(len(code) - LINES + 1):
        run = code[start : start + LINES]
        meaningful = sum(len(line) >= MEANINGFUL_LENGTH for _, line in run)
        if meaningful >= MEANINGFUL_LINES and not any(number in skipped for number, _ in run):
            yield run[0][0], tuple(line for _, line in run)
