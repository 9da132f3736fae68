"""COCO and LVIS: every category is a phrase, and its instances are ranked by their scores."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from workers.engines.protocols import ConceptEngine, EngineKind
from workers.evaluation.benchmark import Published, Record, Sample, Scores
from workers.evaluation.benchmarks.concept_questions import ground_phrases, to_row
from workers.evaluation.datasets.coco import InstanceSet, read_coco, read_lvis
from workers.evaluation.datasets.files import read_rgb, write_json
from workers.evaluation.errors import SettingError
from workers.evaluation.metrics.average_precision import (
    COCO_DETECTIONS,
    LVIS_DETECTIONS,
    Region,
    keep_best,
    score_coco,
    score_lvis,
)

README = "facebookresearch/sam3 README, 2026-01"
REGIONS: tuple[tuple[str, Region], ...] = (("mask", "segm"), ("box", "bbox"))


@dataclass(frozen=True, slots=True, kw_only=True)
class CocoSettings:
    """`phrases` are `all` categories on every image, or those that are `judged` there (LVIS)."""

    threshold: float = 0.0
    phrases: str = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class LvisSettings(CocoSettings):
    phrases: str = "judged"


class CocoBenchmark:
    """AP of boxes and masks over COCO's 80 categories."""

    name = "coco"
    version = 1
    kind: EngineKind = "concepts"
    published: Sequence[Published] = (Published(metric="box_AP", value=0.564, model="SAM 3", source=README),)
    notes: Sequence[str] = ("phrases are the categories' names; the paper does not state its wording",)
    limit = COCO_DETECTIONS
    # images by split
    sizes: ClassVar[Mapping[str, int]] = {"val2017": 5000}

    def __init__(self, folder: Path, split: str, settings: CocoSettings) -> None:
        self.settings = settings
        self.full_size = self.sizes.get(split)
        self.data = self.read(folder, split)
        if settings.phrases not in ("all", "judged"):
            raise SettingError(f"phrases are 'all' or 'judged', not {settings.phrases!r}")

    def read(self, folder: Path, split: str) -> InstanceSet:
        """The dataset; raises LayoutError."""
        return read_coco(folder, split)

    def annotations(self) -> Sequence[Path]:
        """The one file of annotations."""
        return [self.data.file]

    def samples(self) -> Sequence[Sample]:
        """One per image, by ids."""
        return [Sample(id=str(key), files=(self.data.paths[key],)) for key in sorted(self.data.images)]

    def answer(self, sample: Sample, engine: ConceptEngine) -> Record:
        """The best detections of one image; `refused` are the phrases that the engine does not know."""
        image = int(sample.id)
        categories = self.choose_categories(image)
        phrases = [self.phrase(category) for category in categories]
        handle = engine.embed(read_rgb(self.data.paths[image]), f"{self.name}/{image}")
        rows: list[dict[str, Any]] = []
        refused = []
        answers = ground_phrases(engine, handle, phrases, self.settings.threshold)
        for category, phrase, found in zip(categories, phrases, answers, strict=True):
            if found is None:
                refused.append(phrase)
                continue
            # masks are encoded only of instances that can still be among the best
            floor = rows[-1]["score"] if len(rows) == self.limit else float("-inf")
            ranked = sorted(found, key=lambda instance: -instance.score)[: self.limit]
            best = [instance for instance in ranked if instance.score > floor]
            rows += [{"image_id": image, "category_id": category, **to_row(one)} for one in best]
            rows = keep_best(rows, self.limit)
        return {"detections": rows, "refused": refused}

    def phrase(self, category: int) -> str:
        """The phrase for a category."""
        return str(self.data.categories[category]["name"])

    def choose_categories(self, image: int) -> list[int]:
        """The categories that are asked for on an image."""
        if self.settings.phrases == "all":
            return sorted(self.data.categories)
        return sorted(self.find_judged(image))

    def find_judged(self, image: int) -> set[int]:
        """The categories whose instances are known on an image."""
        return set(self.data.categories)

    def score(self, records: Mapping[str, Record]) -> Scores:
        """AP of masks (`mask_…`) and of boxes (`box_…`) over the images that have a record."""
        images = {int(key) for key in records}
        truth = {
            "images": [row for key, row in self.data.images.items() if key in images],
            "categories": list(self.data.categories.values()),
            "annotations": [row for row in self.data.annotations if row["image_id"] in images],
        }
        detections = list_detections(records)
        return {
            f"{prefix}_{name}": value
            for prefix, region in REGIONS
            for name, value in self.measure(truth, detections, region).items()
        }

    def export(self, records: Mapping[str, Record], folder: Path) -> Sequence[Path]:
        """`detections.json`: COCO's results, which LVIS's evaluator reads as well."""
        return [write_json(folder / "detections.json", list_detections(records))]

    def measure(self, truth: Mapping[str, Any], detections: Sequence[Any], region: Region) -> Scores:
        """The official metrics of one kind of region."""
        return score_coco(truth, detections, region)


def list_detections(records: Mapping[str, Record]) -> list[Any]:
    """The result rows of all records."""
    return [row for record in records.values() for row in record["detections"]]


class LvisBenchmark(CocoBenchmark):
    """AP of boxes and masks over LVIS's 1203 categories, of which each image is searched for a few."""

    name = "lvis"
    published = (
        Published(metric="mask_AP", value=0.485, model="SAM 3", source=README),
        Published(metric="box_AP", value=0.536, model="SAM 3", source=README),
    )
    notes = (
        "phrases are the categories' names without qualifiers; the paper does not state its wording",
        "judged: only categories that were searched on an image are asked for, as no others count there; "
        "with phrases=all they also compete for the 300 detections of an image",
    )
    limit = LVIS_DETECTIONS
    sizes = {"val": 19809}

    def __init__(self, folder: Path, split: str, settings: LvisSettings) -> None:
        super().__init__(folder, split, settings)
        self._present: dict[int, set[int]] = {}
        for row in self.data.annotations:
            self._present.setdefault(row["image_id"], set()).add(row["category_id"])

    def read(self, folder: Path, split: str) -> InstanceSet:
        """The dataset; raises LayoutError."""
        return read_lvis(folder, split)

    def phrase(self, category: int) -> str:
        """A name such as `bow_(weapon)` as words."""
        return super().phrase(category).replace("_", " ").replace("(", "").replace(")", "")

    def find_judged(self, image: int) -> set[int]:
        """The categories that are present on an image, or known to be absent."""
        return self._present.get(image, set()) | set(self.data.images[image]["neg_category_ids"])

    def measure(self, truth: Mapping[str, Any], detections: Sequence[Any], region: Region) -> Scores:
        """LVIS's metrics of one kind of region."""
        return score_lvis(truth, detections, region)
