"""3DPW and EMDB: people in videos of a moving camera, as SMPL parameters per frame.

3DPW: `imageFiles/SEQUENCE/image_00000.jpg`, `sequenceFiles/test/SEQUENCE.pkl`. EMDB:
`P0/SEQUENCE/images/00000.jpg`, `P0/SEQUENCE/P0_SEQUENCE_data.pkl`. Both need the user's own SMPL models.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workers.evaluation.datasets.array_pickles import read_array_pickle
from workers.evaluation.datasets.files import require_fields, require_folder
from workers.evaluation.datasets.smpl import JOINTS
from workers.evaluation.errors import LayoutError

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PersonTrack:
    """One person over F frames: rotation vectors (F, 24, 3), `translations` (F, 3), where `valid` (F,)."""

    gender: str
    betas: Floats
    rotations: Floats
    translations: Floats
    valid: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PeopleSequence:
    """A video: images, the camera's intrinsics (3, 3) and poses from world to camera (F, 4, 4), OpenCV."""

    name: str
    file: Path
    frames: tuple[Path, ...]
    intrinsics: Floats
    cam_from_world: Floats
    people: tuple[PersonTrack, ...]


def read_3dpw(folder: Path, split: str) -> list[PeopleSequence]:
    """The sequences of a split such as `test`; raises LayoutError."""
    files = sorted(require_folder(folder / "sequenceFiles" / split, f"the split {split}").glob("*.pkl"))
    if not files:
        raise LayoutError(f"{folder / 'sequenceFiles' / split} holds no .pkl")
    sequences = []
    for file in files:
        with explain_arrays(file):
            sequences.append(_read_3dpw_sequence(folder, file))
    return sequences


def read_emdb(folder: Path, split: str) -> list[PeopleSequence]:
    """The sequences of `emdb1` or `emdb2`; raises LayoutError."""
    if split not in ("emdb1", "emdb2"):
        raise LayoutError(f"EMDB has no split {split!r}: it is emdb1 or emdb2")
    sequences = []
    for file in sorted(folder.glob("P*/*/*_data.pkl")):
        with explain_arrays(file):
            sequence = _read_emdb_sequence(file, split)
            sequences += [] if sequence is None else [sequence]
    if not sequences:
        raise LayoutError(f"{folder} has no P*/*/*_data.pkl of {split}")
    return sequences


def _read_3dpw_sequence(folder: Path, file: Path) -> PeopleSequence:
    data = read_array_pickle(file)
    fields = ("poses", "betas", "trans", "genders", "cam_poses", "campose_valid", "cam_intrinsics")
    require_fields(data, fields, str(file))
    frames = len(data["cam_poses"])
    people = [
        _make_track(frames, gender, betas, poses, translations, valid)
        for gender, betas, poses, translations, valid in zip(
            data["genders"], data["betas"], data["poses"], data["trans"], data["campose_valid"], strict=True
        )
    ]
    images = folder / "imageFiles" / file.stem
    return _make_sequence(
        file,
        [images / f"image_{index:05}.jpg" for index in range(frames)],
        data["cam_intrinsics"],
        data["cam_poses"],
        people,
    )


def _read_emdb_sequence(file: Path, split: str) -> PeopleSequence | None:
    data = read_array_pickle(file)
    require_fields(data, ("emdb1", "emdb2", "gender", "good_frames_mask", "camera", "smpl"), str(file))
    if not data[split]:
        return None
    camera, smpl = data["camera"], data["smpl"]
    require_fields(camera, ("intrinsics", "extrinsics"), f"the camera of {file}")
    require_fields(smpl, ("poses_root", "poses_body", "trans", "betas"), f"the body of {file}")
    frames = len(camera["extrinsics"])
    valid = np.asarray(data["good_frames_mask"], np.bool_).copy()
    valid[np.asarray(data.get("bboxes", {}).get("invalid_idxs", ()), np.int64)] = False
    poses = np.concatenate([smpl["poses_root"], smpl["poses_body"]], axis=1)
    person = _make_track(frames, data["gender"], smpl["betas"], poses, smpl["trans"], valid)
    images = [file.parent / "images" / f"{index:05}.jpg" for index in range(frames)]
    return _make_sequence(file, images, camera["intrinsics"], camera["extrinsics"], [person])


def _make_track(frames: int, gender: Any, betas: Any, poses: Any, places: Any, valid: Any) -> PersonTrack:
    return PersonTrack(
        gender=str(gender),
        betas=np.asarray(betas, np.float64).reshape(-1)[:10],
        rotations=np.asarray(poses, np.float64)[:frames].reshape(frames, JOINTS, 3),
        translations=np.asarray(places, np.float64)[:frames].reshape(frames, 3),
        valid=np.asarray(valid)[:frames].reshape(frames).astype(np.bool_),
    )


@contextmanager
def explain_arrays(file: Path) -> Iterator[None]:
    """Errors of arrays of unexpected types and lengths as LayoutError."""
    try:
        yield
    except (TypeError, ValueError, IndexError) as error:
        if isinstance(error, LayoutError):
            raise
        raise LayoutError(f"{file} has arrays of other types or lengths than its frames: {error}") from error


def _make_sequence(
    file: Path, frames: Sequence[Path], intrinsics: Any, cam_from_world: Any, people: Sequence[PersonTrack]
) -> PeopleSequence:
    return PeopleSequence(
        name=file.stem.removesuffix("_data"),
        file=file,
        frames=tuple(frames),
        intrinsics=np.asarray(intrinsics, np.float64).reshape(3, 3),
        cam_from_world=np.asarray(cam_from_world, np.float64).reshape(-1, 4, 4),
        people=tuple(people),
    )
