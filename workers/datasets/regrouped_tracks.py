"""Tracks of a clip that show several objects are divided, and tracklets of one object joined."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from workers.datasets.gates.track_metrics import TrackStats
from workers.datasets.gates.tracklet_joining import join_tracklets
from workers.datasets.gates.tracklets import (
    Tracklet,
    describe_tracklet,
    divide_at_gaps,
    divide_tracks,
)
from workers.datasets.observations import TrackedClip

# similarity (0..1) from which doubtful frames at the end of a track show its object: on the first 20 s of the
# yard (docs/benchmarks/datasets.md) one more person has a good track at 6 per second than with 0.87 or 0.9
SAME_OBJECT = 0.93
# flags of tracks that are not an engine's own
DIVIDED, JOINED = "divided", "joined"


def regroup_tracks(tracked: TrackedClip, times: Sequence[float]) -> TrackedClip:
    """The clip with a track per object: `times` are those of its frames in seconds.

    The first tracklet of a track keeps its id, unless it goes on with another track; the others get ids after
    all others. Doubtful observations between two objects of a track are left out.
    """
    divided = divide_tracks(tracked.stats, times)
    tracklets = [tracklet for own in divided.values() for tracklet in own]
    chains = [
        list(_extend_chain(chain, tracked.stats, divided, times))
        for chain in join_tracklets(tracklets, tracked.stats, times)
    ]
    if all(_is_complete(chain, tracked.stats) for chain in chains):
        return tracked
    out = replace(tracked, observations={}, prompts={}, labels={}, crops={}, stats={}, track_flags={})
    for chain in chains:
        number = chain[0].track
        if number in out.stats:
            number = max(max(tracked.stats), *out.stats) + 1
        _add_track(out, number, chain, tracked)
    return out


def _extend_chain(
    chain: Sequence[Tracklet],
    stats: Mapping[int, TrackStats],
    divided: Mapping[int, Sequence[Tracklet]],
    times: Sequence[float],
) -> Iterator[Tracklet]:
    """The tracklets of an object with their doubts: those between two of a track that follow each other, and
    at the ends of a track those that look as the object does.
    """
    start = None
    for place, item in enumerate(chain):
        own, stop = divided[item.track], item.places.stop
        if start is None:
            is_begin = place == 0 and item is own[0]
            start = _find_begin(item, stats[item.track], times) if is_begin else item.places.start
        if place + 1 < len(chain):
            following = chain[place + 1]
            if following.track == item.track and own.index(following) == own.index(item) + 1:
                continue
        elif item is own[-1]:
            stop = _find_end(item, stats[item.track], times)
        yield replace(item, places=range(start, stop))
        start = None


def _find_begin(item: Tracklet, stats: TrackStats, times: Sequence[float]) -> int:
    """The first place from which on a track looks as its first tracklet does."""
    start = item.places.start
    for part in reversed(divide_at_gaps(range(start), stats, times)):
        if describe_tracklet(item.track, stats, part).measure_similarity(item) < SAME_OBJECT:
            break
        start = part.start
    return start


def _find_end(item: Tracklet, stats: TrackStats, times: Sequence[float]) -> int:
    """The place up to which a track looks as its last tracklet does."""
    stop = item.places.stop
    for part in divide_at_gaps(range(stop, len(stats.frames)), stats, times):
        if describe_tracklet(item.track, stats, part).measure_similarity(item) < SAME_OBJECT:
            break
        stop = part.stop
    return stop


def _is_complete(chain: Sequence[Tracklet], stats: Mapping[int, TrackStats]) -> bool:
    """Whether a chain is a track as the engine has it."""
    return len(chain) == 1 and len(chain[0].places) == len(stats[chain[0].track].frames)


def _add_track(out: TrackedClip, number: int, chain: Sequence[Tracklet], old: TrackedClip) -> None:
    """Add a track of some tracklets of the old ones."""
    first = chain[0].track
    out.prompts[number], out.labels[number] = old.prompts[first], old.labels[first]
    out.observations[number], crops = [], []
    for tracklet in chain:
        places, track = tracklet.places, tracklet.track
        own = old.stats[track].select(places)
        if number in out.stats:
            out.stats[number].extend(own)
        else:
            out.stats[number] = own
        out.observations[number] += old.observations[track][places.start : places.stop]
        crops += [crop for crop in old.crops.get(track, ()) if crop.frame in own.frames]
    if crops:
        out.crops[number] = crops
    is_divided = any(len(item.places) < len(old.stats[item.track].frames) for item in chain)
    out.track_flags[number] = (*((DIVIDED,) if is_divided else ()), *((JOINED,) if len(chain) > 1 else ()))
