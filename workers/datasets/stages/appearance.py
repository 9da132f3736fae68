"""Writes the reference crops of kept tracks, and their vectors."""

from collections.abc import Mapping
from typing import Any

from workers.datasets.appearance.crops import build_crop_rows
from workers.datasets.appearance.encoding import encode_crops
from workers.datasets.clip_batch import ClipBatch
from workers.datasets.protocols import CropEncoder
from workers.datasets.schema import FeatureRow
from workers.datasets.stages.base import ClipStage


class AppearanceStage(ClipStage):
    """Adds the rows of `features`; `crops` is how many crops a track has."""

    name = "appearance"
    version = "1"

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
        """Crops by track, then all vectors."""
        height, width = batch.tracked.size
        rows: list[FeatureRow] = []
        for track, _ in batch.kept_tracks:
            crops = batch.tracked.crops.get(track.track, ())
            rows += build_crop_rows(batch.clip, track.track, crops, width, height)
        if self._encoder is not None:
            rows += encode_crops(self._encoder, rows)
        return batch.with_rows(features=rows)
