"""Names in archives: what we write can be unpacked anywhere, what others wrote is read or refused."""

import io
import json
import unicodedata
import zipfile
from pathlib import Path
from typing import Any

import pytest

from media import assets
from tests.support.splats import random_splat
from workers.formats.sog import SogError, write_sog
from workers.formats.sog_reader import read_sog
from workers.formats.zip_writer import write_zip

ODD_NAMES = [
    "/etc/passwd", "../../x", "..\\..\\x", "C:\\x", "nul.txt", "a\0b", "x" * 400, ".hidden", "dir/file",
    "e\u0301.png", "\u00e9.png", "E\u0301.png", "a.png", "a.png", "A.png", "", "\u202e.png", "a\udcff",
]  # fmt: skip


def test_written_names_are_safe_and_unique(tmp_path: Path) -> None:
    data = write_zip([(name, f"content {number}") for number, name in enumerate(ODD_NAMES)])
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        names = archive.namelist()
        assert [archive.read(name) for name in names] == [f"content {n}".encode() for n in range(len(names))]
        archive.extractall(tmp_path / "out")
    assert (
        len(names) == len(ODD_NAMES) == len({unicodedata.normalize("NFC", name).casefold() for name in names})
    )
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(names)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_equal_contents_give_equal_bytes() -> None:
    files = [("a.png", b"1"), ("b.json", "2")]
    assert write_zip(files) == write_zip(files)
    assert len(write_zip([("a", b"0" * 1000)], compressed=True)) < 200


@pytest.fixture(scope="module")
def bundle() -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(write_sog(random_splat(40)))) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def rewrite(files: Any) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in files:
            archive.writestr(zipfile.ZipInfo(name), data)
    return out.getvalue()


@pytest.mark.parametrize("prefix", ["", "./", "scene/", "/", "../../", "scene\\", "C:\\scene\\"])
def test_a_bundle_is_read_from_any_folder(prefix: str, bundle: dict[str, bytes], tmp_path: Path) -> None:
    data = rewrite(
        [("__MACOSX/._meta.json", b"x"), *((prefix + name, data) for name, data in bundle.items())]
    )
    (tmp_path / "a.sog").write_bytes(data)
    assert (assets.probe(str(tmp_path / "a.sog")) or {})["codec"] == "sog"
    assert len(read_sog(data).means) == 40


def test_names_are_compared_in_one_normalisation(bundle: dict[str, bytes]) -> None:
    meta = json.loads(bundle["meta.json"])
    [old] = meta["quats"]["files"]
    meta["quats"]["files"] = ["e\u0301.webp"]
    files = {**bundle, "meta.json": json.dumps(meta).encode(), "\u00e9.webp": bundle[old]}
    del files[old]
    assert len(read_sog(rewrite(files.items())).means) == 40


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("copy", ["meta.json", "other/meta.json", "other\\meta.json"])
def test_two_files_of_one_name_are_refused(copy: str, bundle: dict[str, bytes]) -> None:
    with pytest.raises(SogError, match=r"two files are called 'meta\.json'"):
        read_sog(rewrite([*bundle.items(), (copy, bundle["meta.json"])]))


def test_a_name_outside_the_archive_is_refused(bundle: dict[str, bytes]) -> None:
    meta = json.loads(bundle["meta.json"])
    meta["quats"]["files"] = ["../../etc/passwd"]
    with pytest.raises(SogError, match="the bundle has no"):
        read_sog(rewrite({**bundle, "meta.json": json.dumps(meta).encode()}.items()))
