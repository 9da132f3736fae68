"""Video prompts and sessions through the SDK and the command line, on the embedded stack."""

import asyncio
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from maquette import ApiError, AsyncMaquette, InvalidRequest, Maquette, NotFound
from numpy.typing import NDArray
from pycocotools import mask as coco

from service.embedded import Stack
from tests.support.cli import run_cli
from tests.support.scenes import write_ball_video
from workers.geometry.boxes import bounding_box
from workers.geometry.overlap import mask_iou

FRAMES = 12


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[NDArray[np.bool_]]]:
    path = tmp_path_factory.mktemp("video") / "ball.mp4"
    return path, write_ball_video(path, FRAMES)


Video = tuple[Path, list[NDArray[np.bool_]]]


def agreement(frames: Any, truth: list[NDArray[np.bool_]], number: int = 1) -> list[float]:
    return [
        mask_iou(next(o.mask for o in frame.objects if o.id == number), truth[frame.index])
        for frame in frames
    ]


def test_frames_arrive_while_the_job_runs(mq: Maquette, video: Video) -> None:
    path, truth = video
    job = mq.track(path, prompts=[{"frame": 6, "box": bounding_box(truth[6])}], direction="both")
    frames = list(job.frames())
    assert [frame.index for frame in frames] == list(range(FRAMES))
    assert np.mean(agreement(frames, truth)) > 0.85
    assert [frame.pts for frame in frames] == sorted(frame.pts for frame in frames)
    names = [event.data["name"] for event in job.events() if event.type == "artefact"]
    assert "masks-00000.jsonl" in names


def test_exemplars_are_refused_by_an_engine_that_does_not_support_them(
    mq: Maquette, stack: Stack, video: Video
) -> None:
    path, truth = video
    exemplars = [{"frame": 3, "box": bounding_box(truth[3]), "phrase": 0}]
    with pytest.raises(InvalidRequest) as refused:
        mq.track(path, text="sports ball", exemplars=exemplars)
    assert refused.value.problem.code == "exemplars_on_video_unsupported"
    words = ["track", str(path), "-t", "sports ball", "-e", ",".join(map(str, [3, *bounding_box(truth[3])]))]
    outcome = run_cli(stack, *words, check=False)
    assert outcome.status != 0 and "exemplars_on_video_unsupported" in outcome.stderr + outcome.stdout


def test_a_correction_and_a_removal(mq: Maquette, video: Video) -> None:
    path, truth = video
    elsewhere = (270, 180, 310, 220)
    prompts = [
        {"frame": 0, "box": elsewhere},
        {"frame": 4, "object": 1, "box": bounding_box(truth[4])},
        {"frame": 8, "object": 1, "remove": True},
    ]
    frames = list(mq.track(path, prompts=prompts).frames())
    late = [frame for frame in frames if frame.index >= 8]
    assert late and not any(frame.objects for frame in late)
    corrected = [frame for frame in frames if 4 <= frame.index < 8]
    assert np.mean(agreement(corrected, truth)) > 0.85


def test_a_frame_of_a_video_is_segmented(mq: Maquette, video: Video) -> None:
    path, truth = video
    prompt = {"box": bounding_box(truth[10]), "points": [(10, 10, 0)]}
    result = mq.segment(path, frame=10, prompts=[prompt], outputs=["polygons", "png"]).wait()
    [instance] = result.instances
    assert mask_iou(instance.mask, truth[10]) > 0.9
    assert result.data.frame == 10 and instance.data.prompt.kind == "prompt"
    flat = list(instance.data.polygons or [])
    polygons = coco.decode(coco.merge(coco.frPyObjects(flat, *truth[10].shape))).astype(bool)
    assert mask_iou(polygons, instance.mask) > 0.97
    assert instance.data.borders == []
    assert any(artefact.name == "mask-000.png" for artefact in result.artefacts)
    with pytest.raises(ApiError) as caught:
        mq.segment(path, boxes=[bounding_box(truth[0])])
    assert caught.value.code == "not_an_image"


def test_a_session_is_prompted_corrected_and_propagated(mq: Maquette, video: Video) -> None:
    path, truth = video
    with mq.session(path) as session:
        first = session.prompt(5, box=bounding_box(truth[5]))
        assert first.object == 1 and first.preview is not None
        assert mask_iou(first.preview.mask, truth[5]) > 0.9
        wrong = session.prompt(5, box=(270, 180, 310, 220))
        assert wrong.object == 2
        session.undo()
        assert [item.object for item in session.data.prompts] == [1]
        frames = list(session.propagate(direction="both").frames())
        assert np.mean(agreement(frames, truth)) > 0.85
        # a point alone starts from the object's propagated mask on that frame
        y, x = np.argwhere(truth[9]).mean(0)
        corrected = session.prompt(9, points=[(x, y)], object=1)
        assert corrected.preview is not None and mask_iou(corrected.preview.mask, truth[9]) > 0.85
        # propagation from frame 7 starts from the object's known mask there
        again = list(session.propagate(start_frame=7, max_frames=4).frames())
        assert [frame.index for frame in again] == list(range(7, 11))
        assert np.mean(agreement(again, truth)) > 0.85
        session.prompt(10, object=1, remove=True)
        ended = list(session.propagate(start_frame=7).frames())
        assert [f.index for f in ended if f.objects] == list(range(7, 10))
    with pytest.raises(NotFound):
        mq.resume_session(session.id)


def test_corrections_that_meet_no_object_are_refused_at_once(
    mq: Maquette, stack: Stack, video: Video
) -> None:
    path, truth = video
    box = bounding_box(truth[4])
    prompts = [{"frame": 4, "box": box}, {"frame": 2, "object": 1, "points": [(300, 20, 0)]}]
    with pytest.raises(InvalidRequest) as caught:
        mq.track(path, prompts=prompts)
    assert caught.value.code == "prompt_without_object"
    words = ["--box", ",".join(map(str, box)), "--point", "300,20,0"]
    outcome = run_cli(stack, "track", str(path), *words, check=False)
    assert outcome.status != 0 and "at least one on it" in outcome.stderr + outcome.stdout
    # backward, the correction meets the object
    frames = list(mq.track(path, prompts=prompts, direction="backward").frames())
    assert [frame.index for frame in frames if frame.objects] == list(range(5))


def test_sessions_refuse_impossible_prompts(mq: Maquette, video: Video) -> None:
    path, truth = video
    session = mq.session(path)
    with pytest.raises(ApiError) as caught:
        session.propagate()
    assert caught.value.code == "session_empty"
    with pytest.raises(ApiError) as caught:
        session.prompt(0, object=3, points=[(1, 1)])
    assert caught.value.code == "object_unknown"
    with pytest.raises(ApiError) as caught:
        session.prompt(0, box=(900, 900, 950, 950))
    assert caught.value.code == "prompt_outside_image"
    with pytest.raises(InvalidRequest):
        session.prompt(0)
    session.prompt(5, box=bounding_box(truth[5]))
    with pytest.raises(ApiError) as caught:
        session.propagate(start_frame=9)
    assert caught.value.code == "object_not_followed"
    with pytest.raises(ApiError) as caught:
        mq.session(path, text="gargoyle")
    assert caught.value.code == "unknown_phrase"


def test_a_session_of_the_asynchronous_client(stack: Stack, video: Video) -> None:
    path, truth = video

    async def work() -> list[int]:
        async with AsyncMaquette(stack.url, api_key=stack.api_key) as mq, await mq.session(path) as session:
            prompted = await session.prompt(0, box=bounding_box(truth[0]))
            assert prompted.preview is not None and mask_iou(prompted.preview.mask, truth[0]) > 0.9
            job = await session.propagate(max_frames=4)
            return [frame.index async for frame in job.frames()]

    assert asyncio.run(work()) == list(range(4))


def test_the_command_line_tracks_and_annotates(stack: Stack, video: Video, tmp_path: Path) -> None:
    path, truth = video
    box = ",".join(map(str, bounding_box(truth[0])))
    out = tmp_path / "out"
    run_cli(stack, "track", str(path), "--box", box, "--out", str(out), "--png")
    names = {file.name for file in out.iterdir()}
    assert {"overlay.mp4", "ytvis.json", "masks-00000.jsonl", "ids-00000.zip", "result.json"} <= names
    annotations = json.loads((out / "ytvis.json").read_text())
    assert annotations["videos"][0]["length"] == FRAMES and len(annotations["annotations"]) == 1
    name = json.loads(run_cli(stack, "--json", "session", "open", str(path)).stdout)["id"]
    words = ("session", "prompt", name, "--frame", "0", "--box", box)
    assert json.loads(run_cli(stack, "--json", *words).stdout)["object"] == 1
    run_cli(stack, "session", "propagate", name, "--max-frames", "3", "--out", str(tmp_path / "s"))
    assert (tmp_path / "s" / "overlay.mp4").exists()
    run_cli(stack, "session", "close", name)
    assert "session_unknown" in run_cli(stack, "session", "show", name, check=False).stderr
