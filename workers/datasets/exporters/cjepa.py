"""C-JEPA, by way of VideoSAUR: WebDataset shards of `video.npy` and `segmentations.npy`."""

import io
import zlib
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from workers.datasets.exporters.base import Exporter, ExportWriter, get_category_name
from workers.datasets.exporters.coco import number_categories
from workers.datasets.exporters.image_transform import FitMode, ImageTransform
from workers.datasets.exporters.tar_shards import LARGEST, TarShardWriter
from workers.datasets.scene_clip import SceneClip


@dataclass(frozen=True)
class CJepa(Exporter):
    """`<split>-000000.tar`: a sample has video.npy u8 (T, S, S, 3) and segmentations.npy u8 (T, S, S, N).

    Channel k is slot k: its mask times its category, 0 elsewhere. Frame 0 tells slots apart, so only tracks
    seen in it get one. Slots are shuffled for each clip, so that no place means anything, and stay where
    they are within it.
    """

    side: int = 224
    fit: FitMode = "crop"
    seed: int = 0
    largest: int = LARGEST

    name: ClassVar[str] = "cjepa"
    summary: ClassVar[str] = (
        "C-JEPA / VideoSAUR shards: video.npy and segmentations.npy, slots anchored in frame 0"
    )
    loses: ClassVar[tuple[str, ...]] = (
        "tracks that are not seen in frame 0",
        "the pickle of slots: extract an encoder's vectors from these shards, or see cjepa-slots",
        "cameras, depth, 3D boxes, actions and captions",
        "the picture outside the square crop (fit=pad keeps it), and its size",
        "categories after the 255th",
    )

    def export(self, writer: ExportWriter) -> None:
        """Write the files of the format."""
        known = number_categories(writer)
        for split, clips in writer.by_split().items():
            with TarShardWriter(writer, split, self.largest) as shards:
                for clip in clips:
                    slots = choose_slots(clip, self.seed)
                    late = sorted({track.track for track in clip.tracks} - set(slots))
                    if late:
                        writer.leave_out(clip, "not seen in frame 0", tracks=late)
                    if not slots:
                        continue
                    video, masks = self._arrays(clip, slots, known)
                    shards.write(clip.id, {"video.npy": _npy(video), "segmentations.npy": _npy(masks)})

    def _arrays(
        self, clip: SceneClip, slots: list[int], known: dict[str, int]
    ) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        frame = ImageTransform.fit(clip.size, (self.side, self.side), self.fit)
        numbers = {track.track: min(known[get_category_name(track)], 255) for track in clip.tracks}
        video = np.stack([frame.image(clip.image(number)) for number in range(len(clip))])
        masks = np.zeros((*video.shape[:3], len(slots)), np.uint8)
        for row in clip.observations:
            if row.track in slots:
                seen = frame.mask(clip.mask(row))
                masks[row.frame, ..., slots.index(row.track)] = seen * np.uint8(numbers[row.track])
        return video, masks


def choose_slots(clip: SceneClip, seed: int) -> list[int]:
    """The tracks that are seen in frame 0, in an order that is the clip's own."""
    rng = np.random.default_rng([seed, zlib.crc32(clip.id.encode())])
    return [int(track) for track in rng.permutation([row.track for row in clip.frame_observations(0)])]


def _npy(array: NDArray[Any]) -> bytes:
    data = io.BytesIO()
    np.save(data, array, allow_pickle=False)
    return data.getvalue()
