"""The benchmarks by name; each is imported when it is used, with the packages that it needs."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from workers.evaluation.errors import LayoutError, PackageMissing
from workers.evaluation.settings import change_settings

if TYPE_CHECKING:
    from workers.evaluation.benchmark import Benchmark


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A benchmark as `eval` offers it; `settings` and `benchmark` are names in `module`.

    `defaults` are the settings as `name=value`, which help shows without importing the module.
    """

    module: str
    benchmark: str
    settings: str
    split: str
    summary: str
    defaults: tuple[str, ...]


_MODULES = "workers.evaluation.benchmarks."
TARGETS = {
    "coco": Target(
        module=_MODULES + "detection",
        benchmark="CocoBenchmark",
        settings="CocoSettings",
        split="val2017",
        summary="AP of masks and boxes, one phrase per category",
        defaults=("threshold=0.0", "phrases=all"),
    ),
    "lvis": Target(
        module=_MODULES + "detection",
        benchmark="LvisBenchmark",
        settings="LvisSettings",
        split="val",
        summary="AP of masks and boxes, federated as LVIS v1 is",
        defaults=("threshold=0.0", "phrases=judged"),
    ),
    "sa-co-gold": Target(
        module=_MODULES + "concepts_gold",
        benchmark="GoldBenchmark",
        settings="GoldSettings",
        split="all",
        summary="cgF1 of phrases on images, against three annotators; a split is one of seven subsets",
        defaults=("threshold=0.5",),
    ),
    "sa-co-veval": Target(
        module=_MODULES + "concepts_veval",
        benchmark="VevalBenchmark",
        settings="VevalSettings",
        split="sav_test",
        summary="cgF1 and pHOTA of phrases in videos; splits sav_test, yt1b_test, smartglasses_test, …_val",
        defaults=("new_track=0.0",),
    ),
    "sa-3dao": Target(
        module=_MODULES + "artist_objects",
        benchmark="ArtistObjectsBenchmark",
        settings="ArtistObjectsSettings",
        split="all",
        summary="F1@0.01, vIoU, Chamfer and layout of objects against meshes by artists",
        defaults=("points=1000000", "voxels=64", "yaws=1", "seed=0"),
    ),
    "3dpw": Target(
        module=_MODULES + "people",
        benchmark="ThreeDpwBenchmark",
        settings="PeopleSettings",
        split="test",
        summary="PA-MPJPE, MPJPE and PVE of bodies on 3DPW; needs your own SMPL models",
        defaults=("every=1", "camera=dataset"),
    ),
    "emdb": Target(
        module=_MODULES + "people",
        benchmark="EmdbBenchmark",
        settings="PeopleSettings",
        split="emdb1",
        summary="PA-MPJPE, MPJPE and PVE of bodies on EMDB; needs your own SMPL models",
        defaults=("every=1", "camera=dataset"),
    ),
    "davis": Target(
        module=_MODULES + "object_segmentation",
        benchmark="DavisBenchmark",
        settings="VosSettings",
        split="val",
        summary="J&F of DAVIS 2017, first masks given",
        defaults=("later_objects=false", "skip_ends=true"),
    ),
    "mose": Target(
        module=_MODULES + "object_segmentation",
        benchmark="MoseBenchmark",
        settings="MoseSettings",
        split="valid",
        summary="J&F of MOSE, first masks given",
        defaults=("later_objects=true", "skip_ends=true"),
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
