"""Neural Assets pairs, as the exporter `neural-assets` writes them."""

import json
import warnings
from collections import Counter
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from maquette.data import tensors
from maquette.data.errors import DataError, LeftOutWarning, format_left_out

UNKNOWN_CAMERA = "whose camera motion is unknown (unknown_cameras=True keeps them)"
EDIT, NO_EDIT = "edits (edits='with' keeps them)", "that are no edits"
GREY = np.float32(0.5)
Edits = Literal["without", "with", "only"]


class Pairs:
    """Map-style: `pairs[i]` has the inputs of the released training code (N objects, side S).

    - `src_image`, `tgt_image` f32 (S, S, 3) in [0, 1]; edits have no `tgt_image` unless they were rendered
    - `src_bg_image` f32 (S, S, 3): the source with the objects' boxes filled by 0.5
    - `src_bboxes` f32 (N + 1, 4): y0 x0 y1 x1 in [0, 1], the last row is the complete image
    - `tgt_bboxes_3d` f32 (N + 1, 12): corners p0 p1 p2 p4, u v z each; the last row is the camera's motion
    - `src_bboxes_padding` bool (N + 1,): True is a real row
    - `camera` f64 (3, 3): intrinsics of the square image in pixels

    `entries[i]` is its entry of `index.json`, `left_out` counts the others by reason. Pairs whose camera
    motion is unknown have NaN there, and are left out, with a warning, unless `unknown_cameras`. With
    `edits="with"`, edits are among them, and samples differ in keys.
    `as_tensors`: torch tensors (True), NumPy arrays (False), or tensors if torch is installed (None).

    Raises DataError.
    """

    def __init__(
        self,
        folder: Path | str,
        *,
        split: str | None = None,
        edits: Edits = "without",
        unknown_cameras: bool = False,
        as_tensors: bool | None = None,
    ) -> None:
        self._folder, self._as_tensors = Path(folder), as_tensors
        index = self._folder / "index.json"
        if not index.is_file():
            raise DataError("dataset_missing", f"{self._folder} has no index.json of neural-assets pairs")
        try:
            listed = json.loads(index.read_bytes())["pairs"]
            reasons = [
                _find_reason(entry, split=split, edits=edits, unknown_cameras=unknown_cameras)
                for entry in listed
            ]
        except (ValueError, KeyError, TypeError) as error:
            raise DataError("dataset_broken", f"{index} cannot be read: {error!r}") from error
        self.entries: list[dict[str, Any]] = [
            entry for entry, reason in zip(listed, reasons, strict=True) if reason is None
        ]
        self.left_out = dict(Counter(reason for reason in reasons if reason is not None))
        counted = format_left_out(self.left_out)
        if not listed:
            text = f"{self._folder} has no pairs; its maquette.json says of each clip why"
            raise DataError("dataset_empty", text)
        if not self.entries:
            text = f"none of the {len(listed)} pairs of {self._folder} matches; left out: {counted}"
            raise DataError("dataset_empty", text)
        if UNKNOWN_CAMERA in self.left_out:
            text = f"{len(self)} of {len(listed)} pairs of {self._folder}; left out: {counted}"
            warnings.warn(LeftOutWarning(text), stacklevel=2)

    def __len__(self) -> int:
        return len(self.entries)

    def __getitem__(self, index: int) -> dict[str, Any]:
        entry = self.entries[index]
        path = self._folder / entry["split"] / Path(entry["file"]).name
        try:
            with np.load(path, allow_pickle=False) as file:
                stored = {name: file[name] for name in file.files}
            boxes, source = stored["src_bboxes"], stored["src_image"]
            sample: dict[str, Any] = {
                "src_image": _to_float(source),
                "src_bg_image": fill_boxes(_to_float(source), stored["src_fg_bboxes"]),
                "src_bboxes": boxes,
                "src_bboxes_padding": (boxes != 0).any(axis=1),
                "tgt_bboxes_3d": stored["tgt_bboxes_3d"],
                "camera": stored["camera"],
            }
        except (OSError, ValueError, KeyError) as error:
            raise DataError("dataset_broken", f"{path.name} cannot be read: {error}") from error
        if "tgt_image" in stored:
            sample["tgt_image"] = _to_float(stored["tgt_image"])
        return tensors.to_tensors(sample, self._as_tensors)

    def __repr__(self) -> str:
        counted = format_left_out(self.left_out)
        return f"<Pairs {len(self)} of {self._folder}{f', left out: {counted}' if counted else ''}>"


def _find_reason(
    entry: dict[str, Any], *, split: str | None, edits: Edits, unknown_cameras: bool
) -> str | None:
    """Why a pair is left out; None for one that is kept."""
    if split not in (None, entry["split"]):
        return f"not in the split {split}"
    if edits != "with" and (entry["edit"] is not None) != (edits == "only"):
        return NO_EDIT if edits == "only" else EDIT
    return None if unknown_cameras or entry["background_known"] else UNKNOWN_CAMERA


def fill_boxes(image: NDArray[np.float32], boxes: NDArray[np.float32]) -> NDArray[np.float32]:
    """An image (S, S, 3) with boxes (N, 4), y0 x0 y1 x1 in [0, 1], filled with 0.5."""
    out = image.copy()
    height, width = image.shape[:2]
    for y0, x0, y1, x1 in np.rint(boxes * [height, width, height, width]).astype(np.int64).tolist():
        out[y0:y1, x0:x1] = GREY
    return out


def _to_float(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    return image.astype(np.float32) / np.float32(255)
