"""3DPW and EMDB: posed bodies in photos against SMPL bodies from sensors."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from workers.engines.bodies.smplx.fitting import fit_smplx
from workers.engines.bodies.smplx.surface_map import MHR_VERTICES, SurfaceMapError
from workers.engines.protocols import BodyEngine, BodyEstimate, Box, EngineKind
from workers.evaluation.benchmark import Published, Record, Sample, Scores
from workers.evaluation.datasets.files import read_rgb
from workers.evaluation.datasets.people import PeopleSequence, PersonTrack, read_3dpw, read_emdb
from workers.evaluation.datasets.smpl import SmplModels
from workers.evaluation.errors import LayoutError, SettingError
from workers.evaluation.metrics.bodies import MILLIMETRES, score_body
from workers.geometry.boxes import clip_box
from workers.geometry.cameras import Camera
from workers.geometry.overlap import box_iou

Floats = NDArray[np.float64]
PAPER = "SAM 3D Body, arXiv 2602.15989, 2026"
README = "facebookresearch/sam-3d-body README, 2025-11"
METRICS = ("PA-MPJPE", "MPJPE", "PVE")
# Share of a box that must lie in the image: people who have left it are not asked for. Chosen, not measured.
MIN_VISIBLE = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class PeopleSettings:
    """`every` n-th frame is used; `camera` is `dataset` (known intrinsics) or `engine` (its own estimate)."""

    every: int = 1
    camera: str = "dataset"


class ThreeDpwBenchmark:
    """Joints of LSP by the regressor of Human3.6M; one sample is a frame with its people."""

    name = "3dpw"
    version = 2
    kind: EngineKind = "bodies"
    published: Sequence[Published] = (
        *(
            Published(metric=metric, value=value, model="SAM 3D Body ViT-H", source=PAPER)
            for metric, value in zip(METRICS, (33.2, 54.8, 64.1), strict=True)
        ),
        Published(metric="MPJPE", value=54.8, model="SAM 3D Body DINOv3", source=README),
    )
    notes: Sequence[str] = (
        "millimetres, lower is better; people without a body are in no mean: look at `found`",
        "boxes are those of the true bodies; the paper's protocol is not published (sam-3d-body#111)",
        "bodies of MHR are converted by Meta's map, others by fitting SMPL, which adds errors of its own: "
        "`conversion` is how far the fit lies from their surface",
    )
    # right and left among the joints of LSP
    hips = (2, 3)

    # published in other units than samples
    full_size: int | None = None

    def __init__(self, folder: Path, split: str, settings: PeopleSettings) -> None:
        if settings.every < 1 or settings.camera not in ("dataset", "engine"):
            raise SettingError("every is at least 1, and camera is 'dataset' or 'engine'")
        self.settings = settings
        self.models = SmplModels(folder / "smpl")
        self.sequences = {sequence.name: sequence for sequence in self.read(folder, split)}
        genders = {person.gender for sequence in self.sequences.values() for person in sequence.people}
        # what is missing is found before hours have gone by
        for gender in {*genders, "neutral"}:
            self.models.load(gender)
        if self.regressor.shape[1] != len(self.models.load("neutral").template):
            raise LayoutError(f"the regressor of joints below {folder / 'smpl'} is of another model")

    def read(self, folder: Path, split: str) -> list[PeopleSequence]:
        """The sequences; raises LayoutError."""
        return read_3dpw(folder, split)

    def annotations(self) -> Sequence[Path]:
        """The pickles of all sequences, and the models without which they say nothing."""
        return [*(sequence.file for sequence in self.sequences.values()), *self.models.files]

    def samples(self) -> Sequence[Sample]:
        """One per frame in which somebody's pose is known."""
        return [
            Sample(id=f"{name}/{frame}", files=(sequence.frames[frame],))
            for name, sequence in self.sequences.items()
            for frame in range(0, len(sequence.frames), self.settings.every)
            if any(person.valid[frame] for person in sequence.people)
        ]

    def answer(self, sample: Sample, engine: BodyEngine) -> Record:
        """The errors of every person, None for those of whom no body was found: meshes are not kept."""
        name, _, frame = sample.id.rpartition("/")
        sequence, index = self.sequences[name], int(frame)
        image = read_rgb(sequence.frames[index])
        camera = make_camera(sequence, image.shape[:2])
        truths, boxes = [], []
        for person in sequence.people:
            if person.valid[index]:
                truth = self._pose(sequence, person, index)
                box = enclose_visible(truth, camera)
                if box is not None:
                    truths.append(truth)
                    boxes.append(box)
        known = camera if self.settings.camera == "dataset" else None
        bodies = engine.recover(image, boxes, camera=known) if boxes else []
        people = [
            None if body is None else self._judge(truth, body)
            for truth, body in zip(truths, bodies, strict=True)
        ]
        return {"people": people, "refused": []}

    def score(self, records: Mapping[str, Record]) -> Scores:
        """Means over people, the share of people who were found, and the mean error of conversions."""
        people = [person for record in records.values() for person in record["people"]]
        found = [person for person in people if person is not None]
        scores: Scores = {
            name: float(np.mean([person[name] for person in found])) if found else None
            for name in (*METRICS, "conversion")
        }
        return scores | {"found": len(found) / len(people) if people else None}

    def export(self, records: Mapping[str, Record], folder: Path) -> Sequence[Path]:
        """Nothing: meshes are not kept."""
        return ()

    @property
    def regressor(self) -> Floats:
        """From vertices to the joints that are judged, (J, V)."""
        return self.models.lsp_regressor

    def _pose(self, sequence: PeopleSequence, person: PersonTrack, frame: int) -> Floats:
        """A true body's vertices (V, 3) in the camera's frame."""
        vertices, _ = self.models.load(person.gender).pose(
            person.betas, person.rotations[frame], person.translations[frame]
        )
        pose = sequence.cam_from_world[frame]
        return np.asarray(vertices @ pose[:3, :3].T + pose[:3, 3])

    def _judge(self, truth: Floats, body: BodyEstimate) -> dict[str, float]:
        vertices, distance = convert_body(body, self.models)
        scores = score_body(vertices, truth, self.regressor, self.hips)
        return {**scores, "conversion": distance * MILLIMETRES}


class EmdbBenchmark(ThreeDpwBenchmark):
    """SMPL's own 24 joints; one sample is a frame."""

    name = "emdb"
    published = (
        *(
            Published(metric=metric, value=value, model="SAM 3D Body ViT-H", source=PAPER)
            for metric, value in zip(METRICS, (38.5, 62.9, 74.3), strict=True)
        ),
        Published(metric="MPJPE", value=61.7, model="SAM 3D Body DINOv3", source=README),
    )
    # left and right among SMPL's joints
    hips = (1, 2)

    def read(self, folder: Path, split: str) -> list[PeopleSequence]:
        """The sequences; raises LayoutError."""
        return read_emdb(folder, split)

    @property
    def regressor(self) -> Floats:
        """From vertices to the joints that are judged, (J, V)."""
        return self.models.joint_regressor


def make_camera(sequence: PeopleSequence, size: Sequence[int]) -> Camera:
    """The camera of a sequence for images of (height, width)."""
    k = sequence.intrinsics
    return Camera(size[1], size[0], float(k[0, 0]), float(k[1, 1]), float(k[0, 2]), float(k[1, 2]))


def enclose_visible(vertices: Floats, camera: Camera) -> Box | None:
    """The part in the image of the box around a body, None when too little of it is there."""
    if (vertices[:, 2] <= 0).any():
        return None
    pixels = camera.project(vertices)
    x0, y0, x1, y1 = (float(value) for value in (*pixels.min(axis=0), *pixels.max(axis=0)))
    try:
        inside = clip_box((x0, y0, x1, y1), (camera.height, camera.width))
    except ValueError:
        return None
    return inside if box_iou((x0, y0, x1, y1), inside) >= MIN_VISIBLE else None


def convert_body(body: BodyEstimate, models: SmplModels) -> tuple[Floats, float]:
    """A body as SMPL's vertices (V, 3), and their mean distance in metres from the body's own surface.

    A body that has SMPL's vertices is taken as it is, one of MHR is converted by Meta's map where that is
    there, and any other one by fitting the neutral model.
    """
    model = models.load("neutral")
    if len(body.vertices) == len(model.template):
        return body.vertices, 0.0
    if len(body.vertices) == MHR_VERTICES and models.mhr_map is not None:
        try:
            return models.mhr_map.apply(body.vertices, body.rig.faces), 0.0
        except SurfaceMapError as error:
            raise LayoutError(str(error)) from error
    fit = fit_smplx(model, body.vertices, body.joints, list(body.rig.joint_names))
    return fit.vertices, fit.surface_error
