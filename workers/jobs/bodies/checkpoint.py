"""The checkpoint of a bodies job on a video."""

from dataclasses import dataclass, field
from typing import Any

from workers.geometry.cameras import Camera
from workers.jobs.checkpoint import JobCheckpoint


@dataclass(slots=True)
class BodiesCheckpoint(JobCheckpoint):
    """The state between chunks. Checkpoints in the ledger have these field names.

    `tracking` is that of the first pass, `tracked` whether it is done. `decoded` counts the frames of the
    second pass, whose bodies are stored as `chunks`; `rig` is the hash of the rig, `first` what the first
    body says of all, `watch` the hash of what the camera's motion is measured against. `artefacts` are those
    saved by both passes.
    """

    tracking: dict[str, Any] | None = None
    tracked: bool = False
    decoded: int = 0
    rig: str | None = None
    watch: str | None = None
    chunks: list[str] = field(default_factory=list)
    first: dict[str, Any] | None = None
    artefacts: list[dict[str, Any]] = field(default_factory=list)

    @classmethod
    def read_fields(cls, stored: dict[str, Any]) -> dict[str, Any]:
        """The values of the fields; version 0.1.0 called the first field "ledger"."""
        return {"tracking" if name == "ledger" else name: value for name, value in stored.items()}

    def estimated_camera(self) -> Camera | None:
        """The camera estimated on the first frame with a body; it is one camera through the video."""
        camera = self.first and self.first["camera"]
        return Camera(**camera) if camera and camera["source"] == "estimated" else None
