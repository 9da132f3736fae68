"""C-JEPA, by way of VideoSAUR: WebDataset shards of `video.npy` and `segmentations.npy`."""

from dataclasses import dataclass
from functools import partial
from typing import Annotated, ClassVar

import numpy as np
from numpy.typing import NDArray

from workers.datasets.exporters.base import Exporter
from workers.datasets.exporters.export_writer import ExportWriter
from workers.datasets.exporters.option_limits import SEEDS, SIDES
from workers.datasets.exporters.part_store import Part
from workers.datasets.exporters.shared.categories import get_category_name, number_categories
from workers.datasets.exporters.shared.encoding import encode_npy
from workers.datasets.exporters.shared.image_transform import FitOption, ImageTransform
from workers.datasets.exporters.shared.slots import choose_slots
from workers.datasets.exporters.shared.tar_shards import LARGEST_SHARD, ShardSizeOption, TarShardWriter
from workers.datasets.scene_clip import SceneClip

# a category is stored in eight bits, and 0 is the background
MOST_CATEGORIES = 255


@dataclass(frozen=True)
class CJepa(Exporter):
    """`<split>-000000.tar`: a sample has `video.npy` u8 (T, S, S, 3) and `segmentations.npy` u8 (T, S, S, N).

    Channel k is slot k: the number of its category inside its mask, 0 elsewhere. Slots are identified in
    frame 0, so only tracks that are visible there have one. Slots are shuffled for each clip, so that their
    order means nothing, and keep their place through the clip. Extract the slots of an encoder from these
    shards with VideoSAUR or SAVi, as for their other datasets, or see `cjepa-slots`.
    """

    side: Annotated[int, "pixels of the square images", SIDES] = 224
    fit: FitOption = "crop"
    seed: Annotated[int, "seed of the order of slots", SEEDS] = 0
    largest: ShardSizeOption = LARGEST_SHARD

    name: ClassVar[str] = "cjepa"
    summary: ClassVar[str] = (
        "C-JEPA / VideoSAUR shards: video.npy and segmentations.npy, slots chosen in frame 0"
    )
    loses: ClassVar[tuple[str, ...]] = (
        "tracks that are not seen in frame 0",
        "the pickle of slots: extract an encoder's vectors from these shards, or see cjepa-slots",
        "cameras, depth, 3D boxes, actions and captions",
        "the image outside the square crop (fit=pad keeps it), and its size",
        "categories after the 255th",
    )

    def export(self, writer: ExportWriter) -> None:
        """Write the files of the format."""
        categories = number_categories(writer)
        for split, clips in writer.clips_by_split().items():
            with TarShardWriter(writer, split, self.largest) as shards:
                for clip, files in writer.build_parts(partial(self._build_sample, categories), clips):
                    if not files:
                        writer.leave_out(clip, "no track is seen in frame 0")
                        continue
                    late = sorted({track.track for track in clip.tracks} - set(choose_slots(clip, self.seed)))
                    if late:
                        writer.leave_out(clip, "not seen in frame 0", tracks=late)
                    shards.write(clip.id, files)

    def _build_sample(self, categories: dict[str, int], clip: SceneClip) -> Part:
        """The files of a clip; none when nothing is seen in frame 0."""
        slots = choose_slots(clip, self.seed)
        if not slots:
            return {}
        transform = ImageTransform.fit_square(clip, self.side, self.fit)
        video = np.stack(transform.transform_frames(clip))
        numbers = {
            track.track: min(categories[get_category_name(track)], MOST_CATEGORIES) for track in clip.tracks
        }
        masks: NDArray[np.uint8] = np.zeros((*video.shape[:3], len(slots)), np.uint8)
        for row in clip.observations:
            if row.track in slots:
                mask = transform.transform_mask(clip.mask(row))
                masks[row.frame, ..., slots.index(row.track)] = mask * np.uint8(numbers[row.track])
        return {"video.npy": encode_npy(video), "segmentations.npy": encode_npy(masks)}
