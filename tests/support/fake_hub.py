"""A fake of the hub's client and of what is pulled from plain addresses."""

import hashlib
import io
import json
import sys
import tarfile
import urllib.request
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from workers.engines import model_sources
from workers.engines.bodies.mhr import assets as mhr
from workers.models_cli import app

COMMIT = "c0ffee" * 6
SMALL = 100
REPOSITORIES: dict[str, dict[str, bytes]] = {
    "facebook/sam3": {
        "config.json": b"{}",
        "model.safetensors": b"w" * 5000,
        "sam3.pt": b"m" * 7000,
        "README.md": b"not wanted",
        "pickle.bin": b"not wanted",
    },
    "facebook/sam3.1": {"sam3.1_multiplex.pt": b"x" * 900, "config.json": b"of 3.1"},
    "facebook/sam-3d-objects": {"checkpoints/pipeline.yaml": b"a: 1", "checkpoints/ss.ckpt": b"s" * 3000},
    "facebook/sam-3d-body-dinov3": {"model.ckpt": b"b" * 4000, "model_config.yaml": b"c: 2"},
    "Ruicheng/moge-vitl": {"model.pt": b"g" * 2000},
    "Ruicheng/moge-2-vitl-normal": {"model.pt": b"h" * 2100},
}


class FakeHub:
    """As much of huggingface_hub as is asked; `breaks_after` interrupts a download, `alter` changes bytes.

    A small file has no `lfs`: the hub states its size alone.
    """

    def __init__(self) -> None:
        self.downloads: list[str] = []
        self.breaks_after: int | None = None
        self.alter: Callable[[bytes], bytes] = bytes

    def HfApi(self) -> Any:
        return SimpleNamespace(model_info=self._describe)

    def _describe(self, repository: str, revision: str | None, files_metadata: bool) -> Any:
        assert files_metadata
        if repository not in REPOSITORIES:
            raise OSError("401: gated repository")
        siblings = [
            SimpleNamespace(
                rfilename=name,
                size=len(content),
                lfs=SimpleNamespace(sha256=hashlib.sha256(content).hexdigest())
                if len(content) > SMALL
                else None,
            )
            for name, content in REPOSITORIES[repository].items()
        ]
        return SimpleNamespace(sha=revision or COMMIT, siblings=siblings)

    def snapshot_download(
        self, repository: str, *, revision: str, allow_patterns: list[str], local_dir: Path
    ) -> None:
        for name, content in REPOSITORIES[repository].items():
            path = Path(local_dir) / name
            if not any(Path(name).match(pattern) for pattern in allow_patterns) or path.is_file():
                continue
            if self.breaks_after is not None and len(self.downloads) >= self.breaks_after:
                raise ConnectionError("the network is gone")
            self.downloads.append(f"{repository}/{name}")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(self.alter(content))


def open_address(request: Any, timeout: float) -> Any:
    url = request.full_url
    content = b"d" * 1000
    if "codeload.github.com" in url:
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w:gz") as archive:
            entry = tarfile.TarInfo(f"{url.split('/')[4]}-{url.split('/')[-1]}/hubconf.py")
            entry.size = 4
            archive.addfile(entry, io.BytesIO(b"a=1\n"))
        content = packed.getvalue()
    response: Any = io.BytesIO(content)
    response.status = 200
    return response


def pull_mhr(folder: Path, _source: str | None) -> dict[str, str]:
    folder.mkdir(parents=True, exist_ok=True)
    hashes = {}
    for name in mhr.REQUIRED:
        (folder / name).write_text(name)
        hashes[name] = mhr.hash_file(folder / name)
    (folder / mhr.RECORD).write_text(json.dumps({"files": hashes}))
    return hashes


def install_fake_hub(monkeypatch: pytest.MonkeyPatch) -> FakeHub:
    """Let `models pull` ask a new fake, and addresses that answer at once."""
    fake: Any = FakeHub()
    monkeypatch.setitem(sys.modules, "huggingface_hub", fake)
    monkeypatch.setattr(urllib.request, "urlopen", open_address)
    monkeypatch.setattr(model_sources.mhr, "pull", pull_mhr)
    hub: FakeHub = fake
    return hub


def call(*arguments: object) -> Any:
    """The outcome of `maquette-server models` with these words."""
    return CliRunner().invoke(app, [str(each) for each in arguments])
