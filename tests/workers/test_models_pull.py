"""`models pull` and `models verify`, with a fake of the hub's client and of the addresses."""

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.support.fake_hub import COMMIT, SMALL, FakeHub, call, install_fake_hub
from workers.engines import model_pull
from workers.engines.bodies.mhr import assets as mhr
from workers.engines.model_catalog import TARGETS
from workers.engines.weights import WeightsMissing


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> FakeHub:
    return install_fake_hub(monkeypatch)


def list_files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


NEEDED = {
    "sam3": {"config.json", "model.safetensors", "sam3.pt"},
    "sam3.1": {"config.json", "sam3.pt", "sam3.1_multiplex.pt"},
    "sam3d_objects": {
        "checkpoints/pipeline.yaml",
        "checkpoints/ss.ckpt",
        f"hub/hub/models--Ruicheng--moge-vitl/snapshots/{COMMIT}/model.pt",
        "hub/hub/models--Ruicheng--moge-vitl/refs/main",
        "torch/hub/facebookresearch_dinov2_main/hubconf.py",
        "torch/hub/checkpoints/dinov2_vitl14_reg4_pretrain.pth",
        "torch/hub/trusted_list",
    },
    "sam3d_body": {
        "model.ckpt",
        "model_config.yaml",
        "moge2/model.pt",
        "torch/hub/facebookresearch_dinov3_main/hubconf.py",
        "torch/hub/trusted_list",
        "mhr/mhr_model.pt",
    },
    "mhr": set(mhr.REQUIRED),
}


@pytest.mark.usefixtures("hub")
@pytest.mark.parametrize("name", sorted(TARGETS))
def test_one_pull_brings_everything_that_an_engine_needs(name: str, tmp_path: Path) -> None:
    folder = tmp_path / name
    done = call("pull", name, folder, "--accept-licence")
    assert done.exit_code == 0, done.output
    assert NEEDED[name] <= list_files(folder)
    assert not {"README.md", "pickle.bin"} & list_files(folder)
    checked = call("verify", folder)
    assert checked.exit_code == 0 and checked.output.count(": ok") == len(list_files(folder)) - 1


def test_the_licence_is_shown_and_accepted_once(hub: FakeHub, tmp_path: Path) -> None:
    refused = call("pull", "sam3", tmp_path / "sam3")
    assert refused.exit_code == 1 and "SAM License" in refused.output and "--accept-licence" in refused.output
    assert not hub.downloads
    assert call("pull", "sam3", tmp_path / "sam3", "--accept-licence").exit_code == 0
    again = call("pull", "sam3", tmp_path / "sam3")
    assert again.exit_code == 0 and "comes under" not in again.output
    record = json.loads((tmp_path / "sam3" / "weights.json").read_text())
    assert record["accepted_at"] and record["revisions"] == {"facebook/sam3": COMMIT}


def test_an_interrupted_pull_goes_on(hub: FakeHub, tmp_path: Path) -> None:
    hub.breaks_after = 2
    broken = call("pull", "sam3", tmp_path / "out", "--accept-licence")
    assert broken.exit_code == 1 and "the network is gone" in broken.output
    hub.breaks_after = None
    assert call("pull", "sam3", tmp_path / "out").exit_code == 0
    assert len(hub.downloads) == len(set(hub.downloads)) == 3


@pytest.mark.parametrize(
    ("alter", "said"),
    [
        # as many bytes, but others, in the large files
        (lambda content: b"?" * len(content) if len(content) > SMALL else content, "has sha256"),
        (lambda content: content + b"?" if len(content) <= SMALL else content, "bytes, its source states"),
    ],
)
def test_bytes_other_than_the_source_states_are_refused(
    hub: FakeHub, tmp_path: Path, alter: Callable[[bytes], bytes], said: str
) -> None:
    hub.alter = alter
    refused = call("pull", "sam3", tmp_path / "out", "--accept-licence")
    assert refused.exit_code == 1 and said in refused.output and "its source states" in refused.output


def test_bytes_that_changed_since_the_first_pull_are_refused(hub: FakeHub, tmp_path: Path) -> None:
    """Of a file of which nobody states a hash."""
    call("pull", "sam3d_objects", tmp_path, "--accept-licence")
    (tmp_path / "torch/hub/checkpoints/dinov2_vitl14_reg4_pretrain.pth").write_bytes(b"e" * 1000)
    refused = call("pull", "sam3d_objects", tmp_path)
    assert refused.exit_code == 1 and "is not what was pulled before" in refused.output


def test_a_file_that_changed_or_is_gone_is_reported(hub: FakeHub, tmp_path: Path) -> None:
    call("pull", "sam3", tmp_path, "--accept-licence")
    (tmp_path / "sam3.pt").write_bytes(b"n" * 7000)
    (tmp_path / "config.json").unlink()
    found = call("verify", tmp_path)
    assert found.exit_code == 1
    assert "sam3.pt: has sha256" in found.output and "config.json: is missing" in found.output
    assert "model.safetensors: ok" in found.output
    assert call("verify", tmp_path / "nothing").exit_code == 1


def test_a_disk_without_room_is_said_before_anything_is_fetched(
    hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_pull.shutil, "disk_usage", lambda _: SimpleNamespace(free=2**20))
    refused = call("pull", "sam3", tmp_path / "out", "--accept-licence")
    assert refused.exit_code == 1 and "1.0 MiB free" in refused.output and not hub.downloads


def copy_from(source: Callable[[Path], str], pulled: Path, out: Path) -> Any:
    return call("pull", "sam3d_objects", out, "--accept-licence", "--source", source(pulled))


def test_a_copy_that_was_pulled_elsewhere_is_a_source(hub: FakeHub, tmp_path: Path) -> None:
    pulled, out = tmp_path / "pulled", tmp_path / "out"
    call("pull", "sam3d_objects", pulled, "--accept-licence")
    before = len(hub.downloads)
    done = copy_from(str, pulled, out)
    assert done.exit_code == 0, done.output
    assert len(hub.downloads) == before and list_files(out) == list_files(pulled)
    # a bucket in memory, by fsspec
    import fsspec

    system = fsspec.filesystem("memory")
    system.put(f"{pulled}/", "/models/objects/", recursive=True)
    other = tmp_path / "other"
    assert copy_from(lambda _: "memory://models/objects", pulled, other).exit_code == 0
    assert list_files(other) == list_files(pulled)
    nothing = call("pull", "sam3", tmp_path / "x", "--accept-licence", "--source", tmp_path / "absent")
    assert nothing.exit_code == 1 and "Traceback" not in nothing.output


def test_modelscope_is_a_source(hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def snapshot_download(name: str, local_dir: str, allow_patterns: list[str]) -> None:
        asked.append(name)
        hub.snapshot_download(
            "facebook/sam3", revision="", allow_patterns=allow_patterns, local_dir=Path(local_dir)
        )

    monkeypatch.setitem(
        sys.modules,
        "modelscope",
        SimpleNamespace(snapshot_download=snapshot_download),  # type: ignore[arg-type]
    )
    done = call("pull", "sam3", tmp_path, "--accept-licence", "--source", "modelscope:facebook/sam3")
    assert done.exit_code == 0 and asked == ["facebook/sam3"] and NEEDED["sam3"] <= list_files(tmp_path)


def test_modelscope_gives_the_gated_repository_and_the_hub_the_others(
    hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def snapshot_download(name: str, local_dir: str, allow_patterns: list[str]) -> None:
        asked.append(name)
        repository = "facebook/sam-3d-objects"
        hub.snapshot_download(
            repository, revision="", allow_patterns=allow_patterns, local_dir=Path(local_dir)
        )

    fake: Any = SimpleNamespace(snapshot_download=snapshot_download)
    monkeypatch.setitem(sys.modules, "modelscope", fake)
    done = call("pull", "sam3d_objects", tmp_path, "--accept-licence", "--source", "modelscope:me/objects")
    assert done.exit_code == 0 and asked == ["me/objects"]
    assert NEEDED["sam3d_objects"] <= list_files(tmp_path)


class GatedRepoError(OSError):
    """As the hub's client names it; the answer's status separates a missing token from one without access."""

    def __init__(self, status: int) -> None:
        super().__init__(f"{status} Client Error.")
        self.response = SimpleNamespace(status_code=status)


class HfHubHTTPError(GatedRepoError):
    """As the hub's client names other errors."""


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (GatedRepoError(401), "is gated: get access on https://huggingface.co/facebook/sam3"),
        (GatedRepoError(403), "the account of HF_TOKEN has no access"),
        (HfHubHTTPError(401), "is the token whole"),
        (ConnectionError("the network is gone"), "the network is gone"),
    ],
    ids=["no-token", "no-access", "wrong-token", "no-network"],
)
def test_what_the_hub_refuses_says_what_to_do(
    hub: FakeHub, tmp_path: Path, monkeypatch: Any, error: Exception, said: str
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(hub, "snapshot_download", refuse)
    refused = call("pull", "sam3", tmp_path, "--accept-licence")
    assert refused.exit_code == 1 and said in refused.output and "--source" in refused.output


@pytest.mark.usefixtures("hub")
def test_a_copy_that_is_damaged_or_not_whole_is_refused(tmp_path: Path) -> None:
    pulled = tmp_path / "pulled"
    call("pull", "sam3d_objects", pulled, "--accept-licence")
    # of the same size, as a bad disk leaves it
    (pulled / "checkpoints/ss.ckpt").write_bytes(b"t" * 3000)
    damaged = copy_from(str, pulled, tmp_path / "a")
    assert damaged.exit_code == 1 and "its source states" in damaged.output
    (pulled / "checkpoints/ss.ckpt").unlink()
    lacking = copy_from(str, pulled, tmp_path / "b")
    assert lacking.exit_code == 1 and "lacks checkpoints/ss.ckpt" in lacking.output
    # what somebody downloaded by hand has no record, and mostly the gated repository alone
    (pulled / "weights.json").unlink()
    shutil.rmtree(pulled / "torch")
    by_hand = copy_from(str, pulled, tmp_path / "c")
    assert by_hand.exit_code == 1 and "no facebookresearch/dinov2" in by_hand.output
    assert "Ruicheng" not in by_hand.output and not (tmp_path / "c" / "checkpoints").exists()


@pytest.mark.usefixtures("hub")
def test_a_copy_keeps_the_commits_of_what_was_pulled(tmp_path: Path) -> None:
    call("pull", "sam3", tmp_path / "pulled", "--accept-licence")
    call("pull", "sam3", tmp_path / "out", "--accept-licence", "--source", tmp_path / "pulled")
    assert model_pull.read_record(tmp_path / "out").revisions == {"facebook/sam3": COMMIT}  # type: ignore[union-attr]


def test_a_second_pull_takes_the_commit_of_the_first(hub: FakeHub, tmp_path: Path) -> None:
    first = "a" * 40
    call("pull", "sam3", tmp_path, "--accept-licence", "--revision", f"facebook/sam3={first}")
    call("pull", "sam3", tmp_path)
    assert model_pull.read_record(tmp_path).revisions == {"facebook/sam3": first}  # type: ignore[union-attr]
    shutil.rmtree(tmp_path)
    with pytest.raises(WeightsMissing):
        list(model_pull.verify_folder(tmp_path))
