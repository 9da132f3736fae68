"""Our decoding of BlazePose against MediaPipe's own, where an interpreter with MediaPipe is named."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.support.mannequins import render_mannequin
from workers.engines.bodies.blazepose import BlazePose

PYTHON = os.environ.get("MAQUETTE_MEDIAPIPE_PYTHON")
SCRIPT = Path(__file__).with_name("mediapipe_pose.py")
pytestmark = pytest.mark.skipif(
    PYTHON is None, reason="set MAQUETTE_MEDIAPIPE_PYTHON to an interpreter with mediapipe 0.10.21 (numpy 1)"
)


def images() -> dict[str, NDArray[np.uint8]]:
    """Whole people, seen from the front and from both sides."""
    turns = {"front": 0.0, "left": 0.5, "right": -0.6, "slight": 0.2}
    return {name: render_mannequin(seed, turn)[0] for seed, (name, turn) in enumerate(turns.items())}


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    file = tmp_path_factory.mktemp("images") / "images.npz"
    np.savez(file, **images())  # type: ignore[arg-type]
    completed = subprocess.run(
        [str(PYTHON), str(SCRIPT), str(file), "0"], capture_output=True, text=True, timeout=300, check=True
    )
    return dict(zip(images(), json.loads(completed.stdout.splitlines()[-1]), strict=True))


@pytest.mark.parametrize("name", list(images()))
def test_landmarks_are_those_of_mediapipe(theirs: dict[str, dict[str, Any]], name: str) -> None:
    """One reading each, of the region that the detector finds in the whole image."""
    image, stated = images()[name], theirs[name]
    poses = BlazePose(threads=1)
    height, width = image.shape[:2]
    pose = poses.read_landmarks(image, poses.find_region(image, (0.0, 0.0, float(width), float(height))))
    landmarks, world = np.array(stated["landmarks"]), np.array(stated["world"])
    sure = (landmarks[:, 3] > 0.5) & (pose.confidence > 0.5)
    assert sure.sum() >= 25
    extent = np.ptp(landmarks[sure, :2], axis=0).max()
    distance = np.linalg.norm(pose.pixels[sure] - landmarks[sure, :2], axis=1) / extent
    # the detectors see crops of their own, so the regions differ by a few pixels
    assert np.median(distance) < 0.012 and distance.max() < 0.03
    assert np.median(np.linalg.norm(pose.world[sure] - world[sure], axis=1)) < 0.05
