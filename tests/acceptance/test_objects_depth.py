"""Objects with a depth map, through the SDK and the command line."""

import json
from pathlib import Path

import numpy as np
import pytest
from maquette import ApiError, Maquette
from PIL import Image

from service.embedded import Stack
from tests.support.cli import run_cli
from tests.support.media_files import count_frames
from workers.geometry.cameras import Camera

W, H = 320, 240
# metres
RADIUS, DISTANCE = 0.2, 1.5
CAMERA = Camera(W, H, 300.0, 300.0, 160.0, 120.0)


def scene() -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # type: ignore[type-arg]
    """The image, mask and depth in metres of a ball of 0.4 m, 1.5 m away, in front of a wall at 2.5 m."""
    y, x = np.mgrid[:H, :W] + 0.5
    rays = np.stack([(x - 160) / 300, (y - 120) / 300, np.ones_like(x)], axis=-1)
    squared = (rays**2).sum(axis=-1)
    discriminant = DISTANCE**2 - squared * (DISTANCE**2 - RADIUS**2)
    mask = discriminant >= 0
    z = np.where(mask, (DISTANCE - np.sqrt(np.maximum(discriminant, 0))) / squared, 2.5)
    image = np.full((H, W, 3), (90, 110, 130), np.uint8)
    image[mask] = (200, 80, 40)
    return image, mask, z


def test_depth_gives_size_and_place_in_metres(mq: Maquette, stack: Stack, tmp_path: Path) -> None:
    image, mask, z = scene()
    intrinsics = {"fx": 300.0, "fy": 300.0, "cx": 160.0, "cy": 120.0}
    [ball] = mq.objects(image, masks=[mask], camera=intrinsics, depth=z.astype(np.float32)).wait().objects
    assert ball.scale_source == "metric" and "scale_not_metric" not in ball.flags
    assert "depth_unit_assumed" in ball.flags and "size_implausible" not in ball.flags
    assert ball.pose.scale == pytest.approx(2 * RADIUS, rel=0.1)
    assert ball.pose.translation == pytest.approx((0, 0, DISTANCE), abs=0.05)
    [without_depth] = mq.objects(image, masks=[mask], camera=intrinsics).wait().objects
    assert without_depth.scale_source == "relative"
    photo, millimetres = tmp_path / "ball.png", tmp_path / "depth.png"
    Image.fromarray(image).save(photo)
    Image.fromarray(np.round(1000 * z).astype(np.uint16)).save(millimetres)
    rows, columns = np.nonzero(mask)
    box = ",".join(str(int(v)) for v in (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1))
    out = tmp_path / "out"
    camera = ("--camera", "300,300,160,120")
    run_cli(stack, "objects", str(photo), "-b", box, *camera, "--depth", str(millimetres), "-o", str(out))
    [written] = sorted(out.rglob("result.json")) or sorted(out.rglob("manifest.json"))
    assert '"scale_source":"metric"' in written.read_text().replace(" ", "")


def test_depth_of_another_size_is_refused_by_the_gateway(mq: Maquette) -> None:
    image, mask, z = scene()
    with pytest.raises(ApiError) as wrong:
        mq.objects(image, masks=[mask], depth=z[:, :-2].astype(np.float32))
    assert wrong.value.code == "depth_mismatch"


def test_a_scene_takes_a_box_depth_and_an_earlier_job(mq: Maquette, stack: Stack, tmp_path: Path) -> None:
    image, mask, z = scene()
    photo, depth = tmp_path / "ball.png", tmp_path / "depth.npy"
    Image.fromarray(image).save(photo)
    np.save(depth, z.astype(np.float32))
    rows, columns = np.nonzero(mask)
    box = (int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1)
    words = ["scene", str(photo), "--box", ",".join(map(str, box)), "--camera", "300,300,160,120"]
    words += ["--depth", str(depth), "--depth-unit", "1", "--turntable", "--turntable-size", "64"]
    run_cli(stack, *words, "--turntable-seconds", "0.5", "--out", str(tmp_path / "cli"))
    [node] = json.loads(next((tmp_path / "cli").rglob("layout.json")).read_text())["nodes"]
    assert node["scale_source"] == "metric" and node["pose"]["scale"] == pytest.approx(2 * RADIUS, rel=0.1)
    turntable = next((tmp_path / "cli").rglob(node["extras"]["turntable"]))
    assert count_frames(turntable.read_bytes()) == 12
    segmented = mq.segment(photo, boxes=[box])
    assert len(segmented.wait().instances) == 1
    again = mq.scene(from_job=segmented, camera=(300, 300, 160, 120), depth=z.astype(np.float32)).wait()
    assert [item.scale_source for item in again.nodes] == ["metric"]
    assert again.nodes[0].pose.translation == pytest.approx(node["pose"]["translation"], abs=1e-6)
