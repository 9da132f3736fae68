"""What an export has built of single clips, kept until it ends: one that was stopped goes on from there."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workers.datasets.errors import DatasetError

# the files or arrays that a clip adds to an export, by name
Part = Mapping[str, bytes | NDArray[Any]]
FOLDER = ".parts"
# what a part says of its clip beside its files, as JSON: what is numbered when all parts are there
NOTES = "notes"
# names of what was bytes; arrays keep theirs
BYTES = "bytes:"


def encode_notes(content: Any) -> bytes:
    """Notes of a part; tuples come back as lists."""
    return json.dumps(content, allow_nan=False).encode()


def read_notes(part: Part) -> Any:
    """The notes of a part, None without."""
    return json.loads(bytes(part[NOTES])) if NOTES in part else None


class PartStore:
    """Parts under `<export>/.parts`, each whole or absent; `description` says which export they belong to.

    Raises DatasetError `dataset_conflict` when they belong to another one.
    """

    def __init__(self, out: Path, description: Mapping[str, Any]) -> None:
        self._folder = out / FOLDER
        self._folder.mkdir(parents=True, exist_ok=True)
        state, text = self._folder / "export.json", json.dumps(description, sort_keys=True)
        if state.exists() and state.read_text() != text:
            raise DatasetError(
                "dataset_conflict", f"{out} has the beginning of another export: give another --out"
            )
        state.write_text(text)

    @staticmethod
    def is_unfinished(out: Path) -> bool:
        """Whether a folder has an export that was stopped."""
        return (out / FOLDER / "export.json").is_file()

    def get(self, clip: str) -> Part | None:
        """The part of a clip; None when it was not built."""
        path = self._locate(clip)
        if not path.is_file():
            return None
        with np.load(path, allow_pickle=False) as stored:
            return {
                name.removeprefix(BYTES): stored[name].tobytes() if name.startswith(BYTES) else stored[name]
                for name in stored.files
            }

    def put(self, clip: str, part: Part) -> None:
        """Keep the part of a clip."""
        arrays: dict[str, Any] = {
            f"{BYTES}{name}" if isinstance(value, bytes) else name: (
                np.frombuffer(value, np.uint8) if isinstance(value, bytes) else value
            )
            for name, value in part.items()
        }
        path = self._locate(clip)
        scratch = path.with_suffix(".tmp")
        with scratch.open("wb") as file:
            np.savez(file, **arrays)
        scratch.replace(path)

    def remove(self) -> None:
        """Remove all parts."""
        shutil.rmtree(self._folder)

    def _locate(self, clip: str) -> Path:
        return self._folder / f"{clip}.npz"
