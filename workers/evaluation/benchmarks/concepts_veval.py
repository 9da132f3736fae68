"""SA-Co/VEval: phrases in videos, present or not, scored by cgF1 and pHOTA."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from maquette.contract.vocabulary import UnknownPhrase

from workers.engines.protocols import ConceptEngine, EngineKind, RequestRefused, TrackPrompts
from workers.evaluation.benchmark import Published, Record, Sample, Scores
from workers.evaluation.datasets.files import write_json
from workers.evaluation.datasets.saco import read_veval_split
from workers.evaluation.datasets.video_frames import track_frames
from workers.evaluation.metrics.masklets import score_masklets
from workers.evaluation.metrics.overlaps import measure_area
from workers.formats.rle import encode_mask

README = "facebookresearch/sam3 README, 2026-01"
# cgF1 and pHOTA of SAM 3 and of humans
FIGURES = {
    "sav_test": ((0.303, 0.580), (0.531, 0.705)),
    "yt1b_test": ((0.508, 0.699), (0.712, 0.784)),
    "smartglasses_test": ((0.364, 0.636), (0.585, 0.723)),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class VevalSettings:
    """`new_track` is the score from which an object starts to be tracked; 0 is the engine's own default."""

    new_track: float = 0.0


class VevalBenchmark:
    """One sample is a video with one phrase, tracked alone."""

    name = "sa-co-veval"
    version = 1
    kind: EngineKind = "concepts"
    notes: Sequence[str] = (
        "a track's score is its best frame's",
        "TETA is not computed: --predictions writes what Meta's saco_veval_eval.py reads",
    )

    # published in other units than samples
    full_size: int | None = None

    def __init__(self, folder: Path, split: str, settings: VevalSettings) -> None:
        self.settings = settings
        self.split = split
        self.data = read_veval_split(folder, split)
        self._pairs = {f"{video}/{category}": (video, category) for video, category in self.data.phrases}

    @property
    def published(self) -> Sequence[Published]:
        """The figures of this split."""
        return [
            Published(metric=metric, value=value, model=model, source=README)
            for model, values in zip(("SAM 3", "humans"), FIGURES.get(self.split, ()), strict=False)
            for metric, value in zip(("cgF1", "pHOTA"), values, strict=True)
        ]

    def annotations(self) -> Sequence[Path]:
        """The one file of annotations."""
        return [self.data.file]

    def samples(self) -> Sequence[Sample]:
        """One per pair of video and phrase."""
        return [Sample(id=key, files=self._list_frames(pair[0])) for key, pair in self._pairs.items()]

    def answer(self, sample: Sample, engine: ConceptEngine) -> Record:
        """Every track: score, and a mask and a box per frame, None where the object is not seen."""
        video, category = self._pairs[sample.id]
        phrase, frames = self.data.phrases[video, category], self._list_frames(video)
        threshold = self.settings.new_track or None
        prompts = TrackPrompts(phrases=(phrase,), thresholds=(threshold,) if threshold else ())
        tracks: dict[int, dict[str, Any]] = {}
        try:
            for result in track_frames(engine.tracker(prompts), frames):
                for one in result.objects:
                    empty = {
                        "score": 0.0,
                        "segmentations": [None] * len(frames),
                        "bboxes": [None] * len(frames),
                    }
                    track = tracks.setdefault(one.id, empty)
                    if not one.mask.any():
                        continue
                    left, top, right, bottom = (float(value) for value in one.box)
                    track["score"] = max(track["score"], float(one.score))
                    track["segmentations"][result.index] = encode_mask(one.mask)
                    track["bboxes"][result.index] = [left, top, right - left, bottom - top]
        except (UnknownPhrase, RequestRefused):
            return {"tracks": [], "refused": [phrase]}
        return {"tracks": list(tracks.values()), "refused": []}

    def score(self, records: Mapping[str, Record]) -> Scores:
        """cgF1 of masks and of boxes (`box_…`), pHOTA, and AP by phrase and by class."""
        pairs = [self._pairs[key] for key in records]
        found = {self._pairs[key]: record["tracks"] for key, record in records.items() if record["tracks"]}
        truth = {pair: self.data.masklets[pair] for pair in pairs if pair in self.data.masklets}
        return score_masklets(truth, found, pairs) if pairs else {}

    def export(self, records: Mapping[str, Record], folder: Path) -> Sequence[Path]:
        """`saco_veval_SPLIT_preds.json`, as Meta's evaluator reads it."""
        rows = []
        for key, record in records.items():
            video, category = self._pairs[key]
            for track in record["tracks"]:
                areas = [int(measure_area(mask)) for mask in track["segmentations"]]
                boxes = [box or [0.0, 0.0, 0.0, 0.0] for box in track["bboxes"]]
                rows.append(
                    {"video_id": video, "category_id": category, **track, "areas": areas, "bboxes": boxes}
                )
        return [write_json(folder / f"saco_veval_{self.split}_preds.json", rows)]

    def _list_frames(self, video: int) -> tuple[Path, ...]:
        return tuple(self.data.media / name for name in self.data.videos[video]["file_names"])
