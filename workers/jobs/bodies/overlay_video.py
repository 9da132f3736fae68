"""The overlay of a bodies job on a video: every frame beside itself with the smoothed bodies over it."""

from collections.abc import Sequence

import numpy as np
from maquette.contract import BodiesJob, MediaRef
from numpy.typing import NDArray

from workers.engines.protocols import Rgb
from workers.formats.images import shrink_image, shrunk_size
from workers.formats.video_writer import VideoWriter
from workers.geometry.cameras import Camera
from workers.jobs.bodies.motion import BodyMotion
from workers.jobs.bodies.previews import PosedBody, draw_bodies
from workers.jobs.context import JobContext
from workers.jobs.track.chunked_tracking import limit_frames

Floats = NDArray[np.float64]
# longest side of each half in pixels; enough to judge bodies by eye
OVERLAY_SIDE = 640


def write_overlay_video(
    context: JobContext,
    request: BodiesJob,
    video_ref: MediaRef,
    motions: Sequence[tuple[int, BodyMotion]],
    camera: Camera,
    world_from_cam: Floats | None,
) -> None:
    """Save the overlay as MP4; `motions` are track ids with their motions, poses are (T, 4, 4)."""
    video = context.media.open_video(video_ref)
    width, height = shrunk_size(video.width, video.height, OVERLAY_SIDE)
    total = video.count_frames(request.max_frames)
    with (
        VideoWriter(2 * width, height, video.time_base) as writer,
        limit_frames(video, request.max_frames) as frames,
    ):
        for frame in frames:
            context.progress("overlay", frame.index, total)
            image = shrink_image(frame.pixels, OVERLAY_SIDE)
            bodies = _pose_bodies(frame.index, motions, camera, world_from_cam)
            writer.add(_draw_beside(image, bodies), frame.pts)
        context.save("overlay.mp4", "overlay", "video/mp4", writer.finish())


def _draw_beside(image: Rgb, bodies: Sequence[PosedBody]) -> Rgb:
    """The image (H, W, 3) and, to its right, the image with the bodies over it."""
    return np.hstack([image, draw_bodies(image.copy(), bodies)])


def _pose_bodies(
    frame: int, motions: Sequence[tuple[int, BodyMotion]], camera: Camera, world_from_cam: Floats | None
) -> list[PosedBody]:
    """The bodies of a frame in the camera frame; those in open gaps are left out."""
    posed = []
    for track, motion in motions:
        place = frame - int(motion.frames[0])
        if not 0 <= place < len(motion.frames) or not motion.state[place]:
            continue
        vertices = motion.vertices(place)
        if world_from_cam is not None:
            rotation, centre = world_from_cam[frame, :3, :3], world_from_cam[frame, :3, 3]
            vertices = (vertices - centre) @ rotation
        posed.append(PosedBody(vertices, motion.rig.faces, camera, track))
    return posed
