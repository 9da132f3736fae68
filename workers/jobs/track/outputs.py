"""What a track job writes besides its masks: an overlay video, images of ids, and YouTube-VIS JSON."""

import tempfile
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
from maquette.contract import Artefact, TrackJob, TrackResult
from numpy.typing import NDArray
from PIL import Image

from workers.engines.protocols import Mask
from workers.formats.images import encode_png, shrink_image, shrunk_size
from workers.formats.overlay import overlay_masks
from workers.formats.video_writer import VideoWriter
from workers.formats.zip_writer import write_zip
from workers.jobs.context import JobContext
from workers.jobs.track.mask_rows import FrameMasks, read_chunks, read_frames
from workers.jobs.track.ytvis import write_ytvis

# longest side of overlay videos in pixels; enough to judge masks by eye
OVERLAY_SIDE = 960


def write_outputs(context: JobContext, request: TrackJob, result: TrackResult) -> None:
    """Write every requested output, with one chunk of masks in memory at a time."""
    masks = [artefact for artefact in context.artefacts if artefact.role == "masks"]
    if "png" in request.outputs:
        _write_id_images(context, result, masks)
    if "ytvis" in request.outputs:
        context.progress("write", message="writing YouTube-VIS JSON")
        with tempfile.TemporaryDirectory(prefix="maquette-ytvis-") as folder:
            chunks = write_ytvis(context, request, result, masks, Path(folder))
            context.save_chunks("ytvis.json", "annotations", "application/json", chunks)
    if "overlay" in request.outputs and masks:
        _write_overlay_video(context, request, result, masks)


def _write_overlay_video(
    context: JobContext, request: TrackJob, result: TrackResult, masks: Sequence[Artefact]
) -> None:
    first = min(chunk.first_frame for chunk in result.chunks)
    video = context.media.open_video(request.video, start=first, limit=result.frames)
    labels = {track.id: track.label or "" for track in result.tracks}
    width, height = shrunk_size(video.width, video.height, OVERLAY_SIDE)
    with closing(video.frames), VideoWriter(width, height, video.time_base) as writer:
        for frame, tracked in zip(video.frames, read_frames(context, masks), strict=False):
            image = shrink_image(frame.pixels, OVERLAY_SIDE)
            overlay = overlay_masks(
                image,
                [_resize_mask(item.mask, image.shape) for item in tracked.objects],
                [f"{item.id} {labels.get(item.id, '')}".strip() for item in tracked.objects],
                [item.id for item in tracked.objects],
            )
            writer.add(overlay, frame.pts)
            context.progress("overlay", tracked.frame - first + 1, result.frames)
        context.save("overlay.mp4", "overlay", "video/mp4", writer.finish())


def _resize_mask(mask: Mask, shape: tuple[int, ...]) -> Mask:
    size = shape[1], shape[0]
    return np.asarray(Image.fromarray(mask).resize(size, Image.Resampling.NEAREST))


def _write_id_images(context: JobContext, result: TrackResult, masks: Sequence[Artefact]) -> None:
    """One ZIP per chunk with one PNG per frame, whose pixels are track ids and 0 where there is no track."""
    wide = max((track.id for track in result.tracks), default=0) > 255
    for number, frames in enumerate(read_chunks(context, masks)):
        images = []
        for frame in frames:
            ids = np.zeros((result.height, result.width), np.uint16 if wide else np.uint8)
            _paint_ids(ids, frame)
            images.append((f"{frame.frame:05d}.png", encode_png(ids)))
        context.save(f"ids-{number:05d}.zip", "ids", "application/zip", write_zip(images))
        context.progress("write", number + 1, len(masks), "writing images of ids")


def _paint_ids(ids: NDArray[np.uint8] | NDArray[np.uint16], frame: FrameMasks) -> None:
    # where two masks overlap the smaller is kept: it is most often the one in front
    for item in sorted(frame.objects, key=lambda item: -int(item.mask.sum())):
        ids[item.mask] = item.id
