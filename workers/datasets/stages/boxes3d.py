"""Places an oriented 3D box around each track in each frame."""

from dataclasses import replace

from workers.datasets.boxes3d.lifting import lift_track
from workers.datasets.clip_batch import ClipBatch
from workers.datasets.source import KnownBox
from workers.datasets.stages.base import ClipStage
from workers.datasets.tasks import ClipTask


class Box3dStage(ClipStage):
    """Adds `boxes`, by track and frame."""

    name = "boxes3d"
    version = "3"
    reads_annotations = True

    def run(self, batch: ClipBatch) -> ClipBatch:
        """Lift every track; the camera is known by now."""
        assert batch.camera is not None
        known = _load_known_boxes(batch.task)
        tracked = batch.tracked
        boxes = {
            track: lift_track(observations, tracked.labels[track], batch.camera, known.get(track))
            for track, observations in tracked.observations.items()
        }
        return replace(batch, boxes=boxes)


def _load_known_boxes(task: ClipTask) -> dict[int, dict[int, KnownBox]]:
    """The boxes that came with the source, by track and frame of the clip."""
    known: dict[int, dict[int, KnownBox]] = {}
    if task.source.truth.boxes is not None:
        for frame, source_frame in enumerate(task.plan.frames):
            for track, box in task.source.truth.boxes(source_frame).items():
                known.setdefault(track, {})[frame] = box
    return known
