"""SAM 3D Body behind the service, from a job of another engine to files and pictures; upstream is the FAKE.

The worker and its child are real processes, and MHR's assets are a made-up model that `body-models` reads.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import scipy
import trimesh
from PIL import Image

pytest.importorskip("torch", reason="torch writes MHR's model")
pytest.importorskip("body_models", reason="body-models evaluates MHR; it comes with the extra sam3d-body")

from maquette import Maquette

from service.embedded import Stack
from tests.parity.sam3d_body_runs import FAKE
from tests.support.engine_workers import connected_worker
from tests.support.mannequins import render_mannequin
from tests.support.media_files import decode_video, write_clip
from tests.support.mhr_files import write_mhr
from tests.support.standing_mhr import StandingMhr
from workers.geometry.boxes import bounding_box

pytestmark = [pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")]
FORMATS = ["glb", "obj", "ply", "bvh", "npz", "json"]


@pytest.fixture(scope="module", autouse=True)
def worker(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    folder = tmp_path_factory.mktemp("sam3d_body")
    write_mhr(folder, StandingMhr().arrays)
    (folder / "model.ckpt").write_text(json.dumps({"standing": True}))
    (folder / "model_config.yaml").write_text("fake: true\n")
    # the fake's child needs SciPy, which lies in another environment where this one has torch
    packages = Path(scipy.__file__).parents[1]
    settings = {
        "MAQUETTE_SAM3D_BODY_SOURCE": f"{FAKE}{os.pathsep}{packages}",
        "MAQUETTE_SAM3D_BODY_CHECKPOINT": str(folder / "model.ckpt"),
        "MAQUETTE_MHR_ASSETS": str(folder),
    }
    with connected_worker(stack, "sam3d_body", settings):
        yield


def find_bodies(picture: np.ndarray) -> np.ndarray:
    """Pixels of a strong colour, as bodies have them and the grey scene has not."""
    return np.ptp(picture.astype(int), axis=2) > 60


def test_a_person_of_a_segment_job_becomes_every_file(mq: Maquette, tmp_path: Path) -> None:
    image, mask = render_mannequin(3)
    grey = np.repeat(image.mean(axis=2, keepdims=True), 3, axis=2).astype(np.uint8)
    x0, y0, x1, y1 = bounding_box(mask)
    masks = mq.segment(grey, boxes=[(x0, y0, x1, y1)], engine="default")
    masks.wait(timeout=60)
    result = mq.bodies(from_job=masks, engine="sam3d_body", formats=FORMATS, height_m=1.8).wait(timeout=120)
    (body,) = result.bodies
    assert result.provenance.engines[0].name == "sam3d_body" and body.scale_source == "metric"
    assert body.confidence > 0.5 and body.height_m == pytest.approx(1.8, abs=1e-3)
    result.save(tmp_path / "out")
    sizes = {path.suffix: path.stat().st_size for path in (tmp_path / "out").iterdir()}
    assert sizes.keys() == {".png", *(f".{name}" for name in FORMATS)} and min(sizes.values()) > 1000
    mesh = trimesh.load(tmp_path / "out/body-000.ply")
    assert len(mesh.vertices) == 18439 and np.ptp(mesh.vertices[:, 1]) == pytest.approx(1.8, rel=0.1)
    panels = np.asarray(Image.open(tmp_path / "out/overlay.png").convert("RGB"))
    height, width = panels.shape[0] // 2, panels.shape[1] // 2
    assert not find_bodies(panels[:height, :width]).any()
    rows, _ = np.nonzero(find_bodies(panels[:height, width:]))
    np.testing.assert_allclose(np.array([rows.min(), rows.max()]) * len(image) / height, [y0, y1], atol=25)
    assert find_bodies(panels[height:, :width]).any() and find_bodies(panels[height:, width:]).any()


def test_a_track_becomes_a_motion_and_a_video(mq: Maquette, tmp_path: Path) -> None:
    image, mask = render_mannequin(3)
    frames = [np.roll(image, 2 * k, axis=1) for k in range(3)]
    clip = write_clip(tmp_path / "clip.mp4", frames, rate=3)
    track = mq.track(clip, prompts=[{"frame": 0, "box": bounding_box(mask)}], engine="default")
    track.wait(timeout=120)
    result = mq.bodies(from_job=track, engine="sam3d_body").wait(timeout=180)
    result.save(tmp_path / "out")
    (motion,) = (tmp_path / "out").glob("track-*.glb")
    assert motion.stat().st_size > 100_000
    shown = decode_video(tmp_path / "out/overlay.mp4")
    assert len(shown) == 3 and all(find_bodies(picture).any() for _, picture in shown)
