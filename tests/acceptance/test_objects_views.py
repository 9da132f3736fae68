"""An object from many views of a video, through the SDK and the command line."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import trimesh
from maquette import InvalidRequest, Maquette
from numpy.typing import NDArray
from PIL import Image

from service.embedded import Stack
from tests.support.cli import run_cli
from tests.support.images import image_size
from tests.support.media_files import write_clip
from tests.support.synthetic_objects import cameras_around, make_object
from workers.geometry.boxes import bounding_box
from workers.geometry.mesh_renderer import render_mesh
from workers.geometry.posed_cameras import PosedCamera

Box = tuple[int, int, int, int]
FRAMES, SIDE = 12, 128
VIEWS = cameras_around(FRAMES, 360, SIDE)
WORLD_FROM_CAM = [view.cam_from_world.inverse().matrix().tolist() for view in VIEWS]
CAMERA = {"fx": VIEWS[0].camera.fx, "fy": VIEWS[0].camera.fy, "cx": SIDE / 2, "cy": SIDE / 2}


def red_block(view: PosedCamera) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """A shaded image (H, W, 3) of a block of 0.5 x 1 x 0.35 m, and its mask (H, W)."""
    block = make_object("block")
    colors = np.tile(np.array([205, 60, 45], np.uint8), (len(block.vertices), 1))
    image, depth = render_mesh(
        block.vertices, block.faces, colors, view.camera, view.cam_from_world, background=(70, 90, 80)
    )
    return image, np.isfinite(depth)


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Box]:
    rendered = [red_block(view) for view in VIEWS]
    path = tmp_path_factory.mktemp("video") / "block.mp4"
    write_clip(path, [image for image, _ in rendered], rate=6, crf=12)
    return path, bounding_box(rendered[0][1])


def test_a_video_around_an_object_gives_its_size_and_pose(
    mq: Maquette, video: tuple[Path, Box], tmp_path: Path
) -> None:
    path, box = video
    tracked = mq.track(path, boxes=[box])
    tracked.wait()
    result = mq.objects(
        from_job=tracked,
        multiview=True,
        camera=CAMERA,
        world_from_cam=WORLD_FROM_CAM,
        # one fewer than refines the splat, which is tested where it costs less
        max_views=7,
        formats=["glb", "textured_glb"],
        outputs=["placed"],
    ).wait()
    [lifted] = result.objects
    assert lifted.views is not None and lifted.views.used in (6, 7) and lifted.views.arc_degrees >= 280
    assert lifted.scale_source == "metric" and lifted.silhouette_iou > 0.9
    folder = result.save(tmp_path)
    mesh = trimesh.load(folder / "object-000.glb", force="mesh")
    assert mesh.is_watertight
    height = np.ptp(mesh.vertices, axis=0)[1] * lifted.pose.scale
    assert height == pytest.approx(1.0, abs=0.1)
    assert image_size(folder / "object-000-reference.png") == (SIDE, SIDE)
    assert lifted.extras.keys() == {"placed"}
    placed = np.asarray(Image.open(folder / lifted.extras["placed"]).convert("RGB"), np.float64)
    image, mask = red_block(VIEWS[lifted.views.reference])
    # away from the object, the placed image is that of the video, half way to white
    elsewhere = ~cv2.dilate(mask.astype(np.uint8), np.ones((15, 15), np.uint8)).astype(np.bool_)
    assert np.abs(placed - (0.5 * image + 127.5))[elsewhere].mean() < 4
    assert (placed[mask][:, 0] - placed[mask][:, 1]).mean() > 40
    baked = trimesh.load(folder / lifted.files["textured_glb"], force="mesh")
    texture = np.asarray(baked.visual.material.baseColorTexture.convert("RGB"), np.float64)
    assert (texture[..., 0] - texture[..., 1]).mean() > 40


def test_jobs_with_a_single_view_are_refused(mq: Maquette, video: tuple[Path, Box], tmp_path: Path) -> None:
    photo = tmp_path / "block.png"
    Image.fromarray(red_block(VIEWS[0])[0]).save(photo)
    segmented = mq.segment(photo, boxes=[video[1]])
    segmented.wait()
    with pytest.raises(InvalidRequest) as wrong:
        mq.objects(from_job=segmented, multiview=True)
    assert wrong.value.code == "source_wrong_kind"
    tracked = mq.track(video[0], boxes=[video[1]])
    with pytest.raises(InvalidRequest) as wrong:
        mq.objects(from_job=tracked)
    assert wrong.value.code == "source_wrong_kind"
    tracked.cancel()


def test_cameras_that_cannot_be_solved_fail_the_job_with_a_reason(
    stack: Stack, video: tuple[Path, Box], tmp_path: Path
) -> None:
    path, box = video
    words = ("objects", str(path), "--multiview", "--box", ",".join(str(value) for value in box))
    outcome = run_cli(stack, *words, "--out", str(tmp_path / "out"), check=False)
    assert outcome.status != 0
    assert any(code in outcome.stderr + outcome.stdout for code in ("cameras_not_found", "extra_missing"))
