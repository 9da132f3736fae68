"""SA-3DAO: objects in photos against the meshes that artists made of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from workers.engines.protocols import EngineKind, ObjectEngine
from workers.evaluation.benchmark import Published, Record, Sample, Scores
from workers.evaluation.datasets.artist_objects import (
    list_artist_objects,
    read_camera,
    read_mask,
    read_mesh,
    read_pose,
)
from workers.evaluation.datasets.files import read_rgb
from workers.evaluation.errors import LayoutError
from workers.evaluation.metrics.point_sets import normalise_extent, sample_points
from workers.evaluation.metrics.shapes import align_shape, average_objects, score_layout, score_shape
from workers.geometry.meshes import Mesh

PAPER = "SAM 3D, arXiv 2511.16624, 2025"
SHAPE = ("F1@0.01", "vIoU", "Chamfer")
LAYOUT = ("3D_IoU", "ICP_Rot", "ADD_S", "ADD_S@0.1")
FIGURES = (0.2344, 0.2311, 0.0400, 0.4254, 20.7667, 0.2661, 0.7232)


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtistObjectsSettings:
    """`points` on each surface, `voxels` along a side, starts of the alignment about y, and the seed."""

    points: int = 1_000_000
    voxels: int = 64
    yaws: int = 1
    seed: int = 0


class ArtistObjectsBenchmark:
    """Shape after normalising and aligning, and layout in the camera's frame where a pose is known."""

    name = "sa-3dao"
    version = 1
    kind: EngineKind = "objects"
    published: Sequence[Published] = tuple(
        Published(metric=metric, value=value, model="SAM 3D", source=PAPER)
        for metric, value in zip((*SHAPE, *LAYOUT), FIGURES, strict=True)
    )
    notes: Sequence[str] = (
        "lower is better for Chamfer, ICP_Rot (degrees) and ADD_S (diameters)",
        "the paper's evaluation code is not published: docs/evaluation.md says how its text was read",
        "layout needs pose.json, and an engine that knows the scale, as from depth.npy",
    )

    # published in other units than samples
    full_size: int | None = None

    def __init__(self, folder: Path, split: str, settings: ArtistObjectsSettings) -> None:
        self.settings = settings
        if split != "all":
            raise LayoutError(f"the set has no split {split!r}")
        self.objects = {one.id: one for one in list_artist_objects(folder)}

    def annotations(self) -> Sequence[Path]:
        """The meshes and poses."""
        return [path for one in self.objects.values() for path in (one.mesh, one.pose) if path is not None]

    def samples(self) -> Sequence[Sample]:
        """One per object."""
        return [
            Sample(id=key, files=(one.image, one.mask, *(path for path in (one.camera, one.depth) if path)))
            for key, one in self.objects.items()
        ]

    def answer(self, sample: Sample, engine: ObjectEngine) -> Record:
        """The scores of one object, with its flags: meshes are not kept."""
        one = self.objects[sample.id]
        image, mask = read_rgb(one.image), read_mask(one.mask)
        if image.shape[:2] != mask.shape:
            raise LayoutError(f"{one.mask} has another size than {one.image.name}")
        asset = engine.reconstruct(
            image,
            mask,
            camera=None if one.camera is None else read_camera(one.camera, mask.shape),
            depth=None if one.depth is None else np.load(one.depth).astype(np.float32),
            seed=self.settings.seed,
        )
        truth = read_mesh(one.mesh)
        scores = self._score_shape(asset.mesh, truth)
        if one.pose is not None:
            pose = read_pose(one.pose)
            count = min(self.settings.points, 100_000)
            posed = [
                place.apply(sample_points(mesh, count, self.settings.seed))
                for place, mesh in ((asset.pose, asset.mesh), (pose, truth))
            ]
            scores |= score_layout(*posed)
        return {"scores": scores, "flags": list(asset.flags), "scale": asset.scale_source, "refused": []}

    def score(self, records: Mapping[str, Record]) -> Scores:
        """Means over objects; layout over those whose pose is known."""
        return average_objects([record["scores"] for record in records.values()], (*SHAPE, *LAYOUT))

    def export(self, records: Mapping[str, Record], folder: Path) -> Sequence[Path]:
        """Nothing: there is no official evaluator."""
        return ()

    def _score_shape(self, found: Mesh, truth: Mesh) -> dict[str, float]:
        points = [
            sample_points(
                replace(mesh, vertices=normalise_extent(mesh.vertices)),
                self.settings.points,
                self.settings.seed,
            )
            for mesh in (found, truth)
        ]
        return score_shape(
            align_shape(points[0], points[1], self.settings.yaws), points[1], self.settings.voxels
        )
