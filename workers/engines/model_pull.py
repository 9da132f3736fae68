"""Lays the weights of an engine into one folder, and says later whether they are still the same.

`weights.json` in the folder records which commits were pulled, the sha256 of every file, and that the licence
was accepted. A pull that was interrupted goes on: what is complete is not fetched again.
"""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from workers.engines.model_catalog import ModelTarget
from workers.engines.model_sources import RECORD, FileState, Origin, open_origin
from workers.engines.weights import WeightsCorrupt, WeightsError, WeightsMissing

# what the hub's client keeps of unfinished downloads
CACHE_FOLDER = ".cache"
# room that is left free beside the files, which are written under another name first
SPARE_BYTES = 2**30
Say = Callable[[str], object]


class LicenceNotAccepted(WeightsError):
    """The licence of a target has to be read and accepted before its weights are fetched."""


@dataclass(kw_only=True)
class PullRecord:
    """What `weights.json` holds: `revisions` by repository, `files` as sha256 by path."""

    target: str
    licence: str = ""
    accepted_at: str = ""
    revisions: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)


def read_record(folder: Path) -> PullRecord | None:
    """The record of a folder, None where there is none; raises WeightsCorrupt."""
    try:
        return PullRecord(**json.loads((folder / RECORD).read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError) as error:
        raise WeightsCorrupt(f"{folder / RECORD} cannot be read: {error}") from error


def pull_target(
    target: ModelTarget,
    folder: Path,
    *,
    source: str | None = None,
    accept: Callable[[str], bool],
    say: Say,
    revisions: Mapping[str, str] | None = None,
) -> Mapping[str, str]:
    """Lay everything of a target into a folder; the sha256 of every file by its path.

    `source` is a folder or bucket (`s3://…`) that was pulled elsewhere, or `modelscope:ID` for the gated
    repository; None means where each part is published. `accept` is asked about the licence, once for a
    folder. `revisions` chooses commits; without it those of the record, else the newest are pulled. Raises
    LicenceNotAccepted, WeightsMissing, WeightsCorrupt.
    """
    record = read_record(folder) or PullRecord(target=target.name)
    if record.target != target.name:
        raise WeightsError(f"{folder} holds {record.target}: give {target.name} a folder of its own")
    if target.is_gated and record.licence != target.licence:
        if not accept(target.licence):
            raise LicenceNotAccepted(f"{target.name} comes under: {target.licence}. Accept it first")
        record.licence, record.accepted_at = target.licence, datetime.now(UTC).isoformat(timespec="seconds")
        _write_record(folder, record)
    origins = list(open_origin(target, source, {**record.revisions, **(revisions or {})}))
    _check_space(folder, origins)
    known = dict(record.files)
    for origin in origins:
        say(f"{origin.name}: {len(origin.files)} files, {_format_bytes(origin.size)}")
        if origin.revisions:
            record.revisions |= origin.revisions
            _write_record(folder, record)
        origin.fetch(folder, say)
        for path, state in origin.files.items():
            _check_file(folder / path, state)
    found = {path: compute_sha256(folder / path) for path in _list_files(folder)}
    changed = sorted(path for path in known.keys() & found.keys() if known[path] != found[path])
    if changed and not revisions:
        raise WeightsCorrupt(f"{changed[0]} is not what was pulled before ({len(changed)} files differ)")
    record.files = found
    _write_record(folder, record)
    return found


def verify_folder(folder: Path) -> Iterator[tuple[str, str | None]]:
    """Each recorded file, and what is wrong with it or None; raises WeightsMissing without a record."""
    record = read_record(folder)
    if record is None or not record.files:
        raise WeightsMissing(f"{folder / RECORD} does not exist: pull the weights with `models pull`")
    for path, sha256 in sorted(record.files.items()):
        if not (folder / path).is_file():
            yield path, "is missing"
        elif (actual := compute_sha256(folder / path)) != sha256:
            yield path, f"has sha256 {actual[:12]}…, {sha256[:12]}… was pulled"
        else:
            yield path, None


def compute_sha256(path: Path) -> str:
    """The sha256 of a file, in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _check_file(path: Path, state: FileState) -> None:
    if not path.is_file():
        raise WeightsMissing(f"{path} was not delivered")
    if state.size is not None and path.stat().st_size != state.size:
        raise WeightsCorrupt(f"{path} has {path.stat().st_size} bytes, its source states {state.size}")
    if state.sha256 is not None and (actual := compute_sha256(path)) != state.sha256:
        # left in place it would be taken for complete
        path.unlink()
        raise WeightsCorrupt(f"{path} has sha256 {actual[:12]}…, its source states {state.sha256[:12]}…")


def _check_space(folder: Path, origins: list[Origin]) -> None:
    missing = sum(origin.count_missing_bytes(folder) for origin in origins)
    if not missing:
        return
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    if free < missing + SPARE_BYTES:
        raise WeightsError(
            f"{folder} has {_format_bytes(free)} free, and {_format_bytes(missing + SPARE_BYTES)} are needed"
        )


def _list_files(folder: Path) -> list[str]:
    paths = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return sorted(str(path) for path in paths if path.name != RECORD and CACHE_FOLDER not in path.parts)


def _write_record(folder: Path, record: PullRecord) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    content: dict[str, Any] = asdict(record)
    draft = folder / f"{RECORD}.part"
    draft.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    draft.replace(folder / RECORD)


def _format_bytes(size: int) -> str:
    return f"{size / 2**30:.1f} GiB" if size >= 2**30 else f"{size / 2**20:.1f} MiB"
