"""An object of a film, from many views, as users of the SDK and the command line have it."""

from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import trimesh
from maquette import InvalidRequest, Maquette
from numpy.typing import NDArray
from PIL import Image

from service.embedded import Stack
from tests.acceptance.test_cli import maquette
from tests.support.synthetic_objects import around, thing
from workers.geometry.boxes import bounding_box
from workers.geometry.mesh_renderer import render_mesh
from workers.geometry.posed_cameras import PosedCamera

Box = tuple[int, int, int, int]
FRAMES, SIDE = 48, 256
VIEWS = around(FRAMES, 360, SIDE)
WORLD_FROM_CAM = [view.cam_from_world.inverse().matrix().tolist() for view in VIEWS]
CAMERA = {"fx": VIEWS[0].camera.fx, "fy": VIEWS[0].camera.fy, "cx": SIDE / 2, "cy": SIDE / 2}


def red_block(view: PosedCamera) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """A shaded picture (H, W, 3) of a block of 0.5 x 1 x 0.35 m, and its mask (H, W)."""
    block = thing("block")
    colors = np.tile(np.array([205, 60, 45], np.uint8), (len(block.vertices), 1))
    image, depth = render_mesh(
        block.vertices, block.faces, colors, view.camera, view.cam_from_world, background=(70, 90, 80)
    )
    return image, np.isfinite(depth)


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Box]:
    path = tmp_path_factory.mktemp("film") / "block.mp4"
    pictures = [red_block(view) for view in VIEWS]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=12, options={"crf": "12"})
        stream.width, stream.height = SIDE, SIDE
        for image, _ in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())
    return path, bounding_box(pictures[0][1])


def test_a_film_round_an_object_gives_its_size_and_place(
    mq: Maquette, film: tuple[Path, Box], tmp_path: Path
) -> None:
    path, box = film
    tracked = mq.track(path, boxes=[box])
    tracked.wait()
    result = mq.objects(
        from_job=tracked,
        multiview=True,
        camera=CAMERA,
        world_from_cam=WORLD_FROM_CAM,
        max_views=16,
        formats=["glb", "textured_glb"],
        outputs=["placed", "turntable", "simulation"],
    ).wait()
    [found] = result.objects
    assert found.views is not None and 14 <= found.views.used <= 16 and found.views.arc_degrees > 300
    assert found.scale_source == "metric" and found.silhouette_iou > 0.9
    folder = result.save(tmp_path)
    mesh = trimesh.load(folder / "object-000.glb", force="mesh")
    assert mesh.is_watertight
    height = np.ptp(mesh.vertices, axis=0)[1] * found.pose.scale
    assert height == pytest.approx(1.0, abs=0.1)
    assert Image.open(folder / "object-000-reference.png").size == (SIDE, SIDE)
    assert found.extras.keys() == {"placed", "turntable", "simulation"}
    placed = np.asarray(Image.open(folder / found.extras["placed"]).convert("RGB"), np.float64)
    image, mask = red_block(VIEWS[found.views.reference])
    # away from the object the placed picture is the film's, half way to white
    away = ~cv2.dilate(mask.astype(np.uint8), np.ones((15, 15), np.uint8)).astype(np.bool_)
    assert np.abs(placed - (0.5 * image + 127.5))[away].mean() < 4
    assert (placed[mask][:, 0] - placed[mask][:, 1]).mean() > 40
    baked = trimesh.load(folder / found.files["textured_glb"], force="mesh")
    texture = np.asarray(baked.visual.material.baseColorTexture.convert("RGB"), np.float64)
    assert (texture[..., 0] - texture[..., 1]).mean() > 40


def test_what_has_one_view_is_refused(mq: Maquette, film: tuple[Path, Box], tmp_path: Path) -> None:
    picture = tmp_path / "block.png"
    Image.fromarray(red_block(VIEWS[0])[0]).save(picture)
    segmented = mq.segment(picture, boxes=[film[1]])
    segmented.wait()
    with pytest.raises(InvalidRequest) as wrong:
        mq.objects(from_job=segmented, multiview=True)
    assert wrong.value.code == "source_wrong_kind"
    tracked = mq.track(film[0], boxes=[film[1]])
    with pytest.raises(InvalidRequest) as wrong:
        mq.objects(from_job=tracked)
    assert wrong.value.code == "source_wrong_kind"
    tracked.cancel()


def test_cameras_that_cannot_be_found_fail_the_job_with_the_reason(
    stack: Stack, film: tuple[Path, Box], tmp_path: Path
) -> None:
    path, box = film
    words = ("objects", str(path), "--multiview", "--box", ",".join(str(value) for value in box))
    ran = maquette(stack, *words, "--out", str(tmp_path / "out"), check=False)
    assert ran.returncode != 0
    assert any(code in ran.stderr + ran.stdout for code in ("cameras_not_found", "extra_missing"))
