"""Bodies of images and videos through the SDK and the command line, on photos that scikit-image carries."""

import asyncio
import json
from pathlib import Path

import numpy as np
import pytest
import skimage.data
from maquette import AsyncMaquette, InvalidRequest, Maquette
from PIL import Image

from service.embedded import Stack
from tests.support.cli import run_cli
from tests.support.gltf_validator import assert_valid
from tests.support.images import image_size
from tests.support.mannequins import render_mannequin
from tests.support.media_files import count_frames, write_clip
from tests.support.scenes import make_wall
from workers.formats.glb_reader import read_glb

FRAMES, RATE = 10, 10
EVERYTHING = ("glb", "obj", "ply", "bvh", "npz", "json")
BOX = (20.0, 0.0, 440.0, 512.0)


@pytest.fixture(scope="module")
def moving(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A mannequin that moves to the right in front of a wall, by 12 pixels per frame."""
    whole, silhouette = render_mannequin(0, 0.3)
    person = np.asarray(Image.fromarray(whole).resize((240, 320)))
    outline = np.asarray(Image.fromarray(silhouette).resize((240, 320)))
    images = []
    for index in range(FRAMES):
        image = make_wall(size=(320, 480))
        image[:, 12 * index : 12 * index + 240][outline] = person[outline]
        images.append(image)
    return write_clip(tmp_path_factory.mktemp("video") / "mannequin.mp4", images, rate=RATE)


def test_an_image_in_every_format(mq: Maquette, tmp_path: Path) -> None:
    job = mq.bodies(skimage.data.astronaut(), formats=EVERYTHING, lod=2, vertices=True)
    result = job.wait()
    [body] = result.bodies
    assert set(body.files) == set(EVERYTHING) and body.mesh == body.files["glb"]
    assert "lod_ignored" in result.flags and "lod_ignored" in body.flags
    folder = result.save(tmp_path)
    assert_valid((folder / body.files["glb"]).read_bytes())
    document = json.loads((folder / body.files["json"]).read_text())
    stored = np.load(folder / body.files["npz"])
    np.testing.assert_allclose(document["values"]["keypoints_2d"], stored["keypoints_2d"], atol=1e-5)
    assert [k.name for k in body.keypoints] == document["values"]["keypoint_names"]
    np.testing.assert_allclose([k.xy for k in body.keypoints], stored["keypoints_2d"], atol=1e-5)
    lines = (folder / body.files["obj"]).read_text().splitlines()
    obj = np.array([[float(v) for v in line.split()[1:]] for line in lines if line.startswith("v ")])
    np.testing.assert_allclose(obj * [1, -1, -1], stored["vertices"], atol=1e-5)
    assert (folder / body.files["bvh"]).read_text().startswith("HIERARCHY\nROOT root")
    width, height = image_size(folder / "overlay.png")
    assert (width, height) == (1024, 1024)


def test_a_mask_without_a_box_and_a_box_without_a_person(mq: Maquette) -> None:
    image = np.hstack([skimage.data.astronaut(), make_wall(size=(512, 512))])
    mask = np.zeros(image.shape[:2], bool)
    mask[:, 60:400] = True
    [body] = mq.bodies(image, masks=[mask]).wait().bodies
    assert body.box.xyxy() == (60, 0, 400, 512)
    [kept] = mq.bodies(image, boxes=[BOX], masks=[mask[:, ::-1]]).wait().bodies
    assert kept.box.xyxy() == BOX and "mask_disagrees" in kept.flags and "mask_disagrees" not in body.flags
    result = mq.bodies(image, boxes=[(600, 20, 900, 500), BOX]).wait()
    assert [body.index for body in result.bodies] == [1]
    assert [(failure.index, failure.code) for failure in result.data.failures] == [(0, "no_person_found")]


def test_too_many_people_are_capped_to_the_largest(mq: Maquette) -> None:
    boxes = [(0, 0, 60, 60), BOX]
    result = mq.bodies(skimage.data.astronaut(), boxes=boxes, max_people=1).wait()
    assert [body.index for body in result.bodies] == [1] and "people_capped" in result.flags
    assert result.data.failures == []


def test_implausible_cameras_are_refused(mq: Maquette) -> None:
    for focal in (1.0, 1e6):
        with pytest.raises(InvalidRequest) as caught:
            mq.bodies(make_wall(), camera={"fx": focal, "fy": focal, "cx": 160, "cy": 120})
        assert caught.value.code == "camera_implausible"


def test_a_video_becomes_a_moving_body(mq: Maquette, moving: Path, tmp_path: Path) -> None:
    result = mq.bodies(video=moving, formats=["glb", "bvh", "npz", "json"]).wait()
    [track] = result.tracks
    assert result.bodies == [] and result.data.frames == FRAMES and result.data.space == "camera"
    assert (track.first_frame, track.last_frame) == (0, FRAMES - 1) and track.frames >= FRAMES - 2
    assert track.jitter is not None and track.jitter_raw is not None and track.jitter < track.jitter_raw
    folder = result.save(tmp_path)
    data = (folder / track.files["glb"][0]).read_bytes()
    assert_valid(data)
    [clip] = read_glb(data).document["animations"]
    times = read_glb(data).accessor(clip["samplers"][0]["input"])
    np.testing.assert_allclose(times, np.arange(FRAMES) / RATE, atol=1e-3)
    stored = np.load(folder / track.files["npz"][0])
    camera = track.camera
    neck = stored["joints"][:, stored["joint_names"].tolist().index("neck01")]
    across = camera.fx * neck[:, 0] / neck[:, 2] + camera.cx
    # the neck moves as the whole mannequin does
    assert np.polyfit(np.arange(FRAMES), across, 1)[0] == pytest.approx(12, abs=2)
    assert count_frames((folder / "overlay.mp4").read_bytes()) == FRAMES
    text = (folder / track.files["bvh"][0]).read_text()
    assert f"Frames: {FRAMES}" in text
    assert json.loads((folder / track.files["json"][0]).read_text())["about"]["space"] == "camera"


def test_a_video_continues_from_a_track_job(stack: Stack, moving: Path) -> None:
    async def work() -> list[int]:
        async with AsyncMaquette(stack.url, api_key=stack.api_key) as mq:
            known = await mq.media(await mq.upload(moving))
            assert known is not None and known.kind == "video" and known.frames == FRAMES
            tracked = await mq.track(moving, text="person", max_frames=3)
            tracks = (await tracked.wait()).tracks
            bodies = await mq.bodies(from_job=tracked, max_frames=3, formats=["npz"], smoothing=False)
            result = await bodies.wait()
            assert result.data.frames == 3 and result.provenance.from_job == tracked.id
            return [track.id for track in result.tracks] + [len(tracks)]

    assert asyncio.run(work()) == [1, 1]


def test_the_command_line_takes_images_and_videos(stack: Stack, moving: Path, tmp_path: Path) -> None:
    image = tmp_path / "astronaut.png"
    Image.fromarray(skimage.data.astronaut()).save(image)
    out = tmp_path / "out"
    words = ("--out", str(out), "--lod", "2", "--format", "glb,bvh", "--max-people", "3")
    outcome = run_cli(stack, "bodies", str(image), *words)
    assert (
        "body-000.bvh" in outcome.stdout
        and (out / "body-000.bvh").is_file()
        and (out / "body-000.glb").is_file()
    )
    video = tmp_path / "video"
    outcome = run_cli(
        stack, "--json", "bodies", str(moving), "--max-frames", "3", "-f", "glb,bvh", "-o", str(video)
    )
    assert json.loads(outcome.stdout)["result"]["tracks"][0]["files"]["bvh"] == ["track-001.bvh"]
    assert (video / "overlay.mp4").is_file() and (video / "track-001.glb").read_bytes()[:4] == b"glTF"
    failed = run_cli(stack, "bodies", str(image), "--format", "fbx", check=False)
    assert failed.status != 0 and "a format is one of glb" in failed.stderr


def test_a_given_height_sets_size_and_distance(mq: Maquette, stack: Stack, tmp_path: Path) -> None:
    image = skimage.data.astronaut()
    boxes = [(60, 0, 400, 512)]
    [guess] = mq.bodies(image, boxes=boxes).wait().bodies
    assert guess.scale_source == "prior" and guess.height_range_m is not None
    low, high = guess.height_range_m
    assert 0.9 <= low < guess.height_m < high <= 2.1
    Image.fromarray(image).save(tmp_path / "person.png")
    words = ("bodies", str(tmp_path / "person.png"), "--box", "60,0,400,512", "--height", "1.12")
    [body] = json.loads(run_cli(stack, "--json", *words).stdout)["result"]["bodies"]
    assert body["height_m"] == pytest.approx(1.12) and body["scale_source"] == "metric"
    assert body["height_range_m"] is None and "height_given" in body["flags"]
    nose, guessed = body["keypoints"][0], guess.keypoints[0]
    assert nose["xy"] == pytest.approx(guessed.xy)
    # somebody of 1.12 m stands nearer; the larger head of a child keeps the distance from following exactly
    assert nose["xyz"][2] == pytest.approx(guessed.xyz[2] * 1.12 / guess.height_m, rel=0.25)


def test_a_crowd_in_one_image(mq: Maquette) -> None:
    person = np.asarray(Image.fromarray(skimage.data.astronaut()).resize((200, 200)))
    crowd = np.tile(person, (3, 4, 1))
    boxes = [(200 * c + 8, 200 * r, 200 * c + 172, 200 * r + 200) for r in range(3) for c in range(4)]
    result = mq.bodies(crowd, boxes=boxes).wait(timeout=120)
    assert len(result.bodies) + len(result.data.failures) == 12 and len(result.bodies) >= 10


def test_the_command_takes_masks_and_camera_poses(stack: Stack, moving: Path, tmp_path: Path) -> None:
    mask = np.zeros((512, 512), bool)
    mask[:, 60:400] = True
    Image.fromarray(mask).save(tmp_path / "mask.png")
    Image.fromarray(skimage.data.astronaut()).save(tmp_path / "person.png")
    outcome = run_cli(
        stack, "--json", "bodies", str(tmp_path / "person.png"), "--mask", str(tmp_path / "mask.png")
    )
    [body] = json.loads(outcome.stdout)["result"]["bodies"]
    assert body["box"] == {"x0": 60, "y0": 0, "x1": 400, "y1": 512}
    (tmp_path / "poses.json").write_text(json.dumps([np.eye(4).tolist()] * FRAMES))
    poses = ("--world-from-cam", str(tmp_path / "poses.json"), "--world-up", "z", "--max-gap", "0.2")
    outcome = run_cli(stack, "--json", "bodies", str(moving), *poses, "--max-frames", "3")
    assert json.loads(outcome.stdout)["result"]["space"] == "world"
    (tmp_path / "poses.json").write_text("[[1, 2], [3, 4]]")
    refused = run_cli(stack, "bodies", str(moving), *poses, check=False)
    assert refused.status != 0 and "4x4" in refused.stderr
