"""What the default tracker keeps between two frames."""

from dataclasses import dataclass, field

import numpy as np

from workers.engines.concepts.images.color_histograms import Histogram
from workers.engines.concepts.tracking.identity_state import HeldFrame, IdentityState
from workers.engines.concepts.tracking.soft_masks import SoftMask, threshold_mask
from workers.engines.protocols import Mask, Rgb


@dataclass(slots=True, kw_only=True)
class Track:
    """One object; its masks are u8 (h, w) in working pixels.

    `strand` numbers its chain of masks and never changes, while `id` does when it shows another object.
    `amodal` is the mask of the complete object, `visible` that of its part in sight. `histogram` is its usual
    appearance and `area` its usual size in working pixels, both learnt while it is surely seen. `velocity`
    (x, y) is in flow pixels per frame. `missed` counts key frames in a row that did not confirm it. `lost_at`
    is the number of the frame that lost it, -1 while it is not lost. `corrected_at` is the number of the
    frame on which MobileSAM last looked at it, and `interval` how many frames it may wait for the next time.

    `twin` is the id of the object that an earlier prompt named and this one names again, 0 for none.
    `in_contact` says that it touches a look-alike in this frame. `rival` is the id of the look-alike with
    which it may have changed places, 0 where its identity is certain; `entry_velocity` is its velocity (x, y)
    before that contact, in working pixels per frame, and `frames_apart` counts the frames since.
    `margin` and `merged` are those of `TrackedInstance`, known for the frame at hand alone.
    """

    id: int
    strand: int
    prompt: int
    label: str | None
    score: float
    amodal: SoftMask
    visible: SoftMask
    histogram: Histogram
    area: float
    corrected_at: int
    interval: int
    velocity: tuple[float, float] = (0.0, 0.0)
    missed: int = 0
    lost_at: int = -1
    twin: int = 0
    in_contact: bool = False
    rival: int = 0
    entry_velocity: tuple[float, float] = (0.0, 0.0)
    frames_apart: int = 0
    margin: float | None = None
    merged: float | None = None

    @property
    def amodal_mask(self) -> Mask:
        """The complete object (h, w)."""
        return threshold_mask(self.amodal)

    @property
    def visible_mask(self) -> Mask:
        """The part in sight (h, w)."""
        return threshold_mask(self.visible)

    @property
    def is_lost(self) -> bool:
        return self.lost_at >= 0

    def shows_same_object(self, other: "Track") -> bool:
        """Whether two prompts named one object, so that both tracks have a right to its mask."""
        return (self.twin or self.id) == (other.twin or other.id)


@dataclass(slots=True, kw_only=True)
class TrackerState:
    """All that a tracker knows between two frames; its size does not grow with the video.

    `frames` counts the frames so far and `last_key_frame` is the number of the last key frame. `size` is the
    video's (height, width), `flow_image` the last frame in flow pixels. `removed` are the ids that the user
    removed: those of phrases stay among the tracks, out of the results, so that the same object does not come
    back under another id. `identities` is what is known of who is who, `held` are the frames whose results
    wait for it.
    """

    frames: int
    last_key_frame: int
    next_id: int
    size: tuple[int, int]
    flow_image: Rgb
    tracks: list[Track]
    removed: list[int]
    identities: IdentityState = field(default_factory=IdentityState)
    held: list[HeldFrame] = field(default_factory=list)

    def take_id(self) -> int:
        """An id that no object has had."""
        self.next_id += 1
        return self.next_id - 1

    @property
    def active_tracks(self) -> list[Track]:
        """The tracks that are not lost."""
        return [track for track in self.tracks if not track.is_lost]


def merge_visible_masks(tracks: list[Track], shape: tuple[int, ...]) -> Mask:
    """The pixels (h, w) that some of the tracks show."""
    merged = np.zeros(shape, np.bool_)
    for track in tracks:
        merged |= track.visible_mask
    return merged
