"""The overlay of a bodies job on a video: the frame, and the bodies over it, from the side and above."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from maquette.contract import BodiesJob, MediaRef
from numpy.typing import NDArray

from workers.engines.protocols import Rig
from workers.formats.images import shrink_image, shrunk_size
from workers.formats.video_writer import VideoWriter
from workers.geometry.cameras import Camera
from workers.jobs.bodies.ground.plane import Ground
from workers.jobs.bodies.motion import BodyMotion
from workers.jobs.bodies.previews import PosedBody, TurnedViews, draw_bodies, stack_panels
from workers.jobs.context import JobContext
from workers.jobs.track.chunked_tracking import limit_frames

Floats = NDArray[np.float64]
# longest side of each of the four panels in pixels; enough to judge bodies by eye
OVERLAY_SIDE = 640
# share of the middle of all motions that the views from the side and above must show, in percent at both
# ends: a frame that is far off does not make all others small
OUTERMOST = 1.0
# edge in metres of the cells whose vertices are drawn as one: three pixels of a person 300 pixels tall
CELL = 0.02


def write_overlay_video(
    context: JobContext,
    request: BodiesJob,
    video_ref: MediaRef,
    motions: Sequence[tuple[int, BodyMotion]],
    camera: Camera,
    world_from_cam: Floats | None,
    ground: Ground | None,
) -> None:
    """Save the overlay as MP4; `motions` are track ids with their motions, poses are (T, 4, 4).

    `ground` is in the frame of the motions.
    """
    video = context.media.open_video(video_ref)
    width, height = shrunk_size(video.width, video.height, OVERLAY_SIDE)
    total = video.count_frames(request.max_frames)
    drawn = [(track, replace(motion, rig=coarsen_rig(motion.rig))) for track, motion in motions]
    views = TurnedViews(_list_extent(motions), ground, (height, width))
    panel_height, panel_width = views.size
    with (
        VideoWriter(2 * panel_width, 2 * panel_height, video.time_base) as writer,
        limit_frames(video, request.max_frames) as frames,
    ):
        for frame in frames:
            context.progress("overlay", frame.index, total)
            image = shrink_image(frame.pixels, OVERLAY_SIDE)
            bodies = _pose_bodies(frame.index, drawn, camera)
            over = draw_bodies(image.copy(), *_see(bodies, ground, frame.index, world_from_cam))
            writer.add(stack_panels([image, over, *views.render(bodies)]), frame.pts)
        context.save("overlay.mp4", "overlay", "video/mp4", writer.finish())


def coarsen_rig(rig: Rig) -> Rig:
    """The rig with one vertex per cell of its rest mesh: it poses and draws several times as fast."""
    cells = np.floor(rig.rest_vertices / CELL).astype(np.int64)
    _, kept, group = np.unique(cells, axis=0, return_index=True, return_inverse=True)
    faces = group.reshape(-1)[rig.faces]
    whole = (faces[:, 0] != faces[:, 1]) & (faces[:, 1] != faces[:, 2]) & (faces[:, 2] != faces[:, 0])
    return replace(
        rig,
        rest_vertices=rig.rest_vertices[kept],
        skin_joints=rig.skin_joints[kept],
        skin_weights=rig.skin_weights[kept],
        faces=faces[whole],
    )


def _list_extent(motions: Sequence[tuple[int, BodyMotion]]) -> Floats:
    """Corners (8, 3) of the box that nearly all joints of all frames lie in, in the frame of the motions."""
    joints = np.concatenate([motion.joints().reshape(-1, 3) for _, motion in motions])
    known = joints[np.isfinite(joints).all(axis=1)]
    low, high = np.percentile(known, [OUTERMOST, 100 - OUTERMOST], axis=0)
    corners = np.stack(np.meshgrid(*zip(low, high, strict=True), indexing="ij"), axis=-1)
    return corners.reshape(-1, 3)


def _see(
    bodies: Sequence[PosedBody], ground: Ground | None, frame: int, world_from_cam: Floats | None
) -> tuple[Sequence[PosedBody], Ground | None]:
    """Bodies and ground of the motions' frame in that of the camera of a frame."""
    if world_from_cam is None:
        return bodies, ground
    pose = world_from_cam[frame]
    moved = [replace(body, vertices=(body.vertices - pose[:3, 3]) @ pose[:3, :3]) for body in bodies]
    return moved, None if ground is None else ground.seen_from(pose)


def _pose_bodies(frame: int, motions: Sequence[tuple[int, BodyMotion]], camera: Camera) -> list[PosedBody]:
    """The bodies of a frame in the motions' own frame; those in open gaps are left out."""
    posed = []
    for track, motion in motions:
        place = frame - int(motion.frames[0])
        if not 0 <= place < len(motion.frames) or not motion.state[place]:
            continue
        posed.append(PosedBody(motion.vertices(place), motion.rig.faces, camera, track))
    return posed
