"""DAVIS and MOSE: objects given by their first masks are tracked through a video."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from workers.engines.protocols import ConceptEngine, EngineKind, TimedPrompt, TrackPrompts, VisualPrompt
from workers.evaluation.benchmark import Published, Record, Sample, Scores
from workers.evaluation.datasets.files import read_labels
from workers.evaluation.datasets.video_frames import track_frames
from workers.evaluation.datasets.vos import AnnotatedVideo, find_first_masks, read_davis, read_mose
from workers.evaluation.metrics.jf import average_objects, measure_contour, measure_region
from workers.formats.rle import decode_mask, encode_mask

RELEASE = "facebookresearch/sam3 RELEASE_SAM3p1.md, 2026-03"


@dataclass(frozen=True, slots=True, kw_only=True)
class VosSettings:
    """`later_objects` also starts objects that first appear after the first frame.

    `skip_ends` leaves out the first and the last annotated frame. A pixel of several objects belongs to the
    one with the lowest id, as a result has one id per pixel.
    """

    later_objects: bool = False
    skip_ends: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class MoseSettings(VosSettings):
    """The settings of MOSE."""

    later_objects: bool = True


class DavisBenchmark:
    """J&F over the objects of DAVIS 2017, semi-supervised: every object's first mask is given."""

    name = "davis"
    version = 1
    kind: EngineKind = "concepts"
    published: Sequence[Published] = (
        Published(metric="J&F", value=0.922, model="SAM 3", source=RELEASE),
        Published(metric="J&F", value=0.927, model="SAM 3.1", source=RELEASE),
    )
    notes: ClassVar[Sequence[str]] = ("published figures are of DAVIS 2017 val",)

    # videos by split
    sizes: ClassVar[Mapping[str, int]] = {"val": 30}

    def __init__(self, folder: Path, split: str, settings: VosSettings) -> None:
        self.settings = settings
        self.full_size = self.sizes.get(split)
        self.videos = {video.name: video for video in self.read(folder, split)}

    def read(self, folder: Path, split: str) -> list[AnnotatedVideo]:
        """The videos; raises LayoutError."""
        return read_davis(folder, split)

    def annotations(self) -> Sequence[Path]:
        """The PNG of every annotated frame."""
        return [path for video in self.videos.values() for path in video.annotations.values()]

    def samples(self) -> Sequence[Sample]:
        """One per video."""
        return [Sample(id=name, files=video.frames) for name, video in self.videos.items()]

    def answer(self, sample: Sample, engine: ConceptEngine) -> Record:
        """The masks of every object as RLE, by frame and by the object's id."""
        video = self.videos[sample.id]
        starts = find_first_masks(video, later=self.settings.later_objects)
        ids = list(starts)
        prompts = [
            TimedPrompt(frame, number, VisualPrompt(mask=mask))
            for number, (frame, mask) in enumerate(starts.values(), start=1)
        ]
        prompts.sort(key=lambda prompt: prompt.frame)
        tracker = engine.tracker(TrackPrompts(objects=len(ids), visual_prompts=tuple(prompts)))
        frames: dict[str, dict[str, Any]] = {}
        for result in track_frames(tracker, video.frames):
            masks = {ids[one.id - 1]: one.mask for one in result.objects if one.id <= len(ids)}
            separate = separate_masks(masks)
            frames[str(result.index)] = {str(key): encode_mask(mask) for key, mask in separate.items()}
        return {"objects": [str(key) for key in ids], "frames": frames, "refused": []}

    def score(self, records: Mapping[str, Record]) -> Scores:
        """J&F, J and F, and the shares of frames with J or F above one half; None without annotations."""
        return average_objects(
            values
            for name, record in records.items()
            for values in self.judge(self.videos[name], record).values()
        )

    def judge(self, video: AnnotatedVideo, record: Record) -> dict[str, tuple[list[float], list[float]]]:
        """J and F of each object on every judged frame; an object without a mask has an empty one."""
        scores: dict[str, tuple[list[float], list[float]]] = {key: ([], []) for key in record["objects"]}
        frames = sorted(video.annotations)
        for frame in frames[1:-1] if self.settings.skip_ends else frames:
            labels = read_labels(video.annotations[frame])
            found = record["frames"].get(str(frame), {})
            for key, (region, contour) in scores.items():
                truth = labels == int(key)
                mask = decode_mask(found[key]) if key in found else np.zeros_like(truth)
                region.append(measure_region(truth, mask))
                contour.append(measure_contour(truth, mask))
        return scores

    def export(self, records: Mapping[str, Record], folder: Path) -> Sequence[Path]:
        """`VIDEO/FRAME.png` with the ids of objects, as the DAVIS code and MOSE's server read them."""
        written = []
        for name, record in records.items():
            video = self.videos[name]
            (folder / name).mkdir(parents=True, exist_ok=True)
            palette = Image.open(video.annotations[min(video.annotations)])
            for frame, path in enumerate(video.frames):
                labels = np.zeros((palette.height, palette.width), np.uint8)
                for key, rle in record["frames"].get(str(frame), {}).items():
                    labels[decode_mask(rle)] = int(key)
                image = Image.fromarray(labels)
                if palette.mode == "P":
                    image.putpalette(palette.getpalette() or [])
                image.save(folder / name / f"{path.stem}.png")
                written.append(folder / name / f"{path.stem}.png")
            palette.close()
        return written


class MoseBenchmark(DavisBenchmark):
    """J&F over the objects of MOSE, which may appear at any time."""

    name = "mose"
    published = (
        Published(metric="J&F", value=0.784, model="SAM 3", source=RELEASE),
        Published(metric="J&F", value=0.796, model="SAM 3.1", source=RELEASE),
    )
    notes = (
        "published figures are of MOSEv1 val, of which only first annotations are public: export the answers "
        "with --predictions and upload them to the benchmark's server; J&F here needs all annotations",
    )

    sizes = {"valid": 311}

    def read(self, folder: Path, split: str) -> list[AnnotatedVideo]:
        """The videos; raises LayoutError."""
        return read_mose(folder, split)


def separate_masks(masks: Mapping[int, NDArray[np.bool_]]) -> dict[int, NDArray[np.bool_]]:
    """Masks (H, W) without overlaps: a pixel belongs to the object with the lowest id."""
    taken: NDArray[np.bool_] | None = None
    separate = {}
    for key in sorted(masks):
        separate[key] = masks[key] if taken is None else masks[key] & ~taken
        taken = masks[key] if taken is None else taken | masks[key]
    return separate
