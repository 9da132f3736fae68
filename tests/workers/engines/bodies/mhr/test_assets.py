"""The pinned archive is unpacked, another one is not, and what changed since is found out."""

import zipfile
from pathlib import Path

import pytest

from workers.engines.bodies.mhr.assets import (
    RELEASE,
    REQUIRED,
    MhrCorrupt,
    MhrMissing,
    PinnedArchive,
    find_assets,
    hash_file,
    pull,
    verify,
)
from workers.engines.bodies.mhr.evaluation import BodyModelsMhr
from workers.engines.bodies.mhr.settings import ASSETS_VARIABLE, URL_VARIABLE


def archive(path: Path, names: tuple[str, ...] = (*REQUIRED, "lod2.fbx")) -> PinnedArchive:
    """A zip of small files in a folder, with members that do not belong; gives its pin."""
    with zipfile.ZipFile(path, "w") as out:
        for name in names:
            out.writestr(f"assets/{name}", f"content of {name}" * 50)
        out.writestr("../../escaped.txt", "no")
        out.writestr("assets/else.bin", "no")
    return PinnedArchive("https://example.invalid/assets.zip", path.stat().st_size, hash_file(path))


def test_the_release_is_pinned() -> None:
    assert (RELEASE.size, RELEASE.sha256[:8]) == (198_943_157, "e4f4f205")
    assert "v1.0.1" in RELEASE.url and RELEASE.url.startswith("https://")


def test_pull_installs_the_files_and_records_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pin = archive(tmp_path / "a.zip")
    folder = tmp_path / "mhr"
    hashes = pull(folder, str(tmp_path / "a.zip"), pin)
    assert sorted(hashes) == sorted((*REQUIRED, "lod2.fbx"))
    assert sorted(path.name for path in folder.iterdir()) == sorted([*hashes, "pulled.json"])
    assert not (tmp_path.parent / "escaped.txt").exists() and not (tmp_path / "escaped.txt").exists()
    assert verify(folder) == {name: hashes[name] for name in REQUIRED}
    monkeypatch.setenv(ASSETS_VARIABLE, str(folder))
    assert find_assets() == folder
    (folder / REQUIRED[0]).write_text("other")
    with pytest.raises(MhrCorrupt, match=r"mhr_model\.pt .* changed"):
        verify(folder)
    (folder / REQUIRED[0]).unlink()
    with pytest.raises(MhrMissing):
        verify(folder)
    with pytest.raises(MhrMissing, match=r"lacks mhr_model\.pt"):
        find_assets()


def test_a_folder_filled_by_hand_is_reported_without_a_verdict(tmp_path: Path) -> None:
    for name in REQUIRED:
        (tmp_path / name).write_text(name)
    assert verify(tmp_path)[REQUIRED[1]] == hash_file(tmp_path / REQUIRED[1])


def test_another_archive_is_refused_and_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pin = archive(tmp_path / "a.zip")
    folder = tmp_path / "mhr"
    changed = bytearray((tmp_path / "a.zip").read_bytes())
    changed[60] ^= 1
    (tmp_path / "b.zip").write_bytes(changed)
    (tmp_path / "c.zip").write_bytes(changed[:-1])
    for name in ("b.zip", "c.zip"):
        monkeypatch.setenv(URL_VARIABLE, str(tmp_path / name))
        with pytest.raises(MhrCorrupt, match=r"not the archive of MHR"):
            pull(folder, None, pin)
        assert list(folder.iterdir()) == []


def test_an_archive_without_the_model(tmp_path: Path) -> None:
    pin = archive(tmp_path / "a.zip", REQUIRED[1:])
    with pytest.raises(MhrCorrupt, match=r"lacks mhr_model\.pt"):
        pull(tmp_path / "mhr", str(tmp_path / "a.zip"), pin)


@pytest.mark.parametrize("source", ["http://example.invalid/a.zip", "file:///etc/hostname", "nowhere.zip"])
def test_only_files_and_https(tmp_path: Path, source: str) -> None:
    with pytest.raises(MhrMissing, match=r"neither a file nor an https URL"):
        pull(tmp_path / "mhr", source)


def test_a_server_that_cannot_be_reached_names_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(MhrMissing, match=r"give the zip as a file"):
        pull(tmp_path / "mhr", "https://127.0.0.1:9/a.zip")


def test_without_assets_the_message_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ASSETS_VARIABLE, raising=False)
    with pytest.raises(MhrMissing, match="models pull mhr"):
        find_assets()
    with pytest.raises(MhrMissing, match=r"lacks mhr_model\.pt"):
        BodyModelsMhr(tmp_path)
