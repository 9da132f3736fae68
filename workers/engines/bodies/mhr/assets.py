"""MHR's assets: one pinned archive, unpacked into a folder with a record of its files.

Release v1.0.1 of facebookresearch/MHR, Apache-2.0, not gated. The archive comes from a URL or a local zip;
its size and sha256 are checked before anything is unpacked.
"""

import hashlib
import json
import shutil
import tempfile
import urllib.error
import urllib.request
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from workers.engines.bodies.mhr.settings import ASSETS_VARIABLE, MhrSettings
from workers.engines.weights import WeightsCorrupt, WeightsMissing

REQUIRED = ("mhr_model.pt", "corrective_activation.npz", "corrective_blendshapes_lod1.npz")
OPTIONAL = tuple(f"lod{lod}.fbx" for lod in range(7))
RECORD = "pulled.json"
PULL = "maquette-server models pull mhr FOLDER"
CHUNK, TIMEOUT_SECONDS = 1 << 20, 60


class MhrMissing(WeightsMissing):
    """MHR's assets, or what evaluates them, are missing; the message says what to do."""


class MhrCorrupt(WeightsCorrupt):
    """MHR's assets are not the pinned ones, or cannot be read."""


@dataclass(frozen=True, slots=True)
class PinnedArchive:
    """An archive: its default URL, its size in bytes, its sha256."""

    url: str
    size: int
    sha256: str


RELEASE = PinnedArchive(
    "https://github.com/facebookresearch/MHR/releases/download/v1.0.1/assets.zip",
    198_943_157,
    "e4f4f205cd87c0fa106577ba1de4fc763e4eb197c924461d2ef7e6944e9d6b94",
)


def find_assets() -> Path:
    """The folder that MAQUETTE_MHR_ASSETS names; raises MhrMissing when it names none with the model."""
    folder = MhrSettings().assets
    if folder is None:
        raise MhrMissing(f"MHR's assets are needed: run `{PULL}`, and name the folder in {ASSETS_VARIABLE}")
    missing = [name for name in REQUIRED if not (folder / name).is_file()]
    if missing:
        raise MhrMissing(f"{folder} lacks {', '.join(missing)}: run `{PULL}`")
    return folder


def pull(destination: Path, source: str | None = None, pin: PinnedArchive = RELEASE) -> Mapping[str, str]:
    """Unpack the pinned archive into `destination`; returns the sha256 of every file.

    `source` is an https URL or the path of a zip; None means MAQUETTE_MHR_URL, else the release. Raises
    MhrMissing when the archive cannot be fetched, MhrCorrupt when it is a different one.
    """
    chosen = source or MhrSettings().url or pin.url
    destination.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=destination) as scratch:
        archive = Path(chosen)
        if not archive.is_file():
            archive = _download(chosen, Path(scratch) / "assets.zip", pin)
        if archive.stat().st_size != pin.size or (actual := hash_file(archive)) != pin.sha256:
            actual_text = f"{archive.stat().st_size} bytes" if archive.stat().st_size != pin.size else actual
            raise MhrCorrupt(
                f"{chosen} is not the archive of MHR v1.0.1: {actual_text}, not {pin.size} {pin.sha256}"
            )
        files = _unpack(archive, Path(scratch))
        hashes = {name: hash_file(path) for name, path in files.items()}
        for name, path in files.items():
            path.replace(destination / name)
        record = {"archive": pin.sha256, "files": hashes}
        (Path(scratch) / RECORD).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
        (Path(scratch) / RECORD).replace(destination / RECORD)
    return hashes


def verify(folder: Path) -> Mapping[str, str]:
    """The sha256 of the required files. A folder filled by hand has no record: nothing to compare with.

    Raises MhrCorrupt when they differ from those that `pull` recorded, MhrMissing when a file is missing.
    """
    try:
        hashes = {name: hash_file(folder / name) for name in REQUIRED}
        record = folder / RECORD
        recorded = json.loads(record.read_text(encoding="utf-8"))["files"] if record.is_file() else {}
    except FileNotFoundError as error:
        raise MhrMissing(f"{error.filename} is missing: run `{PULL}`") from error
    except (ValueError, KeyError) as error:
        raise MhrCorrupt(f"{folder / RECORD} cannot be read: {error}") from error
    changed = [name for name, value in hashes.items() if recorded.get(name, value) != value]
    if changed:
        raise MhrCorrupt(f"{', '.join(changed)} in {folder} changed since they were pulled: pull again")
    return hashes


def hash_file(path: Path) -> str:
    """The sha256 of a file, in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _download(url: str, target: Path, pin: PinnedArchive) -> Path:
    if not url.startswith("https://"):
        raise MhrMissing(f"{url} is neither a file nor an https URL")
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS) as response, target.open("wb") as out:
            written = 0
            while chunk := response.read(CHUNK):
                written += len(chunk)
                if written > pin.size:
                    raise MhrCorrupt(f"{url} is longer than the {pin.size} bytes of MHR v1.0.1")
                out.write(chunk)
    except (urllib.error.URLError, OSError) as error:
        raise MhrMissing(f"{url} cannot be fetched ({error}); give the zip as a file instead") from error
    return target


def _unpack(archive: Path, scratch: Path) -> dict[str, Path]:
    """The files in use, by name. Folders of the archive are ignored: no member can escape the folder."""
    out: dict[str, Path] = {}
    try:
        with zipfile.ZipFile(archive) as opened:
            for member in opened.infolist():
                name = PurePosixPath(member.filename).name
                if name not in REQUIRED + OPTIONAL or name in out:
                    continue
                with opened.open(member) as inside, (scratch / name).open("wb") as target:
                    shutil.copyfileobj(inside, target)
                out[name] = scratch / name
    except zipfile.BadZipFile as error:
        raise MhrCorrupt(f"{archive} is no zip: {error}") from error
    missing = [name for name in REQUIRED if name not in out]
    if missing:
        raise MhrCorrupt(f"{archive} lacks {', '.join(missing)}")
    return out
