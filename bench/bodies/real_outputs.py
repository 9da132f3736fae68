"""The default bodies engine against four real outputs of SAM 3D Body, drawn again as a picture.

    MAQUETTE_TEST_MHR=FOLDER python -m bench run bodies.real_outputs

FOLDER holds img_subj0?.npz and mhr_face_mask.ply. Their photo is not with them, so the meshes, of real
people in real poses, are drawn in plain clothes into one picture, with exact masks; the engine assumes the
camera. It also gets the outputs' own joints as landmarks: what is left is the cost of body model, priors and
floor.

MPJPE in mm with the middle of the hips aligned, PA-MPJPE after the best similarity, of shoulders to wrists
and hips to ankles; degrees between the trunks; lengths over those of the outputs, at the size of all joints.
"""

import argparse
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from bench.bodies.scenes import trunk
from bench.report import Report
from tests.golden.make_mhr_outputs import intrinsics
from tests.support.mhr_outputs import FOLDER, load_native_faces, load_outputs
from tests.support.random_bodies import pa_mpjpe
from workers.engines.bodies.default import DefaultBodies
from workers.engines.bodies.observations import observe
from workers.engines.bodies.people import PersonObservation
from workers.engines.bodies.sam3d.keypoints import MHR_70
from workers.engines.protocols import BodyEstimate, Box, Mask, Rgb
from workers.geometry.cameras import Camera
from workers.geometry.mesh_renderer import rasterize

Floats = NDArray[np.float64]
SIZE = (1920, 890)
LIGHT = np.array([-0.4, -0.5, -0.77])
SKIN, SHIRT, TROUSERS = (224, 172, 140), (60, 90, 170), (50, 50, 60)
# BlazePose's left landmarks by the outputs' names; right ones follow, but for eyes and ears
LEFT = {"shoulder": 11, "elbow": 13, "wrist": 15, "hip": 23, "knee": 25, "ankle": 27, "heel": 29}
LEFT |= {"big_toe_tip": 31}
PAIRS = {
    "nose": 0,
    "left_eye": 2,
    "right_eye": 5,
    "left_ear": 7,
    "right_ear": 8,
    **{f"left_{part}": place for part, place in LEFT.items()},
    **{f"right_{part}": place + 1 for part, place in LEFT.items()},
}
CLOTHES = {"shoulder": SHIRT, "elbow": SHIRT, "hip": TROUSERS, "knee": TROUSERS, "ankle": TROUSERS}
BODY = [*range(11, 17), *range(23, 29)]
LENGTHS = {
    "trunk": ((11, 23), (12, 24)),
    "shoulders": ((11, 12),),
    "hips": ((23, 24),),
    "upper arms": ((11, 13), (12, 14)),
    "forearms": ((13, 15), (14, 16)),
    "thighs": ((23, 25), (24, 26)),
    "shanks": ((25, 27), (26, 28)),
}


def place_landmarks(output: dict[str, Floats]) -> Floats:
    """An output's keypoints in the camera frame as BlazePose's landmarks (33, 3); NaN where it has none."""
    landmarks = np.full((33, 3), np.nan)
    for name, place in PAIRS.items():
        landmarks[place] = output["pred_keypoints_3d"][MHR_70.index(name)] + output["pred_cam_t"]
    return landmarks


def draw(outputs: Sequence[dict[str, Floats]], camera: Camera) -> tuple[Rgb, list[Mask]]:
    """A picture of all people in plain clothes, and the masks of what is seen of each."""
    faces = load_native_faces()
    corners, colors = [], []
    for output in outputs:
        vertices = output["pred_vertices"] + output["pred_cam_t"]
        corners.append(vertices[faces])
        middle = corners[-1].mean(axis=1)
        places = output["pred_keypoints_3d"][: MHR_70.index("right_heel") + 1] + output["pred_cam_t"]
        nearest = np.linalg.norm(middle[:, None] - places[None], axis=2).argmin(axis=1)
        parts = [name.split("_", 1)[-1] for name in MHR_70[: len(places)]]
        colors.append(np.array([CLOTHES.get(part, SKIN) for part in parts], dtype=np.float64)[nearest])
    triangles = np.concatenate(corners)
    normals = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    normals /= np.linalg.norm(normals, axis=1, keepdims=True) + 1e-12
    indices = np.arange(3 * len(triangles)).reshape(-1, 3)
    face = rasterize(triangles.reshape(-1, 3), indices, camera).face
    image = np.full((camera.height, camera.width, 3), 205.0)
    image[camera.height * 2 // 3 :] = 160
    shaded = np.concatenate(colors) * (0.35 + 0.65 * np.clip(normals @ LIGHT, 0, 1))[:, None]
    image[face >= 0] = shaded[face[face >= 0]]
    owner = np.where(face >= 0, face // len(faces), -1)
    picture = np.clip(cv2.GaussianBlur(image, (0, 0), 0.8), 0, 255).astype(np.uint8)
    return picture, [owner == k for k in range(len(outputs))]


def find_box(mask: Mask) -> Box:
    y, x = np.nonzero(mask)
    return float(x.min()), float(y.min()), float(x.max() + 1), float(y.max() + 1)


def observe_output(landmarks: Floats, mask: Mask, camera: Camera) -> PersonObservation:
    """The output's own joints as what BlazePose would say."""
    known = np.isfinite(landmarks[:, 0])
    points = np.where(known[:, None], landmarks, landmarks[[23, 24]].mean(axis=0))
    world = points - landmarks[[23, 24]].mean(axis=0)
    seen = observe(camera.project(points), known.astype(np.float64), world, camera)
    return PersonObservation(landmarks=seen, box=find_box(mask), mask=mask, score=1.0)


def compare(body: BodyEstimate, landmarks: Floats) -> tuple[tuple[float, float, float], dict[str, float]]:
    """MPJPE, PA-MPJPE and the angle of the trunk; each length over that of the output."""
    ours, theirs = body.keypoints_3d, landmarks
    a, b = (points[BODY] - points[[23, 24]].mean(axis=0) for points in (ours, theirs))
    angle = np.degrees(np.arccos(np.clip(trunk(ours) @ trunk(theirs), -1, 1)))
    size = np.linalg.norm(a - a.mean(axis=0)) / np.linalg.norm(b - b.mean(axis=0))

    def measure(points: Floats, bones: Sequence[tuple[int, int]]) -> float:
        return float(np.mean([np.linalg.norm(points[p] - points[q]) for p, q in bones]))

    ratios = {name: measure(ours, bones) / measure(theirs, bones) / size for name, bones in LENGTHS.items()}
    mpjpe = 1e3 * float(np.linalg.norm(a - b, axis=1).mean())
    return (mpjpe, pa_mpjpe(a, b), float(angle)), ratios


def add_options(parser: argparse.ArgumentParser) -> None:
    del parser


def run(options: argparse.Namespace, report: Report) -> None:
    del options
    if not (FOLDER / "mhr_face_mask.ply").is_file():
        raise SystemExit(f"{FOLDER} does not hold the outputs; MAQUETTE_TEST_MHR names another folder")
    outputs = load_outputs()
    first = outputs[0]
    focal, cx, cy = intrinsics(first["pred_keypoints_3d"] + first["pred_cam_t"], first["pred_keypoints_2d"])
    camera, assumed = Camera(*SIZE, focal, focal, cx, cy), Camera.assumed(*SIZE)
    image, masks = draw(outputs, camera)
    landmarks = [place_landmarks(output) for output in outputs]
    engine = DefaultBodies(threads=1)
    people = [observe_output(points, mask, camera) for points, mask in zip(landmarks, masks, strict=True)]
    sources = {
        "BlazePose on the picture": engine.recover(
            image, [find_box(mask) for mask in masks], masks, camera=assumed
        ),
        "joints of the outputs": engine.recover_observed(people),
    }
    columns = ("MPJPE mm", "PA-MPJPE mm", "trunk °", "height m")
    heads = {"landmarks": "", "person": "", **dict.fromkeys(columns, ".2f"), "on the floor": ""}
    errors, lengths = report.table("People", heads), []
    for source, bodies in sources.items():
        for k, (body, points) in enumerate(zip(bodies, landmarks, strict=True)):
            if body is None:
                errors.add(source, k, *[float("nan")] * len(columns), "no body")
                continue
            values, ratios = compare(body, points)
            errors.add(source, k, *values, body.parameters["stature_m"][0], str(body.grounded))
            lengths.append((source, ratios))
    table = report.table(
        "Lengths over those of the outputs, mean", {"landmarks": "", **dict.fromkeys(LENGTHS, ".2f")}
    )
    for source in sources:
        if found := [list(ratios.values()) for name, ratios in lengths if name == source]:
            table.add(source, *(float(value) for value in np.mean(found, axis=0)))
