"""Writes the reference crops of tracks, and the vectors of kept ones."""

from collections.abc import Mapping, Sequence
from typing import Any

from workers.datasets.appearance.crops import build_crop_rows
from workers.datasets.appearance.encoding import encode_crops
from workers.datasets.clip_batch import ClipBatch
from workers.datasets.protocols import CropEncoder
from workers.datasets.schema import FeatureRow
from workers.datasets.stages.base import ClipStage


class AppearanceStage(ClipStage):
    """Adds the rows of `features` and `rejected_features`; `crops` is how many crops a track has."""

    name = "appearance"
    version = "2"

    def __init__(self, encoder: CropEncoder | None, crops: int) -> None:
        self._encoder, self._crops = encoder, crops

    @property
    def parameters(self) -> Mapping[str, Any]:
        """Crops per track, and the encoder that is plugged in."""
        return {"crops": self._crops, "encoder": None if self._encoder is None else self._encoder.name}

    @property
    def weights(self) -> Mapping[str, str]:
        """The encoder's."""
        return {} if self._encoder is None else self._encoder.weights

    def run(self, batch: ClipBatch) -> ClipBatch:
        """Crops by track, then all vectors; rejected tracks have crops alone."""
        rows = _build_crops(batch, [track.track for track, _ in batch.kept_tracks])
        rejected = _build_crops(batch, [track.track for track, _ in batch.rejected_tracks])
        if self._encoder is not None:
            rows += encode_crops(self._encoder, rows)
        return batch.with_rows(features=rows, rejected_features=rejected)


def _build_crops(batch: ClipBatch, tracks: Sequence[int]) -> list[FeatureRow]:
    """The crops of some tracks."""
    height, width = batch.tracked.size
    return [
        row
        for track in tracks
        for row in build_crop_rows(batch.clip, track, batch.tracked.crops.get(track, ()), width, height)
    ]
