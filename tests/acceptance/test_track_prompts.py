"""Video prompts and sessions as a user of the SDK and the command line has them, on the embedded stack."""

import asyncio
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from maquette import ApiError, AsyncMaquette, InvalidRequest, JobFailed, Maquette, NotFound
from numpy.typing import NDArray
from pycocotools import mask as coco

from service.embedded import Stack
from tests.acceptance.test_cli import maquette
from tests.support.scenes import moving_ball
from workers.geometry.boxes import bounding_box
from workers.geometry.overlap import mask_iou

FRAMES = 60


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[NDArray[np.bool_]]]:
    path = tmp_path_factory.mktemp("film") / "ball.mp4"
    return path, moving_ball(path, FRAMES)


Film = tuple[Path, list[NDArray[np.bool_]]]


def agreement(frames: Any, truth: list[NDArray[np.bool_]], number: int = 1) -> list[float]:
    return [
        mask_iou(next(o.mask for o in frame.objects if o.id == number), truth[frame.index])
        for frame in frames
    ]


def test_frames_come_while_the_job_runs(mq: Maquette, film: Film) -> None:
    path, truth = film
    job = mq.track(path, prompts=[{"frame": 30, "box": bounding_box(truth[30])}], direction="both")
    frames = list(job.frames())
    assert [frame.index for frame in frames] == list(range(FRAMES))
    assert np.mean(agreement(frames, truth)) > 0.85
    assert [frame.pts for frame in frames] == sorted(frame.pts for frame in frames)
    told = [event.data["name"] for event in job.events() if event.type == "artefact"]
    assert "masks-00000.jsonl" in told


def test_an_exemplar_on_a_frame_is_refused_by_an_engine_that_takes_none(
    mq: Maquette, stack: Stack, film: Film
) -> None:
    path, truth = film
    shown = [{"frame": 3, "box": bounding_box(truth[3]), "phrase": 0}]
    with pytest.raises(JobFailed) as refused:
        mq.track(path, text="sports ball", exemplars=shown).wait()
    assert refused.value.problem.code == "exemplars_on_video_unsupported"
    given = ["track", str(path), "-t", "sports ball", "-e", ",".join(map(str, [3, *bounding_box(truth[3])]))]
    done = maquette(stack, *given, check=False)
    assert done.returncode != 0 and "exemplars_on_video_unsupported" in done.stderr + done.stdout


def test_a_correction_and_a_removal(mq: Maquette, film: Film) -> None:
    path, truth = film
    elsewhere = (270, 180, 310, 220)
    prompts = [
        {"frame": 0, "box": elsewhere},
        {"frame": 20, "object": 1, "box": bounding_box(truth[20])},
        {"frame": 50, "object": 1, "remove": True},
    ]
    frames = list(mq.track(path, prompts=prompts).frames())
    late = [frame for frame in frames if frame.index >= 50]
    assert late and not any(frame.objects for frame in late)
    mended = [frame for frame in frames if 20 <= frame.index < 50]
    assert np.mean(agreement(mended, truth)) > 0.85


def test_a_frame_of_a_video_is_segmented(mq: Maquette, film: Film) -> None:
    path, truth = film
    asked = {"box": bounding_box(truth[25]), "points": [(10, 10, 0)]}
    result = mq.segment(path, frame=25, prompts=[asked], outputs=["polygons", "png"]).wait()
    [found] = result.instances
    assert mask_iou(found.mask, truth[25]) > 0.9
    assert result.data.frame == 25 and found.data.prompt.kind == "prompt"
    flat = list(found.data.polygons or [])
    drawn = coco.decode(coco.merge(coco.frPyObjects(flat, *truth[25].shape))).astype(bool)
    assert mask_iou(drawn, found.mask) > 0.97
    assert found.data.borders == []
    assert any(artefact.name == "mask-000.png" for artefact in result.artefacts)
    with pytest.raises(ApiError) as caught:
        mq.segment(path, boxes=[bounding_box(truth[0])])
    assert caught.value.code == "not_an_image"


def test_a_session_is_prompted_mended_and_propagated(mq: Maquette, film: Film) -> None:
    path, truth = film
    with mq.session(path) as session:
        first = session.prompt(10, box=bounding_box(truth[10]))
        assert first.object == 1 and first.preview is not None
        assert mask_iou(first.preview.mask, truth[10]) > 0.9
        wrong = session.prompt(10, box=(270, 180, 310, 220))
        assert wrong.object == 2
        session.undo()
        assert [item.object for item in session.data.prompts] == [1]
        frames = list(session.propagate(direction="both").frames())
        assert np.mean(agreement(frames, truth)) > 0.85
        # a point alone starts from the mask that the propagation has of the object there
        y, x = np.argwhere(truth[40]).mean(0)
        mended = session.prompt(40, points=[(x, y)], object=1)
        assert mended.preview is not None and mask_iou(mended.preview.mask, truth[40]) > 0.85
        # from frame 30 on, the object is taken over by its known mask there
        again = list(session.propagate(start_frame=30, max_frames=20).frames())
        assert [frame.index for frame in again] == list(range(30, 50))
        assert np.mean(agreement(again, truth)) > 0.85
        session.prompt(45, object=1, remove=True)
        ended = list(session.propagate(start_frame=30).frames())
        assert [f.index for f in ended if f.objects] == list(range(30, 45))
    with pytest.raises(NotFound):
        mq.resume_session(session.id)


def test_sessions_refuse_what_cannot_be(mq: Maquette, film: Film) -> None:
    path, truth = film
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
        session.propagate(start_frame=20)
    assert caught.value.code == "object_not_followed"
    with pytest.raises(ApiError) as caught:
        mq.session(path, text="gargoyle")
    assert caught.value.code == "unknown_phrase"


def test_a_session_of_the_asynchronous_client(stack: Stack, film: Film) -> None:
    path, truth = film

    async def work() -> list[int]:
        async with AsyncMaquette(stack.url, api_key=stack.api_key) as mq, await mq.session(path) as session:
            shown = await session.prompt(0, box=bounding_box(truth[0]))
            assert shown.preview is not None and mask_iou(shown.preview.mask, truth[0]) > 0.9
            job = await session.propagate(max_frames=10)
            return [frame.index async for frame in job.frames()]

    assert asyncio.run(work()) == list(range(10))


def test_the_command_line_tracks_and_annotates(stack: Stack, film: Film, tmp_path: Path) -> None:
    path, truth = film
    box = ",".join(map(str, bounding_box(truth[0])))
    out = tmp_path / "out"
    maquette(stack, "track", str(path), "--box", box, "--out", str(out), "--png")
    names = {file.name for file in out.iterdir()}
    assert {"overlay.mp4", "ytvis.json", "masks-00000.jsonl", "ids-00000.zip", "result.json"} <= names
    told = json.loads((out / "ytvis.json").read_text())
    assert told["videos"][0]["length"] == FRAMES and len(told["annotations"]) == 1
    name = json.loads(maquette(stack, "--json", "session", "open", str(path)).stdout)["id"]
    asked = ("session", "prompt", name, "--frame", "0", "--box", box)
    assert json.loads(maquette(stack, "--json", *asked).stdout)["object"] == 1
    maquette(stack, "session", "propagate", name, "--max-frames", "5", "--out", str(tmp_path / "s"))
    assert (tmp_path / "s" / "overlay.mp4").exists()
    maquette(stack, "session", "close", name)
    assert "session_unknown" in maquette(stack, "session", "show", name, check=False).stderr
