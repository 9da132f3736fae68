"""The process that converts files of users: its answers, its errors and its bounds."""

import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import trimesh

from media.errors import MediaError
from tests.support.raw_glb import RawGlb
from tests.support.splats import random_splat
from tests.workers.formats.test_converted_textures import TexturedGlb
from workers.formats.splat_ply import write_splat_ply
from workers.jobs.convert.sandbox import ConversionSandbox

OBJ = b"v 0 0 0\nv 1 0 0\nv 0 1 0\nl 1 2\nf 1 2 3\n"


def show_often(times: int) -> bytes:
    """A GLB whose scene shows a large mesh many times."""
    raw = RawGlb()
    positions = raw.add(np.zeros((3000, 3), np.float32))
    meshes = [{"primitives": [{"attributes": {"POSITION": positions}}]}]
    return raw.build(meshes, [{"mesh": 0}] * times)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[ConversionSandbox]:
    with ConversionSandbox(1 << 20) as running:
        yield running


def keep(folder: Path, data: bytes) -> Path:
    (folder / "asset").write_bytes(data)
    return folder / "asset"


def test_files_and_counts_come_back(sandbox: ConversionSandbox, tmp_path: Path) -> None:
    assert sandbox.load(keep(tmp_path, OBJ), ["ply", "stl"]) == ("mesh", "obj")
    converted = sandbox.write("ply", y_down=False)
    assert converted.dropped == {"lines": 1} and not converted.side_files
    assert len(trimesh.load(io.BytesIO(converted.data), file_type="ply").faces) == 1
    assert sandbox.load(keep(tmp_path, write_splat_ply(random_splat(3))), ["splat"]) == ("splat", "ply")
    assert len(sandbox.write("splat", y_down=False).data) == 96


def test_files_beside_an_obj_come_back(sandbox: ConversionSandbox, tmp_path: Path) -> None:
    source = TexturedGlb()
    sandbox.load(keep(tmp_path, source.build()), ["obj", "usdz"])
    converted = sandbox.write("obj", y_down=False)
    kinds = {name.split(".")[1]: kind for name, (kind, _) in converted.side_files.items()}
    assert kinds == {"mtl": "model/mtl", "png": "image/png", "jpg": "image/jpeg"}
    assert set(source.files) < {data for _, data in converted.side_files.values()}
    assert converted.data.startswith(b"mtllib")
    pytest.importorskip("pxr", reason="the extra 'usd' is not installed")
    assert sandbox.write("usdz", y_down=False).data.startswith(b"PK")


@pytest.mark.parametrize(
    ("data", "formats", "code"),
    [
        (OBJ, ["spz"], "format_unfit"),
        (OBJ, ["ply", "khr_glb"], "format_unfit"),
        (OBJ.replace(b"f 1", b"f 7"), ["ply"], "asset_unreadable"),
        (b"%PDF-1.7", ["ply"], "asset_unreadable"),
        (show_often(2000), ["obj"], "asset_too_large"),
    ],
)
def test_errors_have_codes_and_the_process_lives_on(
    sandbox: ConversionSandbox, tmp_path: Path, data: bytes, formats: list[str], code: str
) -> None:
    with pytest.raises(MediaError) as caught:
        sandbox.load(keep(tmp_path, data), formats)
    assert caught.value.code == code
    assert sandbox.load(keep(tmp_path, OBJ), ["ply"]) == ("mesh", "obj")


def test_memory_is_bounded(tmp_path: Path) -> None:
    file = keep(tmp_path, OBJ + b"v 0 0 0\n" * 2_000_000)
    with ConversionSandbox(0) as small:
        small.limits = replace(small.limits, memory_bytes=32 << 20)
        with pytest.raises(MediaError) as caught:
            small.load(file, ["ply"])
    assert caught.value.code == "media_too_costly"
