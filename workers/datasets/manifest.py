"""The manifest of a dataset: every file with its hash. The hash of the manifest is the version."""

import hashlib
import hmac
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from workers.datasets.errors import DatasetError
from workers.datasets.lazy_json import LazyList, encode_lazily
from workers.datasets.schema import READABLE_VERSIONS, SCHEMA, SCHEMA_VERSION, TABLES

MANIFEST = "dataset.json"
SIGNATURE = "dataset.sig.json"
ALGORITHM = "hmac-sha256"
# tables that a manifest lists only where they have files, by the beginnings of their names
OPTIONAL_TABLES = ("rejected_", "changes")


@dataclass(frozen=True, slots=True, kw_only=True)
class FileEntry:
    """A file of the dataset; `clip` is set for a file of one clip, `rows` for a table."""

    name: str
    sha256: str
    bytes: int
    rows: int | None = None
    clip: str | None = None
    media_type: str | None = None

    def as_json(self) -> dict[str, Any]:
        """The fields that are set."""
        return {key: value for key, value in asdict(self).items() if value is not None}


def describe_file(name: str, data: bytes, *, rows: int | None = None, clip: str | None = None) -> FileEntry:
    """The entry of a file with the content `data`."""
    digest = hashlib.sha256(data).hexdigest()
    return FileEntry(name=name, sha256=digest, bytes=len(data), rows=rows, clip=clip)


@dataclass(frozen=True)
class DatasetManifest:
    """The files of a version and how it came about; nothing in it depends on the time or the machine.

    `unreadable` has the names of videos that were left out, with the code of the reason.
    """

    tables: Mapping[str, Sequence[FileEntry]]
    files: tuple[FileEntry, ...] = ()
    totals: Mapping[str, float] = field(default_factory=dict)
    rejected: Mapping[str, int] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    policy: str = ""
    code_version: str = ""
    engines: tuple[Mapping[str, Any], ...] = ()
    parents: tuple[str, ...] = ()
    unreadable: Mapping[str, str] = field(default_factory=dict)
    schema_version: int = SCHEMA_VERSION

    def encode(self) -> bytes:
        """The bytes whose hash is the version: sorted, so that equal content has equal bytes."""
        content = {
            "schema": SCHEMA,
            "schema_version": self.schema_version,
            # versions without rejected tracks or changes, and those of earlier releases, keep their hash
            "tables": {
                name: _encode_files(self.tables.get(name, ()))
                for name in TABLES
                if self.tables.get(name) or not name.startswith(OPTIONAL_TABLES)
            },
            "files": _encode_files(self.files),
            "totals": dict(self.totals),
            "rejected": dict(self.rejected),
            "parameters": dict(self.parameters),
            "policy": self.policy,
            "code_version": self.code_version,
            "engines": [dict(item) for item in self.engines],
            "parents": list(self.parents),
        }
        # versions of earlier releases do not have it, and keep their hash
        if self.unreadable:
            content["unreadable"] = dict(self.unreadable)
        return encode_lazily(content, sort_keys=True)

    @cached_property
    def version(self) -> str:
        """sha256 of the encoded manifest."""
        return hashlib.sha256(self.encode()).hexdigest()

    def all_files(self) -> list[FileEntry]:
        """Every file of the version, tables first."""
        return [entry for entries in self.tables.values() for entry in entries] + list(self.files)


def decode(data: bytes) -> DatasetManifest:
    """Read a manifest; raises DatasetError `dataset_broken` or `dataset_incompatible`."""
    try:
        content = json.loads(data)
        if content["schema"] != SCHEMA:
            raise DatasetError(
                "dataset_broken", f"the schema of the manifest is {content['schema']!r}, not {SCHEMA!r}"
            )
        schema_version = content["schema_version"]
        if schema_version not in READABLE_VERSIONS:
            raise DatasetError(
                "dataset_incompatible",
                f"this release reads schema versions {', '.join(map(str, READABLE_VERSIONS))}; "
                f"the dataset has {schema_version}",
            )
        return DatasetManifest(
            tables={name: _decode_files(content["tables"].get(name, ())) for name in TABLES},
            files=_decode_files(content["files"]),
            totals=content["totals"],
            rejected=content["rejected"],
            parameters=content["parameters"],
            policy=content["policy"],
            code_version=content["code_version"],
            engines=tuple(content["engines"]),
            parents=tuple(content["parents"]),
            unreadable=content.get("unreadable", {}),
            schema_version=schema_version,
        )
    except (ValueError, KeyError, TypeError) as error:
        raise DatasetError("dataset_broken", f"the manifest cannot be read: {error}") from error


def load(folder: Path) -> DatasetManifest:
    """The manifest of a dataset folder; raises DatasetError."""
    path = folder / MANIFEST
    if not path.is_file():
        raise DatasetError("dataset_missing", f"{folder} is not a dataset: it has no {MANIFEST}")
    return decode(path.read_bytes())


def sign(manifest: bytes, key: str) -> bytes:
    """The content of the signature file: HMAC-SHA256 over the manifest, and the id of the key."""
    content = {
        "algorithm": ALGORITHM,
        "key_id": compute_key_id(key),
        "manifest_sha256": hashlib.sha256(manifest).hexdigest(),
        "signature": hmac.new(key.encode(), manifest, hashlib.sha256).hexdigest(),
    }
    return encode_lazily(content, sort_keys=True)


def check_signature(manifest: bytes, signature: bytes, key: str) -> None:
    """Raise DatasetError `dataset_unsigned` unless `signature` was made with this key over this manifest."""
    try:
        content = json.loads(signature)
        given, algorithm = str(content["signature"]), content["algorithm"]
    except (ValueError, KeyError, TypeError) as error:
        raise DatasetError("dataset_unsigned", f"the signature cannot be read: {error}") from error
    expected = hmac.new(key.encode(), manifest, hashlib.sha256).hexdigest()
    if algorithm != ALGORITHM or not hmac.compare_digest(expected, given):
        raise DatasetError("dataset_unsigned", "the signature was not made with this key over this manifest")


def compute_key_id(key: str) -> str:
    """Eight hex digits that distinguish keys without revealing them."""
    return hashlib.sha256(b"maquette.dataset.key\0" + key.encode()).hexdigest()[:8]


def _encode_files(entries: Iterable[FileEntry]) -> list[dict[str, Any]]:
    def describe() -> Iterator[dict[str, Any]]:
        return (entry.as_json() for entry in sorted(entries, key=lambda entry: entry.name))

    return LazyList(describe)


def _decode_files(content: Iterable[Mapping[str, Any]]) -> tuple[FileEntry, ...]:
    return tuple(FileEntry(**item) for item in content)
