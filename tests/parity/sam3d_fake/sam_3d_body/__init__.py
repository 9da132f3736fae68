"""FAKE sam_3d_body: follows the recorded contract of upstream, traps and all; see the README beside it.

The checkpoint is JSON: what to do wrong, and where to write down what was asked. With `standing` people are
upright and as tall as their boxes, which show the upper `shown` of them alone; `fill` is what to overwrite at
each call, a name and a value.
"""

import json
import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from tests.support.standing_mhr import StandingMhr
from tests.support.synthetic_mhr import SyntheticMhr, random_parameters
from workers.engines.bodies.mhr.layout import CAMERA_FROM_MHR

FLIP = np.diag(CAMERA_FROM_MHR)


def person_parameters(box: np.ndarray) -> np.ndarray:
    """The 204 parameters that the fake finds in a box, as float32."""
    return random_parameters(int(np.asarray(box, dtype=np.float32).sum())).astype(np.float32)


def person_shape() -> np.ndarray:
    """The 45 numbers of identity that the fake always finds."""
    return np.full(45, 0.25, dtype=np.float32)


class _Model:
    def __init__(self, checkpoint: dict[str, Any]) -> None:
        faces = np.zeros((4, 3)) if checkpoint.get("empty") else np.full((4, 3), 18438)
        self.head_pose = SimpleNamespace(faces=faces)
        self.checkpoint = checkpoint
        self.rig: SyntheticMhr | StandingMhr = StandingMhr() if checkpoint.get("standing") else SyntheticMhr()

    def run_inference(self, boxes: np.ndarray, size: tuple[int, int], camera: np.ndarray, kind: str) -> Any:
        people = [self._person(box, size, camera, kind) for box in boxes]
        out = {name: np.stack([person[name] for person in people]) for name in people[0]}
        if kind == "hand":
            return {"mhr": None, "mhr_hand": out}
        # upstream gives a tuple with the hands' batches in "full"
        return ({"mhr": out}, None, None, None, None) if kind == "full" else {"mhr": out}

    def _person(
        self, box: np.ndarray, size: tuple[int, int], camera: np.ndarray, kind: str
    ) -> dict[str, Any]:
        rig = self.rig
        if isinstance(rig, StandingMhr):
            parameters = rig.stand(int(box.sum())).astype(np.float32).astype(np.float64)
        else:
            parameters = person_parameters(box).astype(np.float64)
        skeleton = rig.pose(parameters)
        vertices = rig.vertices(parameters, person_shape()) * FLIP
        joints = skeleton.joints * FLIP
        keypoints = rig.keypoints(parameters, person_shape()) * FLIP
        if kind == "hand":
            keypoints[:21] = keypoints[42:] = 0
        rotations = skeleton.rotations
        if kind == "full":
            rotations = rig.pose(rig.relax_hands(parameters)).rotations
        focal = camera[0, 0]
        centre = camera[:2, 2] if self.checkpoint.get("use_intrin_center") else np.array(size) / 2
        low, high = vertices.min(axis=0), vertices.max(axis=0)
        bottom = box[1] + (box[3] - box[1]) / self.checkpoint.get("shown", 1)
        box = np.array([*box[:3], bottom])
        depth = focal * (high[1] - low[1]) / (box[3] - box[1])
        middle = (np.array([box[0] + box[2], box[1] + box[3]]) / 2 - centre) * depth / focal
        translation = np.array([*(middle - (low + high)[:2] / 2), depth])
        placed = keypoints + translation
        if kind == "full":
            pixels = focal * placed[:, :2] / placed[:, 2:] + np.array(size) / 2
        else:
            pixels = (placed / placed[:, 2:] @ camera.T)[:, :2]
        return {
            "focal_length": focal,
            "pred_keypoints_3d": keypoints,
            "pred_keypoints_2d": pixels,
            "pred_vertices": vertices,
            "pred_cam_t": translation,
            "pred_pose_raw": np.zeros(266),
            "global_rot": parameters[3:6],
            "body_pose": np.zeros(133),
            "hand": np.zeros(108),
            "scale": np.zeros(28),
            "shape": person_shape(),
            "face": np.zeros(72),
            "pred_joint_coords": joints,
            "joint_global_rots": rotations,
            "mhr_model_params": parameters,
        }


def load_sam_3d_body(checkpoint_path: str, device: str = "cuda", mhr_path: str = "") -> tuple[Any, Any]:
    print("Loading SAM 3D Body model...")  # noqa: T201
    checkpoint = torch.load(checkpoint_path, map_location="cpu", weights_only=False)
    assert Path(mhr_path).name == "mhr_model.pt" and device == "cuda"
    torch.memory.allocate(3)
    decoder = {"USE_INTRIN_CENTER": bool(checkpoint.get("use_intrin_center"))}
    return _Model(checkpoint), SimpleNamespace(
        MODEL=SimpleNamespace(BACKBONE=SimpleNamespace(TYPE="fake_backbone"), DECODER=decoder)
    )


class SAM3DBodyEstimator:
    def __init__(self, sam_3d_body_model: Any, model_cfg: Any) -> None:
        self.model, self.cfg = sam_3d_body_model, model_cfg
        self.calls = 0

    def process_one_image(
        self,
        img: np.ndarray,
        bboxes: np.ndarray | None = None,
        masks: np.ndarray | None = None,
        cam_int: torch.Tensor | None = None,
        inference_type: str = "full",
    ) -> list[dict[str, Any]]:
        print("####### Please make sure the input image is in RGB format")  # noqa: T201
        wrong = self.model.checkpoint
        assert bboxes is not None and cam_int is not None and cam_int.array.shape == (1, 3, 3)
        self.calls += 1
        height, width = img.shape[:2]
        if "note" in wrong:
            note = {
                "calls": self.calls,
                "boxes": bboxes.tolist(),
                "image": [list(img.shape), str(img.dtype), int(img.sum(dtype=np.int64))],
                "masks": None
                if masks is None
                else [int(mask.sum()) for mask in masks.reshape(-1, height, width)],
                "camera": cam_int.array[0].tolist(),
                "inference_type": inference_type,
                "momentum": os.environ.get("MOMENTUM_ENABLED"),
            }
            Path(wrong["note"]).write_text(json.dumps(note))
        if wrong.get("crash_at") == self.calls:
            sys.stderr.write("Segmentation fault (fake)\n")
            sys.stderr.flush()
            os._exit(139)
        if len(bboxes) > wrong.get("fits", 99):
            raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 9.00 GiB (fake)")
        torch.memory.compute(len(bboxes))
        if wrong.get("cuda_at") == self.calls:
            raise RuntimeError("CUDA out of memory (fake)")
        camera = cam_int.array[0].astype(np.float64)
        # boxes of masks come wider than the person
        seen = bboxes if masks is None else _shrink(bboxes)
        outputs = self.model.run_inference(seen, (width, height), camera, inference_type)
        out = (outputs[0] if inference_type == "full" else outputs)["mhr"]
        names = {"body_pose": "body_pose_params", "hand": "hand_pose_params", "scale": "scale_params"}
        names |= {"shape": "shape_params", "face": "expr_params", "joint_global_rots": "pred_global_rots"}
        people = []
        for i, box in enumerate(bboxes):
            person = {names.get(name, name): np.float32(rows[i]) for name, rows in out.items()}
            people.append({"bbox": box.astype(np.float32), "mask": None, **person})
        return _corrupt(people, wrong, self.calls)


def _shrink(boxes: np.ndarray) -> np.ndarray:
    centre, half = (boxes[:, :2] + boxes[:, 2:]) / 2, (boxes[:, 2:] - boxes[:, :2]) / 2.4
    return np.concatenate([centre - half, centre + half], axis=1)


def _corrupt(people: list[dict[str, Any]], wrong: dict[str, Any], calls: int) -> list[dict[str, Any]]:
    if "shorten" in wrong:
        for person in people:
            person[wrong["shorten"]] = person[wrong["shorten"]][:-1]
    if "forget" in wrong:
        for person in people:
            del person[wrong["forget"]]
    if "nan" in wrong:
        people[wrong["nan"]]["pred_vertices"][5] = np.nan
    if "elsewhere" in wrong:
        people[wrong["elsewhere"]]["pred_cam_t"] += np.float32([30, 0, 0])
    if "fill" in wrong:
        name, value = wrong["fill"][calls - 1]
        for person in people:
            person[name] = np.full_like(person[name], float(value))
    if wrong.get("other_rig"):
        people[0]["pred_joint_coords"] = people[0]["pred_joint_coords"] * np.float32(1.05)
    if wrong.get("focal"):
        people[0]["focal_length"] = np.float32(wrong["focal"])
    kept = [person for i, person in enumerate(people) if i not in wrong.get("drop", [])]
    return kept[::-1] if wrong.get("reverse") else kept
