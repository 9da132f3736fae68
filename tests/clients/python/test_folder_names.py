"""Videos of several folders that call their files alike stay apart, and so does what is known of each."""

import json
from pathlib import Path, PurePosixPath
from uuid import uuid4

import pytest
from maquette.dataset_plan import build_plan
from maquette.dataset_plan.errors import PlanError
from maquette.dataset_plan.videos import collect_videos
from maquette.sources.buckets import find_bucket_videos
from maquette.sources.folder_names import name_apart


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        ("/v/a/x_1.mp4 /v/b/y_1.mp4", "x_1.mp4 y_1.mp4"),
        ("/v/a/x.mp4 /v/a/y.mp4", "x.mp4 y.mp4"),
        ("/v/a/x.mp4 /v/a/x.mp4", "x.mp4 x.mp4"),
        ("/v/a/x.mp4 /v/b/x.mp4 /v/b/y.mp4", "a/x.mp4 b/x.mp4 b/y.mp4"),
        ("/v/a/X.mp4 /v/b/x.mp4", "a/X.mp4 b/x.mp4"),
        ("/v/day1/cam/x.mp4 /v/day2/cam/x.mp4", "day1/cam/x.mp4 day2/cam/x.mp4"),
        ("/v/x.mp4 /v/b/x.mp4", "v/x.mp4 b/x.mp4"),
        ("/x.mp4 /v/x.mp4", "x.mp4 v/x.mp4"),
        ("/v/x.mp4 /v/v/x.mp4", "v/x.mp4 v/v/x.mp4"),
    ],
)
def test_names_have_as_many_folders_as_tell_them_apart(paths: str, names: str) -> None:
    assert name_apart([PurePosixPath(path) for path in paths.split()]) == names.split()


def test_names_stay_within_the_service_limit() -> None:
    folders = "/".join(["f" * 200] * 4)
    long = [PurePosixPath(f"/{day}/{folders}/x.mp4") for day in ("a", "b")]
    assert [name[-5:] for name in name_apart(long)] == ["x.mp4"] * 2
    assert max(map(len, name_apart(long))) <= 500


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    for name in ("a/clip_1.mp4", "a/clip_2.mp4", "b/clip_1.mp4"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(name.encode())
    return tmp_path


def collect(folder: Path, sources: dict[str, object]) -> dict[str, object]:
    (folder / "sources.json").write_text(json.dumps(sources))
    content = {
        "text": ["person"],
        "input": {"videos": [str(folder)], "sources_file": str(folder / "sources.json")},
    }
    plan = build_plan(content, (), name="the test")
    return {video.info["name"]: video.info.get("licence") for video in collect_videos(plan)}


def test_what_is_known_goes_to_the_video_that_is_named(videos: Path) -> None:
    known = {"a/clip_1.mp4": {"licence": "A"}, "b/clip_1": {"licence": "B"}, "clip_2": {"licence": "two"}}
    assert collect(videos, known) == {"a/clip_1.mp4": "A", "b/clip_1.mp4": "B", "a/clip_2.mp4": "two"}
    known = {"a/clip_1.mp4": {"licence": "A"}, "clip_1.mp4": {"licence": "other"}}
    assert collect(videos, known) == {"a/clip_1.mp4": "A", "b/clip_1.mp4": "other", "a/clip_2.mp4": None}


def test_a_name_of_two_videos_is_refused(videos: Path) -> None:
    with pytest.raises(PlanError, match=r"'clip_1.mp4' names two videos.*a/clip_1.mp4 and b/clip_1.mp4"):
        collect(videos, {"clip_1.mp4": {"licence": "A"}})


def test_objects_of_a_bucket_keep_their_folders() -> None:
    fsspec = pytest.importorskip("fsspec")
    files, root = fsspec.filesystem("memory"), f"/{uuid4().hex}"
    for name in ("a/clip_1.mp4", "b/clip_1.mp4", "a/walk/0.png", "a/walk/1.png"):
        files.pipe(f"{root}/{name}", name.encode())
    found = find_bucket_videos(f"memory:/{root}")
    files.rm(root, recursive=True)
    assert [video.name for video in found] == ["a/clip_1.mp4", "a/walk", "b/clip_1.mp4"]


def test_addresses_keep_their_folders() -> None:
    addresses = [f"https://example.org/{day}/clip%201.mp4?key=secret" for day in ("a", "b")]
    plan = build_plan({"text": ["person"], "input": {"videos": addresses}}, (), name="the test")
    assert [video.info["name"] for video in collect_videos(plan)] == ["a/clip 1.mp4", "b/clip 1.mp4"]
