"""A video of an asset turning once about its vertical axis: its mesh on the left, its splat on the right."""

import numpy as np

from workers.engines.protocols import ObjectAsset
from workers.formats.video_writer import VideoWriter
from workers.jobs.asset_views import AssetViews

# frames per second
RATE = 24
# how far the camera looks down: its height over its horizontal distance
SLOPE = 0.286


def render_turntable(asset: ObjectAsset, *, side: int, seconds: float) -> bytes:
    """An H.264 MP4 of one turn in that time, 2 `side` x `side` pixels; `side` is even.

    It starts with the side that the image shows.
    """
    views, frames = AssetViews(asset, side), round(RATE * seconds)
    with VideoWriter(2 * side, side, (1, RATE)) as video:
        for number in range(frames):
            angle = 2 * np.pi * number / frames
            video.add(np.hstack(views.render((float(np.sin(angle)), SLOPE, float(np.cos(angle))))), number)
        return video.finish()
