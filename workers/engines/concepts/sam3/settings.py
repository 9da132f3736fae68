"""How SAM 3 is run: from the environment in a worker, from arguments in tests and benches."""

import os
from dataclasses import dataclass

from workers.engines.concepts.sam3.errors import HUB_ID, PATH_ENV

BATCH_ENV = "MAQUETTE_SAM3_BATCH"
GPU_BATCH = 4


@dataclass(frozen=True, slots=True)
class Sam3Settings:
    """`source` is a folder or a hub id; `device` and `dtype` of "auto" mean bf16 on a GPU, else fp32.

    `nms_iou` of None keeps overlapping detections of a phrase, `fill_area` of 0 keeps holes and sprinkles
    (both in pixels of the model's own masks, 288 x 288). `pad_geometry` gives text-only calls the empty
    geometry token that Meta's own code always has. `pointer_history` bounds the conditioning frames of one
    tracked object whose pointer is kept; up to that many, video is bit-identical to the unbounded model.
    `batch` frames of a video go through backbone and detector together; None means `frames_together`.
    """

    source: str = HUB_ID
    revision: str | None = None
    device: str = "auto"
    dtype: str = "auto"
    threshold: float = 0.5
    nms_iou: float | None = 0.7
    fill_area: int = 16
    pad_geometry: bool = False
    phrase_chunk: int = 4
    mask_chunk: int = 8
    cache_bytes: int = 2 * 2**30
    phrase_cache_bytes: int = 64 * 2**20
    max_objects: int = 128
    pointer_history: int = 64
    batch: int | None = None

    def frames_together(self, device: str) -> int:
        """How many frames of a video are worked on together on a device of that type: `batch`, else 4 on a
        GPU and 1 on a CPU, which a single frame keeps busy.
        """
        return self.batch or (1 if device == "cpu" else GPU_BATCH)

    @classmethod
    def from_env(cls) -> "Sam3Settings":
        """MAQUETTE_SAM3_PATH (folder or hub id), _REVISION, _DEVICE, _DTYPE, _PAD_GEOMETRY, _BATCH; else
        defaults. Raises ValueError for a batch that is no whole number from 1 on.
        """
        get = os.environ.get
        batch = get(BATCH_ENV) or None
        if batch is not None and not (batch.isdecimal() and int(batch) >= 1):
            raise ValueError(f"{BATCH_ENV} is {batch!r}; a whole number from 1 on is needed")
        return cls(
            source=get(PATH_ENV) or HUB_ID,
            revision=get("MAQUETTE_SAM3_REVISION") or None,
            device=get("MAQUETTE_SAM3_DEVICE") or "auto",
            dtype=get("MAQUETTE_SAM3_DTYPE") or "auto",
            pad_geometry=(get("MAQUETTE_SAM3_PAD_GEOMETRY") or "").lower() in {"1", "true", "yes"},
            batch=None if batch is None else int(batch),
        )
