"""Bodies of SMPL or SMPL-X as the `smplx` package and AMASS write them to NPZ files."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workers.engines.bodies.smplx.model import BODY_JOINTS, EXPRESSIONS

Floats = NDArray[np.float64]
# rotations of SMPL-X's joints behind those of the body, in their order, and the number of joints of each
PARTS = {
    "jaw_pose": 1,
    "leye_pose": 1,
    "reye_pose": 1,
    "left_hand_pose": 15,
    "right_hand_pose": 15,
}


class SmplxMotionError(ValueError):
    """The arrays are no bodies of SMPL or SMPL-X."""


@dataclass(frozen=True, slots=True, eq=False)
class SmplxMotion:
    """One person in F frames: `betas` (B,), `rotations` (F, N, 3) as rotation vectors, `translations` (F, 3).

    `expressions` (F, 10) are zero where the file has none. Frames without a body are NaN.
    """

    betas: Floats
    rotations: Floats
    translations: Floats
    expressions: Floats


def read_motion(arrays: Mapping[str, NDArray[Any]]) -> SmplxMotion:
    """A track or a single body; hand poses are angles, not PCA. Raises SmplxMotionError."""
    try:
        return _read(arrays)
    except KeyError as error:
        detail = f"it has no {error}: `global_orient`, `body_pose`, `transl` and `betas`, or AMASS's `poses`"
        raise SmplxMotionError(detail) from error
    except (ValueError, TypeError) as error:
        raise SmplxMotionError(f"its arrays do not fit each other: {error}") from error


def _read(arrays: Mapping[str, NDArray[Any]]) -> SmplxMotion:
    if "poses" in arrays and "trans" in arrays:
        translations = np.asarray(arrays["trans"], np.float64).reshape(-1, 3)
        rotations = np.asarray(arrays["poses"], np.float64).reshape(len(translations), -1, 3)
    else:
        translations = np.asarray(arrays["transl"], np.float64).reshape(-1, 3)
        parts = [_read_part(arrays[name], len(translations)) for name in ("global_orient", "body_pose")]
        if PARTS.keys() & arrays.keys():
            for name, joints in PARTS.items():
                given = arrays.get(name, np.zeros((len(translations), 3 * joints)))
                parts.append(_read_part(given, len(translations), joints))
        rotations = np.concatenate(parts, axis=1)
    if rotations.shape[1] < BODY_JOINTS:
        raise ValueError(f"{rotations.shape[1]} joints, a body has {BODY_JOINTS} at least")
    betas = np.asarray(arrays["betas"], np.float64)
    shared = betas if betas.ndim == 1 else betas[0]
    if betas.ndim > 1 and not np.allclose(betas, shared, equal_nan=True):
        raise ValueError("'betas' change from frame to frame: a track has one person")
    faces = np.asarray(arrays.get("expression", np.zeros((1, EXPRESSIONS))), np.float64)
    faces = np.broadcast_to(np.atleast_2d(faces), (len(translations), faces.shape[-1]))
    if faces.shape[1] != EXPRESSIONS:
        raise ValueError(f"'expression' has {faces.shape[1]} numbers, not {EXPRESSIONS}")
    return SmplxMotion(shared, rotations, translations, faces)


def _read_part(values: NDArray[Any], frames: int, joints: int | None = None) -> Floats:
    part = np.asarray(values, np.float64).reshape(frames, -1, 3)
    if joints is not None and part.shape[1] != joints:
        raise ValueError(f"a part has {part.shape[1]} joints, not {joints}: hands are angles, not PCA")
    return part
