"""The dataset's manifest: every file with its hash. The hash of the manifest is the version."""

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from workers.datasets.errors import DatasetError
from workers.datasets.schema import SCHEMA, SCHEMA_VERSION, TABLES

MANIFEST = "dataset.json"
SIGNATURE = "dataset.sig.json"
ALGORITHM = "hmac-sha256"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileEntry:
    """A file of the dataset; `clip` is set for the shard of one clip, `rows` for a table."""

    name: str
    sha256: str
    bytes: int
    rows: int | None = None
    clip: str | None = None
    media_type: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Without what is unset."""
        return {key: value for key, value in asdict(self).items() if value is not None}


def describe_file(name: str, data: bytes, *, rows: int | None = None, clip: str | None = None) -> FileEntry:
    """The entry of a file with the content `data`."""
    digest = hashlib.sha256(data).hexdigest()
    return FileEntry(name=name, sha256=digest, bytes=len(data), rows=rows, clip=clip)


@dataclass(frozen=True, slots=True)
class DatasetManifest:
    """What a version is made of. Nothing in it depends on when or where it was made."""

    tables: Mapping[str, tuple[FileEntry, ...]]
    files: tuple[FileEntry, ...] = ()
    totals: Mapping[str, float] = field(default_factory=dict)
    rejected: Mapping[str, int] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    policy: str = ""
    code_version: str = ""
    engines: tuple[Mapping[str, Any], ...] = ()
    parents: tuple[str, ...] = ()
    schema_version: int = SCHEMA_VERSION

    def encode(self) -> bytes:
        """The bytes whose hash is the version: sorted, so that equal content has equal bytes."""
        content = {
            "schema": SCHEMA,
            "schema_version": self.schema_version,
            "tables": {
                name: [f.as_json() for f in sorted(self.tables.get(name, ()), key=lambda file: file.name)]
                for name in TABLES
            },
            "files": [item.as_json() for item in sorted(self.files, key=lambda item: item.name)],
            "totals": dict(self.totals),
            "rejected": dict(self.rejected),
            "parameters": dict(self.parameters),
            "policy": self.policy,
            "code_version": self.code_version,
            "engines": [dict(item) for item in self.engines],
            "parents": list(self.parents),
        }
        return (json.dumps(content, indent=1, sort_keys=True) + "\n").encode()

    @property
    def version(self) -> str:
        """sha256 of the encoded manifest."""
        return hashlib.sha256(self.encode()).hexdigest()

    def all_files(self) -> list[FileEntry]:
        """Every file the version is made of."""
        return [item for items in self.tables.values() for item in items] + list(self.files)


def decode(data: bytes) -> DatasetManifest:
    """Read a manifest; raises DatasetError `dataset_broken` or `dataset_incompatible`."""
    try:
        content = json.loads(data)
        if content["schema"] != SCHEMA:
            raise DatasetError(
                "dataset_broken", f"the manifest is of {content['schema']!r}, not of {SCHEMA!r}"
            )
        found = content["schema_version"]
        if found != SCHEMA_VERSION:
            raise DatasetError(
                "dataset_incompatible", f"schema version {found} cannot be read, only {SCHEMA_VERSION}"
            )
        tables = {
            name: tuple(FileEntry(**item) for item in content["tables"].get(name, ())) for name in TABLES
        }
        return DatasetManifest(
            tables=tables,
            files=tuple(FileEntry(**item) for item in content["files"]),
            totals=content["totals"],
            rejected=content["rejected"],
            parameters=content["parameters"],
            policy=content["policy"],
            code_version=content["code_version"],
            engines=tuple(content["engines"]),
            parents=tuple(content["parents"]),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise DatasetError("dataset_broken", f"the manifest cannot be read: {error}") from error


def sign(manifest: bytes, key: str) -> bytes:
    """A signature file: HMAC-SHA256 of the manifest's bytes; `key_id` tells keys apart."""
    content = {
        "algorithm": ALGORITHM,
        "key_id": key_id(key),
        "manifest_sha256": hashlib.sha256(manifest).hexdigest(),
        "signature": hmac.new(key.encode(), manifest, hashlib.sha256).hexdigest(),
    }
    return (json.dumps(content, indent=1, sort_keys=True) + "\n").encode()


def check_signature(manifest: bytes, signature: bytes, key: str) -> None:
    """Raise DatasetError `dataset_unsigned` unless the signature is the key's own over these bytes."""
    try:
        content = json.loads(signature)
        told, algorithm = str(content["signature"]), content["algorithm"]
    except (ValueError, KeyError, TypeError) as error:
        raise DatasetError("dataset_unsigned", f"the signature cannot be read: {error}") from error
    made = hmac.new(key.encode(), manifest, hashlib.sha256).hexdigest()
    if algorithm != ALGORITHM or not hmac.compare_digest(made, told):
        raise DatasetError("dataset_unsigned", "the signature was not made with this key over this manifest")


def key_id(key: str) -> str:
    """Eight digits that tell one key from another."""
    return hashlib.sha256(b"maquette.dataset.key\0" + key.encode()).hexdigest()[:8]


def load(folder: Path) -> DatasetManifest:
    """The manifest of a dataset folder; raises DatasetError."""
    path = folder / MANIFEST
    if not path.is_file():
        raise DatasetError("dataset_missing", f"{folder} holds no {MANIFEST}: it is no dataset")
    return decode(path.read_bytes())
