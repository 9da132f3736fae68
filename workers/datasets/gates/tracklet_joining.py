"""One chain of tracklets per object: which tracklet goes on with the object of which."""

from collections.abc import Mapping, Sequence

from workers.datasets.gates.track_metrics import TrackStats
from workers.datasets.gates.tracklets import Tracklet
from workers.engines.concepts.identity.link_choice import Pair, choose_clear_links
from workers.engines.concepts.identity.link_odds import End, Moment, describe_end, measure_odds


def join_tracklets(
    tracklets: Sequence[Tracklet], stats: Mapping[int, TrackStats], times: Sequence[float]
) -> list[list[Tracklet]]:
    """The tracklets of each object in order of time, by the order of their first ones in `tracklets`.

    `tracklets` are in order of tracks and of time, `stats` are those of all tracks, `times` those of the
    clip's frames in seconds.
    """
    after = dict(choose_clear_links(measure_links(tracklets, stats, times)))
    chains = []
    for first in sorted(set(range(len(tracklets))) - set(after.values())):
        chain = [first]
        while chain[-1] in after:
            chain.append(after[chain[-1]])
        chains.append([tracklets[place] for place in chain])
    return chains


def measure_links(
    tracklets: Sequence[Tracklet], stats: Mapping[int, TrackStats], times: Sequence[float]
) -> dict[Pair, float]:
    """The logarithm of the odds of each pair of tracklets of one concept, by their places, earlier first.

    `tracklets` are in order of tracks and of time. Pairs that show nothing to compare have none.
    """
    ends, begins = (
        [_describe_end(item, stats[item.track], times, last=last) for item in tracklets]
        for last in (True, False)
    )
    links = {}
    for one, old in enumerate(tracklets):
        for two, new in enumerate(tracklets):
            is_comparable = old.colors is not None and new.colors is not None
            if not is_comparable or stats[old.track].prompt != stats[new.track].prompt:
                continue
            is_own = old.track == new.track and two == one + 1
            odds = measure_odds(ends[one], begins[two], old.measure_similarity(new), is_own=is_own)
            if odds is not None:
                links[one, two] = odds
    return links


def _describe_end(item: Tracklet, stats: TrackStats, times: Sequence[float], *, last: bool) -> End:
    """The last or the first moment of a tracklet of a track with these statistics."""
    return describe_end(
        [
            Moment.of_box(times[stats.frames[place]], stats.boxes[place], stats.contacts[place] > 0)
            for place in item.places
        ],
        last=last,
    )
