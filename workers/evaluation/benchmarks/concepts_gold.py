"""SA-Co/Gold: phrases on images, present or not, scored by cgF1 against three annotators."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from workers.engines.protocols import ConceptEngine, EngineKind
from workers.evaluation.benchmark import Published, Record, Sample, Scores
from workers.evaluation.benchmarks.concept_questions import ground_phrases, to_row
from workers.evaluation.datasets.files import read_rgb, write_json
from workers.evaluation.datasets.saco import GOLD_SUBSETS, GoldSubset, Row, read_gold_subset
from workers.evaluation.metrics.cgf1 import (
    MIN_SCORE,
    PairCounts,
    choose_annotation,
    count_pair,
    score_pairs,
)
from workers.evaluation.metrics.overlaps import measure_box_overlaps, measure_mask_overlaps

README = "facebookresearch/sam3 README, 2026-01"
GOLD_README = "facebookresearch/sam3 scripts/eval/gold/README.md, 2026-01"
PUBLISHED_SUBSETS = {
    "metaclip_nps": 0.4726,
    "sa1b_nps": 0.5369,
    "crowded": 0.6108,
    "fg_food": 0.5341,
    "fg_sports_equipment": 0.6552,
    "attributes": 0.5493,
    "wiki_common": 0.4253,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class GoldSettings:
    """`threshold` is the score from which an instance is kept."""

    threshold: float = MIN_SCORE


class GoldBenchmark:
    """cgF1 over the seven subsets, of which each counts the same; one sample is an image with its phrases."""

    name = "sa-co-gold"
    version = 1
    kind: EngineKind = "concepts"
    published: Sequence[Published] = (
        Published(metric="cgF1", value=0.541, model="SAM 3", source=README),
        Published(metric="cgF1", value=0.728, model="humans", source=README),
        Published(metric="IL_MCC", value=0.82, model="SAM 3", source=GOLD_README),
        Published(metric="pmF1", value=0.6611, model="SAM 3", source=GOLD_README),
        Published(metric="box_cgF1", value=0.557, model="SAM 3", source=README),
        Published(metric="box_cgF1", value=0.740, model="humans", source=README),
        *(
            Published(metric=f"cgF1/{subset}", value=value, model="SAM 3", source=GOLD_README)
            for subset, value in PUBLISHED_SUBSETS.items()
        ),
    )
    notes: Sequence[str] = (
        "per phrase the most favourable of three annotators counts, as in Meta's evaluator",
        "averages are over the subsets that were run",
    )

    # published in other units than samples
    full_size: int | None = None

    def __init__(self, folder: Path, split: str, settings: GoldSettings) -> None:
        self.settings = settings
        names = GOLD_SUBSETS if split == "all" else (split,)
        self.subsets = {name: read_gold_subset(folder, name) for name in names}
        self._pairs: dict[str, list[int]] = {}
        for name, subset in self.subsets.items():
            for key, row in subset.pairs.items():
                self._pairs.setdefault(f"{name}/{row['file_name']}", []).append(key)

    def annotations(self) -> Sequence[Path]:
        """The files of all annotators."""
        return [file for subset in self.subsets.values() for file in subset.files]

    def samples(self) -> Sequence[Sample]:
        """One per image and subset."""
        return [Sample(id=key, files=(self._locate(key),)) for key in sorted(self._pairs)]

    def answer(self, sample: Sample, engine: ConceptEngine) -> Record:
        """The instances of every phrase, by the ids of the pairs."""
        subset = self._find_subset(sample.id)
        keys = self._pairs[sample.id]
        handle = engine.embed(read_rgb(self._locate(sample.id)), f"{self.name}/{sample.id}")
        phrases = [str(subset.pairs[key]["text_input"]) for key in keys]
        found: dict[str, list[Row]] = {}
        refused = []
        answers = ground_phrases(engine, handle, phrases, self.settings.threshold)
        for key, phrase, instances in zip(keys, phrases, answers, strict=True):
            if instances is None:
                refused.append(phrase)
            found[str(key)] = [to_row(instance) for instance in instances or ()]
        return {"pairs": found, "refused": refused}

    def score(self, records: Mapping[str, Record]) -> Scores:
        """Averages over subsets for masks and boxes (`box_…`), then cgF1 of the masks of each subset."""
        masks: dict[str, Scores] = {}
        boxes: dict[str, Scores] = {}
        for name, subset in self.subsets.items():
            own = {key: record for key, record in records.items() if self._find_subset(key) is subset}
            pairs = [
                count_annotations(subset, int(pair), rows)
                for record in own.values()
                for pair, rows in record["pairs"].items()
            ]
            if pairs:
                masks[name] = score_pairs([mask for mask, _ in pairs])
                boxes[name] = score_pairs([box for _, box in pairs])
        return {
            **average_subsets(masks, ""),
            **average_subsets(boxes, "box_"),
            **{f"cgF1/{name}": scores["cgF1"] for name, scores in masks.items()},
        }

    def export(self, records: Mapping[str, Record], folder: Path) -> Sequence[Path]:
        """`gold_SUBSET.json` each: COCO's results, as Meta's evaluator reads them."""
        written = []
        for name, subset in self.subsets.items():
            rows = [
                {"image_id": int(pair), "category_id": 1, **row}
                for key, record in records.items()
                if self._find_subset(key) is subset
                for pair, found in record["pairs"].items()
                for row in found
            ]
            written.append(write_json(folder / f"gold_{name}.json", rows))
        return written

    def _find_subset(self, sample: str) -> GoldSubset:
        return self.subsets[sample.partition("/")[0]]

    def _locate(self, sample: str) -> Path:
        return self._find_subset(sample).images / sample.partition("/")[2]


def count_annotations(subset: GoldSubset, pair: int, rows: Sequence[Row]) -> tuple[PairCounts, PairCounts]:
    """The counts of masks and of boxes of a pair, each against the most favourable annotator."""
    kept = [row for row in rows if row["score"] >= MIN_SCORE]
    size = subset.pairs[pair]["width"], subset.pairs[pair]["height"]
    masks, boxes = [], []
    for annotations in subset.annotations:
        # groups that cannot be separated into instances are not judged
        truth = [row for row in annotations.get(pair, ()) if not row.get("iscrowd")]
        segments = [row["segmentation"] for row in truth]
        masks.append(count_pair(measure_mask_overlaps([row["segmentation"] for row in kept], segments)))
        # boxes are published as shares of the image
        pixels = [np.multiply(row["bbox"], (*size, *size)).tolist() for row in truth]
        boxes.append(count_pair(measure_box_overlaps([row["bbox"] for row in kept], pixels)))
    return choose_annotation(masks), choose_annotation(boxes)


def average_subsets(subsets: Mapping[str, Scores], prefix: str) -> dict[str, Any]:
    """The mean of each score over subsets."""
    names = next(iter(subsets.values()), {})
    return {f"{prefix}{name}": float(np.mean([one[name] for one in subsets.values()])) for name in names}
