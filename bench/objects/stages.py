"""Objects per second, by stage, of the default engine from one view and of the files of an objects job.

    python -m bench run objects.stages [--rounds 3] [--side 256]

Each of the 24 analytic shapes is reconstructed and written. Reports CPU milliseconds per object for each
stage in the mean, and objects per second; a stage within another counts in its own alone.
"""

import argparse
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import numpy as np

from bench.objects.evaluation import DISTANCE, orbit
from bench.objects.painted_shapes import paint_shape
from bench.objects.solids import SHAPES
from bench.objects.views import photograph_views
from bench.report import Report
from workers.engines.objects import export
from workers.engines.objects.default import DefaultObjects
from workers.engines.objects.single_view import inflation, mask_view, reconstruction, surface
from workers.engines.protocols import ObjectAsset
from workers.formats.images import encode_png
from workers.formats.sog import write_sog
from workers.formats.spz import write_spz
from workers.geometry.cameras import Camera
from workers.geometry.posed_cameras import PosedCamera
from workers.jobs.objects.turntable import render_turntable
from workers.jobs.previews import render_asset_preview

STAGES: dict[str, tuple[Any, str]] = {
    "clean the mask": (mask_view, "clean_mask"),
    "fit hypotheses": (reconstruction, "fit_hypotheses"),
    "inflate": (inflation, "inflate"),
    "complete the colours": (reconstruction, "complete_texture"),
    "mesh and pose": (surface.Surface, "to_object_frame"),
    "splat": (surface.Surface, "build_splat"),
    "measure the outline": (mask_view.MaskView, "silhouette_iou"),
}
FILES: dict[str, Callable[[Any], object]] = {
    "GLB": lambda asset: export.write_asset_glb(asset, "object"),
    "PLY": export.write_asset_splat_ply,
    "preview": lambda asset: encode_png(render_asset_preview(asset)),
    "SPZ": lambda asset: write_spz(asset.splat),
    "SOG": lambda asset: write_sog(asset.splat),
    "textured GLB": lambda asset: export.write_asset_textured_glb(asset, "object", export.bake_asset(asset)),
    "turntable": render_turntable,
}
# Files that take seconds are written for every fourth object.
SLOW_FILES = ("turntable", "textured GLB")


class StageClock:
    """CPU seconds per stage, without those of the stages within it."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._running: list[str] = []
        self._since = 0.0

    def measure(self, stage: str, call: Callable[[], Any]) -> Any:
        """Call and count the seconds as the stage's."""
        self._count()
        self._running.append(stage)
        try:
            return call()
        finally:
            self._count()
            self._running.pop()

    def wrap(self, stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, measured at every call."""

        def measured(*args: Any, **kwargs: Any) -> Any:
            return self.measure(stage, lambda: function(*args, **kwargs))

        return measured

    def _count(self) -> None:
        now = time.process_time()
        if self._running:
            self.seconds[self._running[-1]] += now - self._since
        self._since = now


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--side", type=int, default=256, help="image side in pixels")


def run(options: argparse.Namespace, report: Report) -> None:
    """Reconstruct and write each shape."""
    table = report.table("", {"stage": "", "CPU ms per object": ".1f", "objects/s": ".1f"})
    clock = StageClock()
    assets = reconstruct_shapes(clock, options.rounds, options.side)
    count = options.rounds * len(assets)
    for stage in (*STAGES, "the rest"):
        table.add(stage, 1e3 * clock.seconds[stage] / count, None)
    seconds = sum(clock.seconds.values()) / count
    table.add("reconstruction", 1e3 * seconds, 1 / seconds)
    for name, write in FILES.items():
        some = assets[:: max(len(assets) // 6, 1)] if name in SLOW_FILES else assets
        start = time.process_time()
        for asset in some:
            write(asset)
        seconds = (time.process_time() - start) / len(some)
        table.add(name, 1e3 * seconds, 1 / max(seconds, 1e-9))
    report.add({"Gaussians per object": float(np.mean([len(asset.splat) for asset in assets]))})


def reconstruct_shapes(clock: StageClock, rounds: int, side: int) -> list[ObjectAsset]:
    """The asset of each shape from one view; `clock` counts all rounds but a first object."""
    camera = Camera.with_field_of_view(side, side, 40)
    view = PosedCamera(camera, orbit(35, 20, DISTANCE))
    photos = [photograph_views(paint_shape(name, "waves"), [view], 0.0, 0.0) for name in SHAPES]
    inputs = [(photo.images[0], photo.masks[0]) for photo in photos]
    for stage, (owner, name) in STAGES.items():
        setattr(owner, name, clock.wrap(stage, getattr(owner, name)))
    engine = DefaultObjects()
    engine.reconstruct(*inputs[0], camera=camera)
    clock.seconds.clear()
    assets = []
    for _ in range(rounds):
        assets = [
            clock.measure("the rest", lambda i=image, m=mask: engine.reconstruct(i, m, camera=camera))
            for image, mask in inputs
        ]
    return assets
