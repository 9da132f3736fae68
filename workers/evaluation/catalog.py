"""The benchmarks by name; each is imported when it is used, with the packages that it needs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from workers.evaluation.errors import LayoutError, PackageMissing
from workers.evaluation.settings import change_settings

if TYPE_CHECKING:
    from workers.engines.protocols import EngineKind
    from workers.evaluation.benchmark import Benchmark


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A benchmark as `eval` offers it; `settings` and `benchmark` are names in `module`.

    `kind` is that of the engines it asks, `files` is what lies in the dataset's folder, and `defaults` are
    the settings as `name=value` with their meanings: help shows them without importing the module.
    """

    module: str
    benchmark: str
    settings: str
    kind: "EngineKind"
    split: str
    summary: str
    files: str
    defaults: Mapping[str, str]

    def explain(self) -> str:
        """What the benchmark scores, what it needs, and what can be set."""
        settings = ", ".join(f"{default} ({meaning})" for default, meaning in self.defaults.items())
        return (
            f"{self.summary}. Asks an engine for {self.kind}. Split {self.split}. "
            f"--data has {self.files}. Settings: {settings}."
        )


_MODULES = "workers.evaluation.benchmarks."
_THRESHOLD = "lowest score of an instance that counts"
_PHRASES = "ask on an image for all categories, or for those judged there"
_VOS = "start objects that appear after the first frame"
_ENDS = "leave out the first and the last annotated frame"
_PEOPLE = {
    "every=1": "use every n-th frame",
    "camera=dataset": "known intrinsics, or `engine` for its own estimate",
}
TARGETS = {
    "coco": Target(
        module=_MODULES + "detection",
        benchmark="CocoBenchmark",
        settings="CocoSettings",
        kind="concepts",
        split="val2017",
        summary="COCO 2017: AP of masks and boxes (0 to 1), one phrase per category",
        files="annotations/instances_val2017.json and val2017/*.jpg",
        defaults={"threshold=0.0": _THRESHOLD, "phrases=all": _PHRASES},
    ),
    "lvis": Target(
        module=_MODULES + "detection",
        benchmark="LvisBenchmark",
        settings="LvisSettings",
        kind="concepts",
        split="val",
        summary="LVIS v1: AP of masks and boxes (0 to 1), categories count where they were searched",
        files="lvis_v1_val.json and COCO's images below their folders",
        defaults={
            "threshold=0.0": _THRESHOLD,
            "phrases=judged": "ask for the categories that an image was searched for, or for all",
        },
    ),
    "sa-co-gold": Target(
        module=_MODULES + "concepts_gold",
        benchmark="GoldBenchmark",
        settings="GoldSettings",
        kind="concepts",
        split="all",
        summary="SA-Co/Gold: cgF1 of phrases on images (0 to 1), three annotators; a split is one of seven "
        "subsets",
        files="annotations/gold_*_release_test.json and images",
        defaults={"threshold=0.5": _THRESHOLD},
    ),
    "sa-co-veval": Target(
        module=_MODULES + "concepts_veval",
        benchmark="VevalBenchmark",
        settings="VevalSettings",
        kind="concepts",
        split="sav_test",
        summary="SA-Co/VEval: cgF1 and pHOTA of phrases in videos (0 to 1); splits sav_test, yt1b_test, "
        "smartglasses_test, …_val",
        files="annotation/saco_veval_SPLIT.json and media",
        defaults={"new_track=0.0": "score from which an object is tracked, 0 for the engine's own"},
    ),
    "sa-3dao": Target(
        module=_MODULES + "artist_objects",
        benchmark="ArtistObjectsBenchmark",
        settings="ArtistObjectsSettings",
        kind="objects",
        split="all",
        summary="SA-3DAO: F1@0.01, vIoU, Chamfer and layout of objects against meshes by artists",
        files="a folder per object with image.jpg, mask.png and mesh.glb",
        defaults={
            "points=1000000": "on each surface",
            "voxels=64": "along a side",
            "yaws=1": "starts of the alignment about the vertical",
            "seed=0": "of the points and the engine",
        },
    ),
    "3dpw": Target(
        module=_MODULES + "people",
        benchmark="ThreeDpwBenchmark",
        settings="PeopleSettings",
        kind="bodies",
        split="test",
        summary="3DPW: PA-MPJPE, MPJPE and PVE of bodies in mm",
        files="imageFiles, sequenceFiles/test and your own SMPL models below smpl",
        defaults=_PEOPLE,
    ),
    "emdb": Target(
        module=_MODULES + "people",
        benchmark="EmdbBenchmark",
        settings="PeopleSettings",
        kind="bodies",
        split="emdb1",
        summary="EMDB: PA-MPJPE, MPJPE and PVE of bodies in mm",
        files="P0 to P9 and your own SMPL models below smpl",
        defaults=_PEOPLE,
    ),
    "davis": Target(
        module=_MODULES + "object_segmentation",
        benchmark="DavisBenchmark",
        settings="VosSettings",
        kind="concepts",
        split="val",
        summary="DAVIS 2017: J&F of objects (0 to 1) whose first masks are given",
        files="JPEGImages/480p, Annotations/480p and ImageSets/2017/val.txt",
        defaults={"later_objects=false": _VOS, "skip_ends=true": _ENDS},
    ),
    "mose": Target(
        module=_MODULES + "object_segmentation",
        benchmark="MoseBenchmark",
        settings="MoseSettings",
        kind="concepts",
        split="valid",
        summary="MOSE: J&F of objects (0 to 1) whose first masks are given",
        files="valid/JPEGImages and valid/Annotations",
        defaults={"later_objects=true": _VOS, "skip_ends=true": _ENDS},
    ),
}


def load_benchmark(
    name: str, folder: Path, *, split: str | None = None, changes: Sequence[str] = ()
) -> "Benchmark":
    """A benchmark on a dataset folder, with settings changed by `name=value`.

    Raises LayoutError, SettingError, or PackageMissing with the command that installs what is missing.
    """
    target = TARGETS[name]
    if not folder.is_dir():
        raise LayoutError(f"{folder} is no folder")
    try:
        module = import_module(target.module)
    except ModuleNotFoundError as error:
        raise PackageMissing(f"{name} needs {error.name}: pip install 'maquette-server[workers]'") from error
    settings = change_settings(getattr(module, target.settings)(), changes)
    benchmark: Benchmark = getattr(module, target.benchmark)(folder, split or target.split, settings)
    return benchmark
