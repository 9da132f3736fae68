"""Tracks that exchanged their people are divided, and each person has one track where that is certain."""

import pytest

from tests.support.scripted_tracks import Clothes, Scene, script_clip
from workers.datasets.observations import TrackedClip
from workers.datasets.regrouped_tracks import regroup_tracks

GREEN: Clothes = ((40, 120, 60), (60, 60, 60))
WHITE: Clothes = ((220, 220, 215), (40, 50, 90))
BLUE: Clothes = ((50, 60, 160), (150, 130, 100))


def exchange(
    left: Clothes = GREEN, right: Clothes = WHITE, *, far: float = 0.0
) -> dict[int, tuple[Scene, ...]]:
    """Tracks 1 and 2 go on with each other's people after two seconds; the second ones are `far` away."""
    tracks = {}
    for track, (old, new) in enumerate(((left, right), (right, left)), 1):
        here, there = (60.0 + 12 * track, 50.0), (60.0 + 12 * track + far, 50.0)
        tracks[track] = (
            Scene(start=0, stop=1.8, clothes=old, place=here),
            Scene(start=1.8, stop=2.2, clothes=old, place=here, doubtful=True),
            Scene(start=2.2, stop=4, clothes=new, place=there),
        )
    return tracks


def regroup(tracks: dict[int, tuple[Scene, ...]], rate: float = 10.0) -> TrackedClip:
    return regroup_tracks(*script_clip(tracks, rate, 4.0))


def list_times(clip: TrackedClip, rate: float = 10.0) -> dict[int, tuple[float, float]]:
    return {track: (own.frames[0] / rate, own.frames[-1] / rate) for track, own in clip.stats.items()}


@pytest.mark.parametrize("rate", [30.0, 15.0, 6.0])
def test_two_who_were_exchanged_get_their_own_ids_back(rate: float) -> None:
    old, _ = script_clip(exchange(), rate, 4.0)
    clip = regroup(exchange(), rate)
    assert set(clip.stats) == {1, 2}
    assert clip.track_flags == {1: ("divided", "joined"), 2: ("divided", "joined")}
    for track, other in ((1, 2), (2, 1)):
        frames = clip.stats[track].frames
        assert frames == sorted(set(frames)) and frames[0] == 0 and frames[-1] == round(4 * rate) - 1
        expected = [
            item
            for frame in frames
            for item in old.observations[track if frame < 2 * rate else other]
            if item.frame == frame
        ]
        assert clip.observations[track] == expected
        assert {crop.frame for crop in clip.crops[track]} <= set(frames)


def test_all_else_of_a_clip_without_doubts_stays_as_it_is() -> None:
    clip, times = script_clip({1: (Scene(start=0, stop=4, clothes=GREEN),)}, 10.0, 4.0)
    assert regroup_tracks(clip, times) is clip


def test_one_out_of_reach_is_divided_and_not_joined() -> None:
    clip = regroup(exchange(far=250.0))
    assert set(clip.stats) == {1, 2, 3, 4}
    assert set(clip.track_flags.values()) == {("divided",)}
    assert list(list_times(clip).values()) == [(0.0, 1.7), (2.2, 3.9)] * 2


def test_two_alike_are_not_joined_because_nobody_knows_which() -> None:
    """A third track, dressed as the first, ends at the same time and place."""
    third = (Scene(start=0, stop=2.0, clothes=GREEN, place=(78.0, 50.0)),)
    clip = regroup({**exchange(), 3: third})
    assert clip.track_flags[2] == ("divided", "joined")
    assert clip.track_flags[1] == ("divided",) and clip.track_flags[3] == ()
    assert list_times(clip)[4][0] == pytest.approx(2.2)


def cross(left: Clothes = GREEN, right: Clothes = WHITE) -> dict[int, tuple[Scene, ...]]:
    """Tracks 1 and 2 go on with each other's people after they were in one place, without a doubt."""
    tracks = {}
    for track, (old, new) in enumerate(((left, right), (right, left)), 1):
        place = (60.0 + 12 * track, 50.0)
        tracks[track] = (
            Scene(start=0, stop=1.8, clothes=old, place=place),
            Scene(start=1.8, stop=2.2, clothes=old, place=(78.0, 50.0)),
            Scene(start=2.2, stop=4, clothes=new, place=place),
        )
    return tracks


@pytest.mark.parametrize("rate", [30.0, 15.0, 6.0])
def test_two_who_were_exchanged_behind_each_other_get_their_own_ids_back(rate: float) -> None:
    clip = regroup(cross(), rate)
    assert clip.track_flags == {1: ("divided", "joined"), 2: ("divided", "joined")}
    for track, other in ((1, 2), (2, 1)):
        assert clip.stats[track].boxes[0][0] == 56 + 12 * track
        assert clip.stats[track].boxes[-1][0] == 56 + 12 * other


def test_two_alike_who_cover_each_other_stay_as_the_engine_has_them() -> None:
    assert set(regroup(cross(GREEN, GREEN)).track_flags) == set()


def test_two_side_by_side_stay_two_tracks() -> None:
    """They are in contact for the complete clip, and no stretch says how either appears."""
    tracks = {
        track: (Scene(start=0, stop=4, clothes=clothes, place=(60.0 + 3 * track, 50.0)),)
        for track, clothes in ((1, GREEN), (2, WHITE))
    }
    assert regroup(tracks).track_flags == {}


def test_three_who_pass_their_ids_round_get_them_back() -> None:
    """Each track goes on with the next person: no pair of two tracks is an exchange."""
    people = GREEN, WHITE, BLUE
    tracks = {
        track: (
            Scene(start=0, stop=1.8, clothes=people[track - 1], place=(60.0 + 7 * track, 50.0)),
            Scene(start=1.8, stop=2.2, clothes=WHITE, place=(74.0, 50.0)),
            Scene(start=2.2, stop=4, clothes=people[track % 3], place=(60.0 + 7 * track, 50.0)),
        )
        for track in (1, 2, 3)
    }
    clip = regroup(tracks)
    assert set(clip.stats) == {1, 2, 3}
    ends = {track: (own.boxes[0][0], own.boxes[-1][0]) for track, own in clip.stats.items()}
    assert ends == {1: (63, 77), 2: (70, 63), 3: (77, 70)}


@pytest.mark.parametrize(
    ("clothes", "absence", "flags"),
    [(GREEN, 1.0, {1: ("joined",)}), (WHITE, 1.0, {}), (GREEN, 5.0, {1: ("joined",)}), (GREEN, 11.0, {})],
)
def test_one_who_is_found_again_under_another_id_is_one_track(
    clothes: Clothes, absence: float, flags: dict[int, tuple[str, ...]]
) -> None:
    found = 2 + absence
    tracks = {
        1: (Scene(start=0, stop=2, clothes=GREEN),),
        2: (Scene(start=found, stop=found + 2, clothes=clothes),),
    }
    clip = regroup_tracks(*script_clip(tracks, 10.0, 15.0))
    assert clip.track_flags == flags
    if flags:
        again = round(10 * found)
        assert clip.stats[1].frames == [*range(20), *range(again, again + 20)]


@pytest.mark.parametrize(("clothes", "begin"), [(WHITE, 1.5), (GREEN, 0.0)])
def test_a_doubtful_beginning_belongs_to_a_track_where_it_looks_alike(clothes: Clothes, begin: float) -> None:
    tracks = {
        1: (
            Scene(start=0, stop=1.5, clothes=clothes, doubtful=True),
            Scene(start=1.5, stop=4, clothes=GREEN),
        )
    }
    clip = regroup(tracks)
    assert clip.stats[1].frames[0] == pytest.approx(10 * begin, abs=1)
    assert clip.track_flags == ({1: ("divided",)} if begin else {})


@pytest.mark.parametrize("rate", [30.0, 15.0, 6.0])
def test_of_two_alike_who_pass_behind_something_each_goes_on_as_it_was_walking(rate: float) -> None:
    """Both are lost for a second, and found again under two other ids on the other side."""
    tracks = {
        1: (Scene(start=0, stop=1.5, clothes=GREEN, place=(40, 50), velocity=(20, 0)),),
        2: (Scene(start=0, stop=1.5, clothes=GREEN, place=(140, 50), velocity=(-20, 0)),),
        3: (Scene(start=2.5, stop=4, clothes=GREEN, place=(90, 50), velocity=(-20, 0)),),
        4: (Scene(start=2.5, stop=4, clothes=GREEN, place=(90, 50), velocity=(20, 0)),),
    }
    clip = regroup(tracks, rate)
    ends = {track: own.boxes[-1][0] for track, own in clip.stats.items()}
    assert ends == {1: pytest.approx(116, abs=4), 2: pytest.approx(56, abs=4)}


@pytest.mark.parametrize(("cut", "tracks"), [(False, 1), (True, 2)])
def test_one_who_left_the_image_is_not_taken_for_the_next_who_enters_it(cut: bool, tracks: int) -> None:
    left = Scene(start=0, stop=2, clothes=GREEN, cut=cut)
    came = Scene(start=6, stop=8, clothes=GREEN, cut=cut)
    assert len(regroup_tracks(*script_clip({1: (left,), 2: (came,)}, 10.0, 8.0)).stats) == tracks
