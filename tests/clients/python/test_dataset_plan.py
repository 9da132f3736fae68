"""Dataset plans: reading, changing, writing, the template, and the flags that build the same plan."""

import json
import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest
from maquette import Maquette, dataset_plan
from maquette.cli.main import app, explain_error
from maquette.contract import DatasetJob, MediaRef
from maquette.dataset_plan import (
    DatasetPlan,
    PlanError,
    build_plan,
    format_plan,
    plan_request,
    plan_template,
    read_plan,
)
from maquette.dataset_plan.running import submit_plan
from maquette.dataset_plan.videos import collect_videos
from PIL import Image
from typer.testing import CliRunner


def write(folder: Path, text: str) -> Path:
    file = folder / "plan.toml"
    file.write_text(text)
    return file


def minimal(**more: Any) -> dict[str, Any]:
    return {"text": ["cup"], "input": {"videos": ["a.mp4"]}, **more}


def print_plan(*words: str) -> DatasetPlan:
    result = CliRunner().invoke(app, ["dataset", *words, "--print-plan"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return build_plan(tomllib.loads(result.stdout))


def test_a_plan_has_every_option_of_the_job_and_its_defaults() -> None:
    plan = build_plan(minimal())
    job = DatasetJob(text=["cup"], videos=[{"id": "0" * 64}])
    # a plan makes a new version, and exports it on this machine by its `output`
    built = {"kind", "videos", "buckets", "sources", "skipped", "from_job", "reviews", "exports"}
    made = {"input", "output", "regates"}
    assert set(DatasetPlan.model_fields) == set(DatasetJob.model_fields) - built | made
    assert plan.job_options() == job.model_dump(exclude=built, exclude_none=True)


def test_paths_are_relative_to_the_plan_and_addresses_stay(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        'text = "cup"\n[input]\nvideos = ["a.mp4", "@list.txt", "https://h/b.mp4", "s3://c/d"]\n'
        'depth = "depth"\n[input.sources.a]\ndepth = {media = "near.npy", metres_per_unit = 0.01}\n'
        '[output]\nfolder = "/out"\n',
    )
    plan = read_plan(file)
    assert plan.text == ["cup"]
    assert plan.input.videos == [
        f"{tmp_path}/a.mp4", f"@{tmp_path}/list.txt", "https://h/b.mp4", "s3://c/d"
    ]  # fmt: skip
    assert plan.input.depth is not None and plan.input.depth.media == tmp_path / "depth"
    depth = plan.input.sources["a"].depth
    assert depth is not None and (depth.media, depth.metres_per_unit) == (tmp_path / "near.npy", 0.01)
    assert plan.output.folder == Path("/out")


def test_single_keys_can_be_changed(tmp_path: Path) -> None:
    file = write(tmp_path, 'text = ["cup"]\n[input]\nvideos = ["a.mp4"]\n[gates.motion]\nhigh = 0.9\n')
    changes = [
        "engine=sam3",
        "clip_seconds = 2",
        "gates.motion.low=0.1",
        'input.sources."kitchen.mp4".licence=CC-BY-4.0',
        'text=["cup", "a red car"]',
        "output.folder=out",
    ]
    plan = read_plan(file, changes)
    assert (plan.engine, plan.clip_seconds, plan.text) == ("sam3", 2, ["cup", "a red car"])
    assert plan.gates["motion"].model_dump() == {"low": 0.1, "high": 0.9}
    assert plan.input.sources["kitchen.mp4"].licence == "CC-BY-4.0"
    assert plan.output.folder == Path("out")


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (minimal(clip_second=3), "unknown key clip_second: did you mean clip_seconds?"),
        (minimal(gates={"moton": {"low": 1}}), "unknown key gates.moton: did you mean motion?"),
        (minimal(gates={"motion": {"lo": 1}}), "unknown key gates.motion.lo: did you mean low?"),
        (minimal(output={"foldr": "x"}), "unknown key output.foldr: did you mean folder?"),
        (
            {"text": "cup", "input": {"videos": "a", "sources": {"a.mp4": {"licnce": "CC0"}}}},
            'unknown key input.sources."a.mp4".licnce: did you mean licence?',
        ),
        (
            {"text": "cup", "input": {"videos": "a", "depth": {"media": "d", "metres": 1}}},
            "unknown key input.depth.metres: did you mean measures?",
        ),
        (minimal(zzz=1), "unknown key zzz: known are engine, seed"),
        (minimal(clip_seconds=-1), "clip_seconds: Input should be greater than 0"),
        (minimal(output={"formats": ["coco"]}), "output: 'formats' needs a 'folder' to write to"),
        ({"text": ["cup"]}, "input is missing"),
        (minimal(text=3), "text: Input should be a valid list"),
        (minimal(frame_rate="fast"), "frame_rate: Input should be a valid number"),
        (minimal(gates={"motion": 0.1}), "gates.motion: Input should be a valid dictionary"),
        (minimal(gates={"motion": {"low": 2, "high": 1}}), "gates.motion: 'low' (2) is above 'high' (1)"),
        (minimal(splits={"train": 0.5}), "splits: the shares of 'train', 'val' and 'test' add up to 1"),
        (minimal(input={"videos": []}), "input.videos: Value should have at least 1 item"),
        (minimal(input={"videos": [""]}), "input.videos.0: String should have at least 1 character"),
        (minimal(output={"folder": ""}), "output.folder: it is empty"),
        (
            minimal(output={"folder": "x", "formats": ["coco", "coco"]}),
            "'formats' has a format twice",
        ),
    ],
)
def test_wrong_keys_are_named_with_the_nearest_known_one(table: dict[str, Any], message: str) -> None:
    with pytest.raises(PlanError) as caught:
        build_plan(table)
    assert message in str(caught.value)
    assert explain_error(caught.value) == ("plan_invalid", str(caught.value))


def test_what_is_not_toml_is_refused_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match=r"plan\.toml: .*line 2"):
        read_plan(write(tmp_path, 'text = ["cup"]\nengine = sam3\n'))
    # an unclosed list was meant to be one, and is no phrase
    for change in ("", "clip_seconds", "=3", "a b=3", "a.=3", "a..b=3", 'text=["cup"', "gates={motion"):
        with pytest.raises(PlanError, match="key=value"):
            build_plan(minimal(), [change])
    for path in ("output.folder=", "input.videos="):
        with pytest.raises(PlanError, match=r"empty|at least 1 character"):
            read_plan(write(tmp_path, 'text = "cup"\n[input]\nvideos = "a"\n'), [path])
    # a path that is empty would be the folder of the plan
    with pytest.raises(PlanError, match=r"input\.videos\.0"):
        read_plan(write(tmp_path, 'text = "cup"\n[input]\nvideos = ""\n'))


def test_a_plan_is_written_as_it_is_read() -> None:
    strange = 'a "quoted" \\ name, ü, 🎥, \x7f.mp4'
    plan = build_plan(
        minimal(
            threshold=0.25,
            gates={"motion": {"low": 1e-7}},
            input={
                "videos": [strange],
                "source": {"licence": "CC0", "camera": {"fx": 600, "fy": 600, "cx": 320.5, "cy": 240}},
                "sources": {strange: {"depth": "depth", "actions": [[1.0, 2.0]]}, "b": {"consent": "yes"}},
            },
            output={"folder": "out", "formats": ["coco", "ytvis"]},
            regates=[
                {"gates": {"flicker": {"high": 0.2}, "area": {}}},
                {
                    "reviews": [
                        {"clip": "0f3a", "verdict": "keep", "at": "2026-11-30T12:00:00Z", "reason": strange}
                    ]
                    * 2
                },
            ],
        )
    )
    again = build_plan(tomllib.loads(format_plan(plan)))
    assert again == plan
    assert again.input.source.model_fields_set == {"licence", "camera"}


def test_the_template_is_a_plan_and_explains_every_key() -> None:
    template = plan_template()
    plan = build_plan(tomllib.loads(template))
    assert plan.text == ["person", "cup"] and plan.output.folder == Path("dataset")
    assigns = re.compile(r"# (\w+ = |\[)")
    uncommented = [line[2:] if assigns.match(line) else line for line in template.splitlines()]
    complete = build_plan(tomllib.loads("\n".join(uncommented)))
    assert complete.model_fields_set == set(DatasetPlan.model_fields)
    assert "null" not in template


def test_flags_build_the_same_plan_as_a_file(tmp_path: Path) -> None:
    flags = shlex.split(
        "a.mp4 -t cup -t 'red car' --threshold 0.4 --clip-seconds 4 --min-clip-seconds 1 --trim-seconds 0.1 "
        "--size 128 --frame-rate 8 --numbered-rate 12 --assets 2 --captioner mine --inverse-dynamics wheel "
        "--max-seconds 10 --max-gpu-seconds 5 --max-dollars 1 --remote --publish s3://b/c --licence CC0 "
        "--consent yes --session s1 --camera 1,2,3,4 --seed 7 --engine sam3 --format 'lerobot, ytvis' "
        "--format-option lerobot.side=128 --format-option lerobot.fit=pad --splits 0.7,0.3,0 "
        "--out data --set gates.motion.low=0.1"
    )
    file = write(
        tmp_path,
        """
        text = ["cup", "red car"]
        threshold = 0.4
        clip_seconds = 4
        min_clip_seconds = 1
        trim_seconds = 0.1
        size = 128
        frame_rate = 8
        assets = 2
        captioner = "mine"
        inverse_dynamics = "wheel"
        max_seconds = 10
        max_gpu_seconds = 5
        max_dollars = 1
        publish = "s3://b/c"
        seed = 7
        engine = "sam3"
        [gates.motion]
        low = 0.1
        [input]
        videos = ["a.mp4"]
        numbered_rate = 12
        remote = true
        [input.source]
        licence = "CC0"
        consent = "yes"
        session = "s1"
        camera = {fx = 1, fy = 2, cx = 3, cy = 4}
        [output]
        folder = "data"
        formats = ["lerobot", "ytvis"]
        [output.options.lerobot]
        side = 128
        fit = "pad"
        [splits]
        train = 0.7
        val = 0.3
        test = 0
        """,
    )
    by_flags = print_plan(*flags)
    changes = ["input.videos=a.mp4", "output.folder=data"]
    assert by_flags == print_plan(
        "run", str(file), *(word for change in changes for word in ("--set", change))
    )


def test_wrong_options_of_formats_are_refused() -> None:
    words = ["dataset", "make", "a.mp4", "-t", "cup", "--format", "coco", "--out", "x", "--print-plan"]
    result = CliRunner().invoke(app, [*words, "--format-option", "side=3"])
    assert result.exit_code == 2 and "lerobot.side=128" in " ".join(result.output.split())
    with pytest.raises(PlanError, match="vpt"):
        build_plan(minimal(output={"folder": "x", "formats": "coco", "options": {"vpt": {"side": 3}}}))


def test_gates_and_splits_have_flags() -> None:
    gates = ["--gate", "flicker.high=0.2", "--gate", "area.low=10", "--gate", "motion.low=none"]
    plan = print_plan("a.mp4", "-t", "cup", *gates, "--splits", "0.6,0.2,0.2")
    assert {name: (bound.low, bound.high) for name, bound in plan.gates.items()} == {
        "flicker": (None, 0.2),
        "area": (10.0, None),
        "motion": (None, None),
    }
    assert plan.splits.model_dump() == {"train": 0.6, "val": 0.2, "test": 0.2}
    reversed_bounds = ["--gate", "area.low=2", "--gate", "area.high=1"]
    for flags in (["--gate", "smell.low=1"], ["--gate", "flicker"], ["--splits", "0.5,0.5"], reversed_bounds):
        result = CliRunner().invoke(app, ["dataset", "a.mp4", "-t", "cup", *flags, "--print-plan"])
        assert result.exit_code == 2, flags


def test_what_is_known_of_a_video_overrides_what_is_known_of_all(tmp_path: Path) -> None:
    for name in ("a", "depth"):
        (tmp_path / name).mkdir()
        for number in range(3):
            Image.new("L", (8, 8)).save(tmp_path / name / f"{number}.png")
    (tmp_path / "b.mp4").write_bytes(b"video")
    sources = {"b": {"licence": "CC-BY-4.0"}, "a": {"depth": {"media": "depth", "measures": "distance"}}}
    (tmp_path / "sources.json").write_text(json.dumps(sources))
    file = write(
        tmp_path,
        'text = "cup"\n[input]\nvideos = ["."]\nsources_file = "sources.json"\n'
        '[input.source]\nlicence = "CC0"\n[input.sources."b.mp4"]\nsession = "s"\n',
    )
    plan = read_plan(file)
    # the folder of depth is no video
    frames, video = collect_videos(plan)
    assert frames.info == {
        "name": "a",
        "time_assumed": True,
        "licence": "CC0",
        "depth": {"media": tmp_path / "depth", "measures": "distance"},
    }
    assert video.info == {"name": "b.mp4", "time_assumed": False, "licence": "CC0", "session": "s"}
    with pytest.raises(PlanError, match="single video"):
        collect_videos(build_plan(minimal(input={"videos": str(tmp_path), "depth": "depth"})))


def test_workers_read_buckets_that_are_remote() -> None:
    submitted: dict[str, Any] = {}

    class Recorder:
        def dataset(self, media: list[Any], **fields: Any) -> None:
            submitted.update(fields, media=media)

    recorder: Any = Recorder()
    mq: Maquette = recorder
    table = {"videos": ["s3://b/c"], "remote": True, "numbered_rate": 5, "source": {"licence": "CC0"}}
    submit_plan(mq, build_plan(minimal(input=table, max_seconds=60)))
    assert submitted["media"] == [] and submitted["max_seconds"] == 60
    assert submitted["buckets"] == [{"address": "s3://b/c", "source": {"licence": "CC0"}, "frame_rate": 5}]


def test_the_plan_of_a_request_names_its_uploads_and_exports() -> None:
    near, far = "1" * 64, "2" * 64
    depth = {"media": {"id": "3" * 64}, "measures": "distance"}
    request = DatasetJob.model_validate(
        {
            "text": ["cup"],
            "videos": [{"id": near}, {"url": "https://h/far.mp4?token=secret"}],
            "sources": [
                {"name": "near.mp4", "depth": depth, "actions": [[1.0]], "action_types": ["delta"]},
                {},
            ],
            "gates": {"motion": {}, "area": {"low": 10}},
            "exports": [{"format": "ytvis"}, {"format": "webdataset", "largest": 1000}],
        }
    )
    videos = dict(zip((near, far), request.sources, strict=True))
    text = format_plan(plan_request(request, videos, {"broken.mp4": "video_broken"}))
    # an address may hold a secret, and what lies there may change
    assert "secret" not in text
    plan = build_plan(tomllib.loads(text))
    assert (
        plan.output.formats == ["ytvis", "webdataset"]
        and plan.output.options["webdataset"]["largest"] == 1000
    )
    assert plan.gates == request.gates and plan.input.skipped == {"broken.mp4": "video_broken"}
    first, second = collect_videos(plan)
    assert (first.medium, second.medium) == (MediaRef(id=near), MediaRef(id=far))
    assert first.info["depth"] == depth | {"media": {"id": "3" * 64}} and first.info["name"] == "near.mp4"
    assert second.info["name"] is None
    with pytest.raises(PlanError, match="64 hexadecimal digits"):
        collect_videos(build_plan(minimal(input={"videos": "upload:1234"})))


def test_the_package_exports_what_scripts_need() -> None:
    assert all(hasattr(dataset_plan, name) for name in dataset_plan.__all__)
