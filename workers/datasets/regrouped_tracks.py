"""Tracks of a clip that show several objects are divided, and tracklets of one object joined."""

from collections.abc import Sequence
from dataclasses import replace

from workers.datasets.gates.tracklet_joining import join_tracklets
from workers.datasets.gates.tracklets import Tracklet, divide_track
from workers.datasets.observations import TrackedClip

# flags of tracks that are not an engine's own
DIVIDED, JOINED = "divided", "joined"


def regroup_tracks(tracked: TrackedClip, times: Sequence[float]) -> TrackedClip:
    """The clip with a track per object: `times` are those of its frames in seconds.

    The first tracklet of a track keeps its id, unless it goes on with another track; the others get ids after
    all others. Doubtful observations between two objects of a track are left out.
    """
    tracklets = [
        tracklet
        for track, own in sorted(tracked.stats.items())
        for tracklet in divide_track(track, own, times)
    ]
    if len(tracklets) == len(tracked.stats):
        return tracked
    out = replace(tracked, observations={}, prompts={}, labels={}, crops={}, stats={}, track_flags={})
    for chain in join_tracklets(tracklets, tracked.stats, times):
        number = chain[0].track
        if number in out.stats:
            number = max(max(tracked.stats), *out.stats) + 1
        _add_track(out, number, chain, tracked)
    return out


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
        out.crops[number] = sorted(crops, key=lambda crop: (-crop.quality, crop.frame))
    is_divided = any(len(item.places) < len(old.stats[item.track].frames) for item in chain)
    out.track_flags[number] = (*((DIVIDED,) if is_divided else ()), *((JOINED,) if len(chain) > 1 else ()))
