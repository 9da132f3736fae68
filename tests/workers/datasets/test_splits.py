"""Parts of one recording stay in one split, also where nobody said that they belong together."""

import pytest

from workers.datasets.schema import SourceRow
from workers.datasets.splits import (
    assign_split,
    find_recordings,
    flag_sessions,
    group_sources,
    guess_recording,
)

SHARES = {"train": 0.5, "val": 0.25, "test": 0.25}


@pytest.mark.parametrize(
    "name",
    ["film-01.mp4", "film part 2.mp4", "Film (3).MOV", "film.mp4", "film_00-01-30_00-02-00.mkv",
     "film 1of3.mp4", "film.part1.mp4", "Film [2].mp4", "film_cut03.webm", "Film-Scene-012.mp4", "FILM12.avi",
     "ｆｉｌｍ－４.mp4"],
)  # fmt: skip
def test_parts_of_one_recording_have_one_name(name: str) -> None:
    assert guess_recording(name) == "film"


@pytest.mark.parametrize(
    "name",
    [None, "", "001.mp4", "2024-06-01.mp4", "IMG_0001.MOV", "GOPR0123.MP4", "PXL_20240601_123456.mp4",
     "clip 7.mp4", "video.mp4", "v2.mp4", "___.mp4", "MVI_0001.AVI", "frame0001"],
)  # fmt: skip
def test_names_that_everything_has_say_nothing(name: str | None) -> None:
    assert guess_recording(name) is None


def test_names_that_differ_in_more_than_a_number_stay_apart() -> None:
    names = ["kitchen-1.mp4", "kitchen at night-1.mp4", "garden 1.mp4", "v1.2 tour.mp4", "dQw4w9WgXcQ.mp4"]
    assert len({guess_recording(name) for name in names}) == len(names)


def test_parts_of_one_recording_are_in_one_split() -> None:
    names = {f"{number:064x}": f"film-{number:02d}.mp4" for number in range(40)}
    sources, sessions = sorted(names), dict.fromkeys(names)
    apart = group_sources(sources, sessions, [])
    assert len({assign_split(group, SHARES) for group in apart.values()}) == 3
    together = group_sources(sources, sessions, [], names)
    assert len(set(together.values())) == 1


def test_a_given_session_wins_over_names() -> None:
    names = {"a": "film-1.mp4", "b": "film-2.mp4", "c": "film-3.mp4", "d": "other.mp4"}
    groups = group_sources(list(names), {"a": "monday", "b": "tuesday", "d": "monday"}, [], names)
    assert groups == {"a": "a", "b": "b", "c": "c", "d": "a"}


def test_a_name_of_several_folders_says_nothing() -> None:
    names = {"a": "rgb.mp4", "b": "rgb.mp4", "c": "rgb-2.mp4", "d": "walk-1.mp4", "e": "walk-2.mp4"}
    assert find_recordings(names) == {"walk": ["d", "e"]}


@pytest.mark.parametrize(
    ("names", "together"),
    [
        # both folders have a first walk
        ("day1/walk_1.mp4 day1/walk_2.mp4 day2/walk_1.mp4 day2/walk_3.mp4", [{0, 1}, {2, 3}]),
        ("day1/walk_1.mp4 day2/walk_1.mov day2/walk_2.mp4", [{0}, {1, 2}]),
        ("day1/walk_1.mp4 day2/walk_1.mp4", [{0}, {1}]),
        # the parts of one recording were put in several folders
        ("a/film-1.mp4 b/film-2.mp4 b/film-3.mp4", [{0, 1, 2}]),
        ("a/film-1.mp4 a/walk-1.mp4 b/film-2.mp4 b/walk-1.mp4", [{0, 2}, {1}, {3}]),
        ("day1/1.mp4 day1/2.mp4 day2/1.mp4 day2/2.mp4", [{0}, {1}, {2}, {3}]),
        ("day1/clip_1.mp4 day2/clip_1.mp4", [{0}, {1}]),
        # as before folders were in names
        ("walk_1.mp4 walk_1.mp4 walk_2.mp4", [{0}, {1}, {2}]),
        ("film-1/2 film-2/2", [{0, 1}]),
    ],
)
def test_folders_with_equal_names_hold_recordings_of_their_own(names: str, together: list[set[int]]) -> None:
    given = {f"{number:064x}": name for number, name in enumerate(names.split())}
    groups = group_sources(sorted(given), dict.fromkeys(given), [], given)
    members: dict[str, set[int]] = {}
    for source, group in groups.items():
        members.setdefault(group, set()).add(int(source, 16))
    assert sorted(members.values(), key=min) == together


@pytest.mark.parametrize(
    ("sources", "flags"),
    [
        ([("film-1.mp4", None, "0"), ("film-2.mp4", None, "0")], ["sessions_assumed"]),
        ([("a film.mp4", None, "0"), ("garden.mp4", None, "1")], ["sessions_unknown"]),
        (
            [("film-1.mp4", None, "0"), ("film-2.mp4", None, "0"), ("garden.mp4", None, "1")],
            ["sessions_assumed", "sessions_unknown"],
        ),
        ([("film-1.mp4", "s", "0"), ("film-2.mp4", "t", "1")], []),
        ([("film.mp4", None, "0")], []),
        ([("film.mp4", None, "0"), ("garden.mp4", "s", "1")], []),
    ],
)
def test_what_is_uncertain_about_splits_is_flagged(
    sources: list[tuple[str, str | None, str]], flags: list[str]
) -> None:
    rows = [make_row(number, *source) for number, source in enumerate(sources)]
    assert flag_sessions(rows, group_by_name=True) == flags
    assert "sessions_assumed" not in flag_sessions(rows, group_by_name=False)


def make_row(number: int, name: str, session: str | None, group: str) -> SourceRow:
    return SourceRow(
        source=f"{number:064x}", name=name, width=8, height=8, frames=1, frame_rate=None,
        time_base_numerator=1, time_base_denominator=25, licence=None, consent=None, attribution=None,
        session=session, split_group=group, split="train", shots=1, flags=(),
    )  # fmt: skip
