"""What a dataset says about its tracks in words, crops and vectors."""

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from maquette.data.clips import DatasetFolder
from maquette.data.errors import DataError
from maquette.data.images import decode_jpeg

# of a track that was given without a name
UNNAMED = "object"


class Annotations:
    """Labels and captions by clip; each table is read once."""

    def __init__(self, folder: DatasetFolder) -> None:
        self._folder = folder

    @cached_property
    def labels_by_clip(self) -> dict[str, dict[int, str]]:
        """The phrase that each kept track was found by, else the label of the engine, by clip and track."""
        found: dict[str, dict[int, str]] = {}
        names = ("clip", "track", "concept", "label", "kept")
        for clip, track, concept, label, kept in self._folder.read_rows("tracks", names):
            if kept:
                found.setdefault(clip, {})[track] = concept or label or UNNAMED
        return found

    @cached_property
    def names(self) -> list[str]:
        """All labels in alphabetical order."""
        return sorted({name for labels in self.labels_by_clip.values() for name in labels.values()})

    @cached_property
    def captions_by_clip(self) -> dict[str, dict[int | None, str]]:
        """The first caption of each track, and under None that of the clip, by clip.

        Captions that failed their gate are left out.
        """
        found: dict[str, dict[int | None, str]] = {}
        rows = self._folder.read_rows("captions", ("clip", "track", "text"), optional=("kept",))
        for clip, track, text, kept in rows:
            if kept is not False:
                found.setdefault(clip, {}).setdefault(track, text)
        return found


class ClipViews:
    """The best crop and vector of each track of a clip."""

    def __init__(self, folder: DatasetFolder, clip: str) -> None:
        self._folder, self._clip = folder, clip

    @cached_property
    def _rows(self) -> list[tuple[int, str, int, bytes | None, list[float] | None]]:
        names = ("track", "kind", "rank", "jpeg", "vector")
        columns = self._folder.read("features", self._clip, names)
        if columns is None:
            return []
        rows = list(zip(*(columns.values(name) for name in names), strict=True))
        return sorted(rows, key=lambda row: row[2])

    def read_crops(self, tracks: list[int], side: int) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """Crops u8 (S, 3, side, side), and whether each track has one (S,)."""
        out, known = np.zeros((len(tracks), 3, side, side), np.uint8), np.zeros(len(tracks), np.bool_)
        for track, kind, _, jpeg, _ in self._rows:
            if kind == "crop" and jpeg is not None and track in tracks and not known[tracks.index(track)]:
                slot = tracks.index(track)
                decode_jpeg(jpeg, out[slot])
                known[slot] = True
        return out, known

    def read_vectors(self, tracks: list[int], width: int) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Vectors f32 (S, width), NaN without one, and whether each track has one (S,)."""
        out = np.full((len(tracks), width), np.nan, np.float32)
        for track, kind, _, _, vector in self._rows:
            is_wanted = kind == "vector" and vector is not None and len(vector) == width and track in tracks
            if is_wanted and np.isnan(out[tracks.index(track)]).all():
                out[tracks.index(track)] = vector
        return out, np.asarray(np.isfinite(out).all(axis=1), np.bool_)

    def find_width(self) -> int | None:
        """The length of the first vector; None without any."""
        return next((len(vector) for *_, vector in self._rows if vector is not None), None)


def find_vector_width(folder: DatasetFolder) -> int:
    """The length of the vectors of a dataset; raises DataError `dataset_empty` when it has none."""
    for entry in folder.clips:
        width = ClipViews(folder, entry.clip).find_width()
        if width is not None:
            return width
    raise DataError("dataset_empty", f"{folder.path} has no vectors: no encoder was plugged in")
