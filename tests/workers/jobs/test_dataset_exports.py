"""A dataset job exports its version, or that of an earlier job, to other formats."""

import json
import tarfile
from pathlib import Path
from typing import Any

import pytest
from maquette.contract import DatasetJob, DatasetResult, Manifest
from pydantic import ValidationError

from tests.support.dataset_worlds import Heartbeat, World
from tests.workers.jobs.test_dataset_regate import decide, succeed
from workers.datasets.exporters import load_exporter
from workers.datasets.reader import Dataset
from workers.datasets.verification import verify
from workers.errors import JobProblem


def unpack(world: World, manifest: Manifest, name: str, folder: Path) -> dict[str, bytes]:
    """The files of an exported archive by path."""
    [artefact] = [artefact for artefact in manifest.artefacts if artefact.name == name]
    assert (artefact.role, artefact.media_type) == ("export", "application/x-tar")
    packed = folder / name
    packed.write_bytes(world.store.get(artefact.sha256))
    with tarfile.open(packed) as archive:
        archive.extractall(folder / "unpacked", filter="data")
    return read_folder(folder / "unpacked")


def read_folder(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def test_a_job_exports_its_version_and_another_exports_it_later(world: World, tmp_path: Path) -> None:
    first = world.job(exports=[{"format": "webdataset", "largest": 5000}])
    made = world.go(first, Heartbeat())
    assert isinstance(made.result, DatasetResult)
    # as a release before 0.2 would have left it
    old = made.result.model_copy(update={"frame_rates": {}})
    succeed(world, first, made.model_copy(update={"result": old}))
    [exported] = made.result.exports
    actual = unpack(world, made, exported.file, tmp_path)
    data = Dataset(world.save(made, tmp_path / "saved"))
    assert verify(data.folder) == [] and exported.files == len(actual)
    load_exporter("webdataset").write(data, tmp_path / "expected", largest=5000)
    assert actual == read_folder(tmp_path / "expected")

    worked = world.engine.frames
    wanted = [{"format": "hf-datasets", "rows_a_file": 10}, {"format": "bop"}]
    _, later = decide(world, {"from_job": first, "exports": wanted})
    assert isinstance(later.result, DatasetResult) and world.engine.frames == worked
    assert later.result.frame_rates == made.result.frame_rates != {}
    assert later.result.version == made.result.version and later.provenance.from_job == first
    assert [item.format for item in later.result.exports] == ["hf-datasets", "bop"]
    assert later.result.exports[1].left_out == {"no track has a metric 3D box": made.result.clips}
    assert not [artefact for artefact in later.artefacts if artefact.name == "webdataset.tar"]
    (tmp_path / "later").mkdir()
    note = json.loads(unpack(world, later, "hf-datasets.tar", tmp_path / "later")["maquette.json"])
    assert note["options"]["rows_a_file"] == 10 and note["dataset_version"] == data.version
    assert verify(world.save(later, tmp_path / "again")) == []


def test_a_missing_library_is_named_before_any_work(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr("workers.datasets.exporters.base.import_module", absent)
    worked = world.engine.frames
    with pytest.raises(JobProblem) as caught:
        world.go(world.job(exports=[{"format": "tinyworlds"}]), Heartbeat())
    assert caught.value.problem.code == "extra_missing" and world.engine.frames == worked


@pytest.mark.parametrize(
    ("exports", "message"),
    [
        ([{"format": "gif"}], "gif"),
        ([{"side": 64}], "format"),
        ([{"format": "lerobot", "sides": 64}], "sides"),
        ([{"format": "lerobot", "side": 4}], "greater than or equal to 8"),
        ([{"format": "lerobot", "side": "big"}], "integer"),
        ([{"format": "lerobot", "fit": "stretch"}], "'crop' or 'pad'"),
        ([{"format": "coco", "side": 64}], "side"),
        ([{"format": "coco"}, {"format": "coco"}], "twice"),
    ],
)
def test_what_a_format_does_not_have_is_refused(exports: list[dict[str, Any]], message: str) -> None:
    video = {"id": "0" * 64}
    with pytest.raises(ValidationError, match=message):
        DatasetJob.model_validate({"text": ["cup"], "videos": [video], "exports": exports})
