"""A video of an asset turning once about its vertical axis: its mesh on the left, its splat on the right."""

import numpy as np

from workers.engines.protocols import ObjectAsset
from workers.engines.rasterisers.preview import preview_splat
from workers.formats.video_writer import VideoWriter
from workers.geometry.cameras import Camera
from workers.geometry.mesh_renderer import render_mesh
from workers.geometry.poses import look_at

# Pixels of each side of a view, frames of the video, and frames per second.
SIDE, FRAMES, RATE = 256, 48, 24
# The focal length as a share of the side, and where the camera circles; objects have a longest side of 1.
FOCAL_SHARE = 1.4
DISTANCE, HEIGHT = 1.75, 0.5


def render_turntable(asset: ObjectAsset) -> bytes:
    """An H.264 MP4 of 2 s, 512 x 256 pixels; it starts with the side that the image shows."""
    camera = Camera(SIDE, SIDE, SIDE * FOCAL_SHARE, SIDE * FOCAL_SHARE, SIDE / 2, SIDE / 2)
    mesh = asset.mesh
    with VideoWriter(2 * SIDE, SIDE, (1, RATE)) as video:
        for number in range(FRAMES):
            angle = 2 * np.pi * number / FRAMES
            eye = (DISTANCE * float(np.sin(angle)), HEIGHT, DISTANCE * float(np.cos(angle)))
            pose = look_at(eye, (0.0, 0.0, 0.0))
            left, _ = render_mesh(mesh.vertices, mesh.faces, mesh.colors, camera, pose)
            video.add(np.hstack([left, preview_splat(asset.splat, camera, pose)]), number)
        return video.finish()
