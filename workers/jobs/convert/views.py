"""Images and depth maps of a splat, as the cameras of a request see it."""

import io

import numpy as np
from maquette.contract import ConvertJob, RenderedView, SplatView

from workers.engines.rasterisers.choice import choose_rasteriser
from workers.engines.rasterisers.protocol import ALPHA_FLOOR, RasteriserMissing, Rendering, RenderOptions
from workers.errors import JobProblem
from workers.formats.images import encode_png
from workers.geometry.cameras import Camera
from workers.geometry.gaussians import Gaussians
from workers.geometry.posed_cameras import PosedCamera
from workers.geometry.poses import Similarity
from workers.jobs.context import JobContext


def render_views(context: JobContext, request: ConvertJob, splat: Gaussians) -> list[RenderedView]:
    """Render and save each view; raises JobProblem `extra_missing` where no rasteriser can run."""
    try:
        rasteriser = choose_rasteriser()
    except RasteriserMissing as error:
        raise JobProblem("extra_missing", str(error)) from error
    options = RenderOptions(anti_aliased=request.anti_aliased, depth=request.depth)
    rendered = []
    for index, view in enumerate(request.views):
        context.progress("render", index, len(request.views), "rendering views")
        rendering = rasteriser.render(splat, pose_camera(view), options)
        image = context.save(f"view-{index:03d}.png", "view", "image/png", _encode_image(rendering))
        depth = None
        if rendering.depth is not None:
            buffer = io.BytesIO()
            np.save(buffer, rendering.depth, allow_pickle=False)
            data = buffer.getvalue()
            depth = context.save(f"view-{index:03d}-depth.npy", "depth", "application/x-npy", data).name
        rendered.append(RenderedView(image=image.name, depth=depth))
    return rendered


def pose_camera(view: SplatView) -> PosedCamera:
    """The camera of a view as rasterisers take it."""
    given, matrix = view.camera, np.asarray(view.world_from_cam, dtype=np.float64)
    camera = Camera(view.width, view.height, given.fx, given.fy, given.cx, given.cy)
    return PosedCamera(camera, Similarity.from_parts(matrix[:3, :3], matrix[:3, 3]).inverse())


def _encode_image(rendering: Rendering) -> bytes:
    """An RGBA PNG; colours come multiplied by alpha."""
    alpha = rendering.alpha[..., None]
    straight = rendering.color / np.maximum(alpha, ALPHA_FLOOR)
    rgba = np.concatenate([np.where(alpha < ALPHA_FLOOR, 0, straight), alpha], axis=2)
    return encode_png(np.round(255 * np.clip(rgba, 0, 1)).astype(np.uint8))
