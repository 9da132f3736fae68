"""Files that `models pull` fetches from plain addresses, with a fake of these."""

import io
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.support.fake_hub import call, install_fake_hub, open_address
from workers.engines.model_catalog import DINOV3

WHOLE = bytes(range(250)) * 4


@pytest.mark.parametrize(("status", "rest"), [(206, WHOLE[300:]), (200, WHOLE)])
def test_a_download_that_was_cut_goes_on_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int, rest: bytes
) -> None:
    """A server that knows no ranges answers 200 with everything."""
    install_fake_hub(monkeypatch)
    path = tmp_path / "torch/hub/checkpoints/dinov2_vitl14_reg4_pretrain.pth"
    asked: list[str | None] = []

    class Cut(io.BytesIO):
        status = 200

        def read(self, size: int | None = -1, /) -> bytes:
            if content := super().read(size):
                return content
            raise ConnectionResetError("the connection is gone")

    def answer(request: Any, timeout: float) -> Any:
        if "dl.fbaipublicfiles.com" not in request.full_url:
            return open_address(request, timeout)
        asked.append(request.get_header("Range"))
        if len(asked) == 1:
            return Cut(WHOLE[:300])
        response: Any = io.BytesIO(rest)
        response.status = status
        return response

    monkeypatch.setattr(urllib.request, "urlopen", answer)
    cut = call("pull", "sam3d_objects", tmp_path, "--accept-licence")
    assert cut.exit_code == 1 and "the connection is gone" in cut.output and not path.exists()
    done = call("pull", "sam3d_objects", tmp_path)
    assert done.exit_code == 0, done.output
    assert asked == [None, "bytes=300-"] and path.read_bytes() == WHOLE


def test_code_that_upstream_would_load_is_one_commit_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_fake_hub(monkeypatch)
    asked: list[str] = []

    def note(request: Any, timeout: float) -> Any:
        asked.append(request.full_url)
        return open_address(request, timeout)

    monkeypatch.setattr(urllib.request, "urlopen", note)
    call("pull", "sam3d_body", tmp_path, "--accept-licence")
    assert asked == [f"https://codeload.github.com/facebookresearch/dinov3/tar.gz/{DINOV3.commit}"]
    assert len(DINOV3.commit) == 40
