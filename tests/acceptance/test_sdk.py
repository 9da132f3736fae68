"""The SDK against the embedded stack: every kind of job on real images, over HTTP."""

import asyncio
import contextlib
import io
import json
import socket
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import skimage.data
import trimesh
from maquette import AsyncMaquette, InvalidRequest, JobFailed, Maquette, NotFound, Unauthorized
from maquette.contract import Rle
from maquette.rle import decode
from PIL import Image

from service.embedded import Stack
from tests.support.gltf_validator import assert_valid
from tests.support.images import image_size
from tests.support.scenes import MOTORCYCLE, draw_ball, make_wall, write_ball_video
from workers.formats.splat_ply import read_splat_ply
from workers.geometry.boxes import bounding_box
from workers.geometry.cameras import Camera
from workers.geometry.mesh_renderer import silhouette
from workers.geometry.overlap import mask_iou
from workers.geometry.poses import Similarity


def test_boxes_points_and_phrases_in_one_request(mq: Maquette) -> None:
    image = make_wall()
    first = draw_ball(image, (120, 90), 50, (220, 60, 40))
    second = draw_ball(image, (120, 240), 40, (40, 90, 220))
    states: list[str] = []
    job = mq.segment(image, text=["cat"], boxes=[bounding_box(first)], points=[[(240, 120), (10, 10, 0)]])
    result = job.wait(progress=lambda job: states.append(job.state))
    assert states[-1] == "succeeded"
    assert [(i.data.prompt.kind, i.data.prompt.index) for i in result.instances] == [
        ("box", 0),
        ("points", 0),
    ]
    assert mask_iou(result.instances[0].mask, first) > 0.9
    assert mask_iou(result.instances[1].mask, second) > 0.9
    for instance in result.instances:
        assert instance.mask.shape == image.shape[:2]
        assert instance.area == instance.mask.sum()
        assert instance.score is not None and 0 < instance.score <= 1


def test_a_phrase_finds_what_it_names_and_the_result_names_the_engine(mq: Maquette, tmp_path: Path) -> None:
    result = mq.segment(MOTORCYCLE, text="motorbikes").wait()
    assert [i.label for i in result.instances] == ["motorcycle"]
    assert 0.1 < result.instances[0].mask.mean() < 0.5
    [engine] = result.provenance.engines
    assert engine.name == "default" and all(len(sha) == 64 for sha in engine.weights.values())
    folder = result.save(tmp_path / "out")
    assert image_size(folder / "overlay.png") == image_size(MOTORCYCLE)
    assert json.loads((folder / "result.json").read_text())["result"]["kind"] == "segment"


def test_exemplars_find_all_of_their_kind_and_counter_exemplars_exclude(mq: Maquette) -> None:
    image = make_wall(seed=4)
    red = [draw_ball(image, place, 44, (220, 50, 40)) for place in ((70, 70), (180, 100), (130, 255))]
    orange = draw_ball(image, (65, 190), 44, (235, 120, 40))
    result = mq.segment(
        image, exemplars=[bounding_box(red[0])], counter_exemplars=[bounding_box(orange)]
    ).wait()
    assert {item.data.prompt.kind for item in result.instances} == {"exemplars"}
    assert len(result.instances) == len(red)
    for exact in red:
        assert max(mask_iou(item.mask, exact) for item in result.instances) > 0.9
    assert max(mask_iou(item.mask, orange) for item in result.instances) < 0.1


def test_a_result_without_objects_has_a_reason(mq: Maquette) -> None:
    result = mq.segment(make_wall(), text="giraffe").wait()
    assert result.instances == []
    assert result.reason and "nothing_found" in result.flags


def test_the_same_request_gives_the_same_hashes(mq: Maquette) -> None:
    runs = [mq.objects(MOTORCYCLE, text="motorcycle", seed=3).wait() for _ in range(2)]
    first, second = ({a.name: a.sha256 for a in run.artefacts} for run in runs)
    assert first == second and len(first) >= 3
    assert runs[0].job.result_sha256 == runs[1].job.result_sha256


def test_objects_from_a_job_agree_with_its_masks(mq: Maquette, tmp_path: Path) -> None:
    masks = mq.segment(MOTORCYCLE, text="motorcycle")
    mask = masks.wait().instances[0].mask
    result = mq.objects(from_job=masks).wait()
    [lifted] = result.objects
    folder = result.save(tmp_path)
    mesh = trimesh.load(folder / lifted.mesh, force="mesh", process=False)
    splat = read_splat_ply((folder / lifted.splat).read_bytes())
    welded = trimesh.Trimesh(mesh.vertices, mesh.faces)
    assert welded.is_watertight and welded.volume > 0
    assert np.ptp(mesh.vertices, axis=0).max() == pytest.approx(1.0, abs=1e-5)
    pose = Similarity(lifted.pose.rotation_wxyz, lifted.pose.translation, lifted.pose.scale)
    c = lifted.camera
    camera = Camera(c.width, c.height, c.fx, c.fy, c.cx, c.cy)
    seen = silhouette(pose.apply(np.asarray(mesh.vertices)), np.asarray(mesh.faces), camera)
    assert mask_iou(seen, mask) >= 0.97
    _, distance, _ = trimesh.proximity.closest_point_naive(welded, splat.means[::301].astype(np.float64))
    assert distance.max() < 1e-5
    assert {"default_engine", "unseen_side_guessed", "camera_assumed"} <= set(lifted.flags)
    assert lifted.scale_source == "relative"


def test_objects_from_masks_of_the_user(mq: Maquette) -> None:
    image = make_wall()
    mask = draw_ball(image, (120, 150), 60, (220, 60, 40))
    camera = {"fx": 400, "fy": 400, "cx": 160, "cy": 120}
    [lifted] = mq.objects(image, masks=[mask], mask_labels=["ball"], camera=camera).wait().objects
    assert lifted.label == "ball"
    assert lifted.silhouette_iou is not None and lifted.silhouette_iou >= 0.97
    assert lifted.camera.fx == 400 and "camera_assumed" not in lifted.flags
    with pytest.raises(InvalidRequest) as refused:
        mq.objects(image, masks=[mask[:100]])
    assert refused.value.code == "mask_size_mismatch"


def test_only_the_workers_child_holds_the_engines(stack: Stack) -> None:
    process = stack.process("worker").process
    assert process is not None
    parent = psutil.Process(process.pid)
    child = max(parent.children(), key=lambda process: process.memory_info().rss)

    def loads(process: psutil.Process, library: str) -> bool:
        return any(library in part.path for part in process.memory_maps())

    assert loads(child, "onnxruntime") and loads(child, "cv2")
    assert not loads(parent, "onnxruntime") and not loads(parent, "cv2")


def test_bodies_of_several_people_are_rigged(mq: Maquette, tmp_path: Path) -> None:
    person = skimage.data.astronaut()
    group = np.hstack([person, person[:, ::-1]])
    result = mq.bodies(group).wait()
    assert len(result.bodies) == 2
    folder = result.save(tmp_path)
    for body in result.bodies:
        scene = trimesh.load(folder / body.mesh)
        assert len(scene.geometry) == 1
        assert "truncated" in body.flags and "scale_not_metric" in body.flags
        nose = next(k for k in body.keypoints if k.name == "nose")
        assert body.box.x0 < nose.xy[0] < body.box.x1
    for body in result.bodies:
        assert_valid((folder / body.mesh).read_bytes())


def test_an_image_without_people_has_no_bodies_and_a_reason(mq: Maquette) -> None:
    result = mq.bodies(make_wall()).wait()
    assert result.bodies == [] and result.reason == "no person was found in the image"


def test_a_scene_has_one_coordinate_frame(mq: Maquette, tmp_path: Path) -> None:
    person = Image.fromarray(skimage.data.astronaut())
    image = Image.new("RGB", (1300, 520), (120, 120, 120))
    image.paste(person, (0, 4))
    image.paste(Image.open(MOTORCYCLE).convert("RGB"), (540, 10))
    result = mq.scene(image, ["person", "motorcycle"]).wait()
    assert sorted(node.kind for node in result.nodes) == ["body", "object"]
    folder = result.save(tmp_path)
    scene = trimesh.load(folder / "scene.glb")
    assert set(scene.graph.nodes_geometry) == {node.name for node in result.nodes}
    for node in result.nodes:
        transform, name = scene.graph[node.name]
        points = trimesh.transform_points(scene.geometry[name].vertices, transform)
        # glTF's camera looks down -z with y up
        camera = result.data.camera
        u = camera.fx * points[:, 0] / -points[:, 2] + camera.cx
        assert node.box.x0 - 60 < np.median(u) < node.box.x1 + 60
    splat = read_splat_ply((folder / "scene.ply").read_bytes())
    [node] = [node for node in result.nodes if node.kind == "object"]
    transform, name = scene.graph[node.name]
    solid = trimesh.Trimesh(
        trimesh.transform_points(scene.geometry[name].vertices, transform), scene.geometry[name].faces
    )
    _, distance, _ = trimesh.proximity.closest_point_naive(solid, splat.means[::501].astype(np.float64))
    assert distance.max() < 1e-5 * max(1.0, node.pose.scale)
    assert_valid((folder / "scene.glb").read_bytes())


def test_a_box_is_tracked_through_a_video(mq: Maquette, tmp_path: Path) -> None:
    video = tmp_path / "ball.mp4"
    exact = write_ball_video(video, 12)
    result = mq.track(video, boxes=[bounding_box(exact[0])]).wait()
    [track] = result.tracks
    assert (track.id, track.first_frame, track.last_frame, track.frames) == (1, 0, 11, 12)
    folder = result.save(tmp_path / "out")
    rows: list[dict[str, Any]] = []
    for file in sorted(folder.glob("masks-*.jsonl")):
        rows += [json.loads(line) for line in file.read_text().splitlines()]
    assert [row["frame"] for row in rows] == list(range(12))
    scores = [
        mask_iou(decode(Rle.model_validate(row["objects"][0]["mask"])), exact[row["frame"]]) for row in rows
    ]
    assert np.mean(scores) > 0.85
    times = [row["pts"] * result.data.time_base[0] / result.data.time_base[1] for row in rows]
    np.testing.assert_allclose(np.diff(times), 1 / 24, atol=1e-3)


def test_uploads_are_sent_once(mq: Maquette) -> None:
    image = make_wall(seed=77)
    sent: list[str] = []
    mq._http._client.event_hooks["request"].append(lambda r: sent.append(f"{r.method} {r.url.path}"))
    first, again = mq.upload(image), mq.upload(image)
    assert first == again
    assert sent.count("POST /v1/uploads") == 1


def test_problems_are_typed_exceptions(mq: Maquette, stack: Stack) -> None:
    with pytest.raises(InvalidRequest) as caught:
        mq.segment(make_wall(), text="quasar")
    assert caught.value.code == "unknown_phrase"
    with pytest.raises(InvalidRequest) as caught:
        mq.segment(make_wall(), boxes=[(5, 5, 1, 1)])
    assert caught.value.code == "invalid_request"
    with pytest.raises(InvalidRequest) as caught:
        mq.segment(b"not an image", text="cat")
    assert caught.value.code == "unsupported_media"
    with pytest.raises(InvalidRequest) as caught:
        mq.segment("https://127.0.0.1/x.png", text="cat")
    assert caught.value.code == "url_not_allowed"
    with pytest.raises(NotFound):
        mq.job("job_" + "0" * 28)
    with pytest.raises(Unauthorized), Maquette(stack.url, api_key="mq_wrong") as other:
        other.engines()
    with pytest.raises(JobFailed) as failed:
        mq.segment("https://no-such-host.invalid/x.png", text="cat").wait()
    assert failed.value.code == "url_failed"
    assert mq.segment(make_wall(), boxes=[(50, 50, 150, 150)]).wait().instances


def test_a_truncated_image_is_refused_at_once_or_fails_its_job(mq: Maquette) -> None:
    small, large = io.BytesIO(), io.BytesIO()
    Image.fromarray(make_wall(seed=5)).save(small, "JPEG", quality=95)
    with pytest.raises(InvalidRequest) as refused:
        mq.segment(small.getvalue()[: small.tell() // 2], text="cat")
    assert refused.value.code == "image_broken"
    Image.new("RGB", (4200, 4200), (90, 120, 30)).save(large, "JPEG", quality=95)
    job = mq.segment(large.getvalue()[: large.tell() // 2], text="cat")
    with pytest.raises(JobFailed) as failed:
        job.wait()
    assert failed.value.code == "image_broken"


def test_an_upload_longer_than_its_content_length_is_cut(stack: Stack, mq: Maquette) -> None:
    head = (
        f"POST /v1/uploads HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {stack.api_key}\r\n"
        "Content-Type: application/octet-stream\r\nContent-Length: 1024\r\n\r\n"
    )
    started = time.monotonic()
    with socket.create_connection(("127.0.0.1", stack.port), timeout=10) as connection:
        connection.sendall(head.encode() + b"\0" * 1024)
        with contextlib.suppress(OSError):
            for _ in range(100):
                connection.sendall(b"\0" * (1 << 20))
        answer = b""
        with contextlib.suppress(OSError):
            answer = connection.recv(4096)
    assert time.monotonic() - started < 5
    assert not answer or b"415" in answer.split(b"\r\n")[0] or b"400" in answer.split(b"\r\n")[0]
    assert mq.engines()


def test_jobs_are_listed_and_read_again(mq: Maquette) -> None:
    job = mq.segment(make_wall(), text="cat")
    job.wait()
    assert job.id in [listed.id for listed, _ in zip(mq.jobs(kind="segment"), range(5), strict=False)]
    assert mq.job(job.id).result().data.kind == "segment"
    events = list(job.events())
    assert [e.data["state"] for e in events if e.type == "state"] == ["queued", "running", "succeeded"]


def test_the_asynchronous_client(stack: Stack, tmp_path: Path) -> None:
    async def work() -> list[Any]:
        async with AsyncMaquette(stack.url, api_key=stack.api_key) as mq:
            jobs = [await mq.segment(make_wall(), text=[word]) for word in ("cat", "dog")]
            results = await asyncio.gather(*(job.wait() for job in jobs))
            folder = await results[0].save(tmp_path / "async")
            states = [event.data.get("state") async for event in jobs[0].events()]
            known = [job.id async for job in mq.jobs(kind="segment")]
            return [results, folder, states, known, jobs]

    results, folder, states, known, jobs = asyncio.run(work())
    assert all(result.data.kind == "segment" for result in results)
    assert (folder / "overlay.png").is_file()
    assert states[-1] == "succeeded"
    assert {job.id for job in jobs} <= set(known)


def test_an_exemplar_can_come_from_another_image(mq: Maquette) -> None:
    example = make_wall(seed=3)
    red = draw_ball(example, (100, 100), 40, (220, 60, 40))
    blue = draw_ball(example, (100, 230), 40, (40, 90, 220))
    image = make_wall(seed=4)
    wanted = draw_ball(image, (140, 220), 44, (220, 60, 40))
    other = draw_ball(image, (100, 90), 44, (40, 90, 220))
    positive = [{"box": bounding_box(red), "image": example}]
    negative = [{"box": bounding_box(blue), "image": example}]
    instances = mq.segment(image, exemplars=positive, counter_exemplars=negative).wait().instances
    assert max(mask_iou(item.mask, wanted) for item in instances) > 0.85
    assert max((mask_iou(item.mask, other) for item in instances), default=0) < 0.1
