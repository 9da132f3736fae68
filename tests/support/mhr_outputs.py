"""The golden numbers of four real outputs, and the outputs themselves where they are."""

import json
import os
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support import paths

GOLDEN = paths.GOLDEN / "mhr_outputs.json"
FOLDER = Path(os.environ.get("MAQUETTE_TEST_MHR") or paths.REPOSITORY.parent / "shared" / "data" / "mhr")


@lru_cache(maxsize=1)
def load_golden() -> list[dict[str, Any]]:
    """One entry a person, arrays as float64, maps of index to array."""
    people: list[dict[str, Any]] = json.loads(GOLDEN.read_text())["people"]
    for person in people:
        for name, value in person.items():
            if isinstance(value, list):
                person[name] = np.array(value)
            elif isinstance(value, dict):
                person[name] = {int(index): np.array(row) for index, row in value.items()}
    return people


@lru_cache(maxsize=1)
def load_outputs() -> list[dict[str, np.ndarray]]:
    """All four outputs, float64; skips the test when they are not here."""
    files = sorted(FOLDER.glob("img_subj0?.npz"))
    if len(files) != 4:
        pytest.skip(
            f"the four real outputs of SAM 3D Body are not in {FOLDER}; MAQUETTE_TEST_MHR names another"
        )
    people = []
    for file in files:
        with np.load(file, allow_pickle=False) as data:
            people.append({name: data[name].astype(np.float64) for name in data.files})
    return people


def load_native_faces() -> np.ndarray:
    """The faces (36874, 3) of LOD 1 from the PLY beside the outputs; skips when it is not here."""
    path = FOLDER / "mhr_face_mask.ply"
    if not path.is_file():
        pytest.skip(f"{path} is not here: it holds the topology of LOD 1")
    head, _, body = path.read_bytes().partition(b"end_header\n")
    assert b"element vertex 18439" in head and b"element face 36874" in head
    row = np.dtype([("count", "u1"), ("corners", "<i4", 3)])
    rows = np.frombuffer(body, dtype=row, count=36874, offset=18439 * 16)
    assert (rows["count"] == 3).all()
    return rows["corners"].astype(np.int64)
