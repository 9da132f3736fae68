"""Track jobs in every direction with an engine of the test's own: what it is given is known."""

import io
import json
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from maquette.contract import Manifest, TrackJob
from PIL import Image
from pycocotools import mask as coco

from media.errors import MediaError
from storage.ledger import jobs
from tests.support.media_files import frame_color
from tests.support.video_worlds import FakeHeartbeat, Killed, VideoWorld
from workers.engines.protocols import EngineInfo, FrameResult, TrackedInstance, TrackPrompts, VideoFrame
from workers.errors import JobProblem
from workers.jobs.track import chunked_tracking

FRAMES, CHUNK, SIZE = 30, 8, (64, 48)


class Recorder:
    """Follows each click from its frame on, and one thing that phrases find, which jumps at frame 20.

    It numbers found things as it meets them, so a second pass gives other ids than the first.
    """

    info = EngineInfo("fake", "concepts", "1", "cpu", "Apache-2.0", ("video_masks",), ())

    def __init__(self) -> None:
        self.seen: list[int] = []

    def check(self, phrases: Sequence[str]) -> None:
        return

    def tracker(self, prompts: TrackPrompts, *, state: bytes | None = None) -> "Following":
        return Following(self, prompts, json.loads(state) if state else {"on": [], "found": {}})


class Following:
    def __init__(self, engine: Recorder, prompts: TrackPrompts, state: dict[str, Any]) -> None:
        self.engine, self.prompts, self.state = engine, prompts, state

    def step(self, frame: VideoFrame) -> list[FrameResult]:
        # pixels tell which frame this really is
        assert np.abs(frame.image[20:].mean((0, 1)) - frame_color(frame.index)).max() < 8
        self.engine.seen.append(frame.index)
        on, actual = self.state["on"], self.state["found"]
        on += [t.id for t in self.prompts.visual_prompts if t.frame == frame.index and t.id not in on]
        on[:] = [
            n for n in on if not any(r.id == n and r.frame == frame.index for r in self.prompts.removals)
        ]
        objects = [make_instance(n, len(self.prompts.phrases) + n - 1, None, 4 * n) for n in on]
        if self.prompts.phrases:
            names = ["early" if frame.index < 20 else "late", "always"]
            for name in names[:: -1 if frame.index < 10 else 1]:
                number = actual.setdefault(name, self.prompts.objects + len(actual) + 1)
                objects.append(make_instance(number, 0, "cat", {"early": 30, "late": 40, "always": 50}[name]))
        return [FrameResult(frame.index, frame.pts, tuple(sorted(objects, key=lambda item: item.id)))]

    def finish(self) -> list[FrameResult]:
        return []

    def snapshot(self) -> bytes:
        return json.dumps(self.state).encode()


def make_instance(number: int, prompt: int, label: str | None, x: int) -> TrackedInstance:
    mask = np.zeros((SIZE[1], SIZE[0]), bool)
    mask[4:40, x : x + 6] = True
    return TrackedInstance(mask, (float(x), 4.0, x + 6.0, 40.0), 0.9, prompt, label, id=number)


class Heartbeat(FakeHeartbeat):
    """Ends the worker after a number of tracked steps."""

    def __init__(self, dies_at: int | None) -> None:
        super().__init__()
        self.dies_at = dies_at

    def is_last(self, progress: dict[str, Any]) -> bool:
        tracked_steps = sum(report["stage"] == "track" for report in self.reports)
        return self.dies_at is not None and tracked_steps > self.dies_at


class World(VideoWorld):
    """`run` does a job, after deaths of its worker if there are any."""

    def __init__(self, folder: Path) -> None:
        self.engine = Recorder()
        super().__init__(folder, {"concepts": self.engine}, FRAMES, SIZE)
        self.events: list[dict[str, Any]] = []
        # frames done and frames in all, as the last attempt reported them
        self.counts: list[tuple[int, int]] = []

    def run(self, *deaths: int, **fields: Any) -> Manifest:
        request = TrackJob(video=self.video, **fields)
        job_id = self.submit(request)
        # an attempt that reaches the end before its death was due is the last one
        for dies_at in (*deaths, None):
            beat = Heartbeat(dies_at)
            with suppress(Killed):
                manifest = self.attempt(job_id, request, beat)
                break
        self.counts = [(seen["done"], seen["total"]) for seen in beat.reports if seen["stage"] == "track"]
        self.events = [e for e in jobs.list_events(self.db, job_id, 0) if e["type"] == "artefact"]
        return manifest

    def rows(self, manifest: Manifest) -> list[dict[str, Any]]:
        masks = [a for a in manifest.artefacts if a.role == "masks"]
        return [json.loads(line) for a in masks for line in self.store.get(a.sha256).decode().splitlines()]


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator["World"]:
    monkeypatch.setattr(chunked_tracking, "CHUNK_FRAMES", CHUNK)
    shared = World(tmp_path)
    yield shared
    shared.close()


def present(rows: list[dict[str, Any]], number: int) -> list[int]:
    return [row["frame"] for row in rows if any(item["id"] == number for item in row["objects"])]


BOX = {"x0": 4, "y0": 4, "x1": 10, "y1": 40}


def test_a_prompt_on_a_later_frame_starts_there(world: World) -> None:
    built = world.run(prompts=[{"frame": 12, "box": BOX}, {"frame": 20, "object": 1, "remove": True}])
    assert world.engine.seen == list(range(12, 30))
    rows = world.rows(built)
    assert [row["frame"] for row in rows] == list(range(12, 30))
    assert present(rows, 1) == list(range(12, 20))
    [track] = built.result.tracks
    assert (track.prompt.kind, track.prompt.index) == ("prompt", 0)


# frames that are tracked, as the fields of a request say
PASSES: list[tuple[dict[str, Any], int]] = [
    ({}, FRAMES),
    ({"max_frames": 12}, 12),
    ({"start_frame": 12}, 18),
    ({"start_frame": 12, "max_frames": 15}, 15),
    ({"start_frame": 20, "direction": "backward"}, 21),
    ({"direction": "backward", "max_frames": 11}, 11),
]


def test_progress_counts_the_frames_that_will_be_tracked(world: World) -> None:
    for fields, total in PASSES:
        world.run(text=["cat"], outputs=[], **fields)
        assert {seen for _, seen in world.counts} == {total}, fields
        assert world.counts[-1] == (total, total)
    # a job that was taken up again
    world.run(10, text=["cat"], outputs=[], start_frame=12, max_frames=15)
    assert {seen for _, seen in world.counts} == {15} and len(world.counts) < 15


def test_backward_comes_out_in_ascending_order(world: World) -> None:
    built = world.run(boxes=[BOX], direction="backward", start_frame=20)
    assert world.engine.seen == list(range(20, -1, -1))
    assert [row["frame"] for row in world.rows(built)] == list(range(21))
    pts = [row["pts"] for row in world.rows(built)]
    assert pts == sorted(pts) and len(set(pts)) == 21
    spans = [(c.first_frame, c.last_frame) for c in built.result.chunks]
    assert spans[0][0] == 0 and spans[-1][1] == 20
    assert all(a[1] + 1 == b[0] for a, b in pairwise(spans))


def test_backward_without_a_start_begins_at_the_end(world: World) -> None:
    built = world.run(boxes=[BOX], direction="backward", max_frames=5)
    assert world.engine.seen == [29, 28, 27, 26, 25]
    assert present(world.rows(built), 1) == [25, 26, 27, 28, 29]


def test_both_directions_are_one_video_with_one_id(world: World) -> None:
    built = world.run(prompts=[{"frame": 15, "box": BOX}], text=["cat"], direction="both")
    rows = world.rows(built)
    assert [row["frame"] for row in rows] == list(range(30))
    assert present(rows, 1) == list(range(30))
    # what both passes see on frame 15 is one object, what only the second sees is another
    places = {item["id"]: item["box"][0] for row in rows for item in row["objects"]}
    assert sorted(places.values()) == [4.0, 30.0, 40.0, 50.0]
    by_place = {place: number for number, place in places.items()}
    assert present(rows, by_place[50.0]) == list(range(30))
    assert present(rows, by_place[30.0]) == list(range(20))
    assert present(rows, by_place[40.0]) == list(range(20, 30))
    assert {t.id: (t.first_frame, t.last_frame) for t in built.result.tracks}[by_place[30.0]] == (0, 19)


@pytest.mark.parametrize("direction", ["forward", "backward", "both"])
@pytest.mark.parametrize("deaths", [(5,), (10, 3), (17, 9), (24,), (29, 12)])
def test_killed_workers_change_nothing(world: World, direction: str, deaths: tuple[int, ...]) -> None:
    options: dict[str, Any] = {"text": ["cat"], "points": [[{"x": 9, "y": 9}]], "direction": direction}
    options |= {} if direction == "backward" else {"start_frame": 10}
    whole = world.run(**options)
    again = world.run(*deaths, **options)
    assert again.model_dump() == whole.model_dump()
    stated = [event["data"]["name"] for event in world.events]
    assert len(stated) == len(set(stated)), "an artefact is listed once"


def test_a_video_that_ends_on_a_chunk_is_taken_up_again(world: World) -> None:
    options: dict[str, Any] = {"boxes": [BOX], "max_frames": 16}
    assert world.run(15, **options).model_dump() == world.run(**options).model_dump()
    whole = world.run(boxes=[BOX], start_frame=14)
    assert world.run(15, boxes=[BOX], start_frame=14).model_dump() == whole.model_dump()


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"prompts": [{"frame": 3, "box": BOX}], "start_frame": 9}, "prompt_never_reached"),
        (
            {"prompts": [{"frame": 9, "box": BOX}], "start_frame": 3, "direction": "backward"},
            "prompt_never_reached",
        ),
        ({"prompts": [{"frame": 3, "points": [{"x": 70, "y": 3}]}]}, "prompt_outside_image"),
        (
            {"prompts": [{"frame": 3, "mask": {"size": [10, 10], "counts": "T3"}}]},
            "mask_size_mismatch",
        ),
    ],
)
def test_prompts_that_cannot_be_satisfied_are_refused(
    world: World, fields: dict[str, Any], code: str
) -> None:
    with pytest.raises(JobProblem) as caught:
        world.run(**fields)
    assert caught.value.problem.code == code


def test_a_start_beyond_the_end(world: World) -> None:
    with pytest.raises(MediaError) as caught:
        world.run(boxes=[BOX], start_frame=30)
    assert caught.value.code == "frame_beyond_end"


def test_prompts_beyond_the_end_are_an_error(world: World) -> None:
    late = {"frame": 99, "box": BOX}
    built = world.run(
        prompts=[{"frame": 1, "box": BOX}, late, {"frame": 2, "object": 9, "remove": True}], text=["x"]
    )
    assert built.flags == ["prompts_not_reached", "prompt_object_unknown"]


def test_ytvis_holds_the_masks_and_the_negatives(world: World) -> None:
    built = world.run(text=["cat", "dog"], boxes=[BOX], outputs=["ytvis", "png", "overlay"], start_frame=5)
    stored = {a.name: a.sha256 for a in built.artefacts}
    document = json.loads(world.store.get(stored["ytvis.json"]))
    assert document["videos"][0]["length"] == 25 and document["videos"][0]["file_names"][0] == "00005.jpg"
    names = {item["id"]: item["name"] for item in document["categories"]}
    assert {pair["noun_phrase"]: pair["num_masklets"] for pair in document["video_np_pairs"]} == {
        "cat": 3,
        "dog": 0,
    }
    rows = world.rows(built)
    for annotation in document["annotations"]:
        assert names[annotation["category_id"]] == (annotation["noun_phrase"] or "object")
        for row, rle, box, area in zip(
            rows, annotation["segmentations"], annotation["bboxes"], annotation["areas"], strict=True
        ):
            [seen] = [item for item in row["objects"] if item["id"] == annotation["id"]] or [None]
            assert (seen is None) == (rle is None) == (box is None) == (area is None)
            if seen is not None:
                assert rle == seen["mask"]
                assert coco.toBbox({**rle, "counts": rle["counts"].encode()}).tolist() == box
                assert area == 36 * 6
    ids: list[Any] = []
    for name in sorted(stored):
        if name.startswith("ids-"):
            with zipfile.ZipFile(io.BytesIO(world.store.get(stored[name]))) as archive:
                ids += [np.asarray(Image.open(io.BytesIO(archive.read(n)))) for n in archive.namelist()]
    assert len(ids) == 25
    for image, row in zip(ids, rows, strict=True):
        assert sorted(set(image.ravel()) - {0}) == sorted(item["id"] for item in row["objects"])
    video = world.store.path(stored["overlay.mp4"])
    assert len(list(world.sandbox.frames(video).frames)) == 25
