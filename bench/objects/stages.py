"""Objects per second by stage, of the default engine from one view and of the files of an objects job.

    python -m bench run objects.stages [--rounds 3] [--side 256]

Each of the 24 shapes of `objects.shapes` is reconstructed and written. Mean CPU milliseconds per object for
each stage, and objects per second; a stage that another one calls counts for itself alone.
"""

import argparse
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from maquette.contract.defaults import OBJECTS

from bench.objects.analytic_shapes import SHAPES
from bench.objects.geometry_scores import orbit
from bench.objects.painted_shapes import paint_shape
from bench.objects.photos import DISTANCE, take_photos
from bench.report import Report
from bench.timing import Stopwatch
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
    "turntable": lambda asset: render_turntable(
        asset, side=OBJECTS.turntable_size, seconds=OBJECTS.turntable_seconds
    ),
}
SLOW_FILES = ("turntable", "textured GLB")


class StageClock:
    """CPU seconds per stage, without those of the stages that it calls."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._open: list[str] = []
        self._since = 0.0

    def run(self, stage: str, call: Callable[[], Any]) -> Any:
        """Call a function as part of a stage."""
        self._switch()
        self._open.append(stage)
        try:
            return call()
        finally:
            self._switch()
            self._open.pop()

    def wrap(self, stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The same function, timed as a stage."""

        def timed(*arguments: Any, **named: Any) -> Any:
            return self.run(stage, lambda: function(*arguments, **named))

        return timed

    def _switch(self) -> None:
        now = time.process_time()
        if self._open:
            self.seconds[self._open[-1]] += now - self._since
        self._since = now


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--side", type=int, default=256, help="image side in pixels")


def run(options: argparse.Namespace, report: Report) -> None:
    camera = Camera.with_field_of_view(options.side, options.side, 40)
    view = PosedCamera(camera, orbit(35, 20, DISTANCE))
    photos = [take_photos(paint_shape(name, "waves"), [view]) for name in SHAPES]
    clock = StageClock()
    for stage, (owner, name) in STAGES.items():
        setattr(owner, name, clock.wrap(stage, getattr(owner, name)))
    engine = DefaultObjects()
    engine.reconstruct(photos[0].images[0], photos[0].masks[0], camera=camera)
    clock.seconds.clear()
    assets = []
    for _ in range(options.rounds):
        assets = [
            clock.run("other", lambda p=photo: engine.reconstruct(p.images[0], p.masks[0], camera=camera))
            for photo in photos
        ]
    count = options.rounds * len(photos)
    stages = report.table("Stages", {"stage": "", "CPU ms/object": ".1f", "objects/s": ".1f"})
    for stage in (*STAGES, "other"):
        stages.add(stage, 1e3 * clock.seconds[stage] / count, None)
    whole = sum(clock.seconds.values()) / count
    stages.add("reconstruction", 1e3 * whole, 1 / whole)
    measure_files(report, assets)
    report.add({"shapes": len(photos), "gaussians": float(np.mean([len(asset.splat) for asset in assets]))})


def measure_files(report: Report, assets: Sequence[ObjectAsset]) -> None:
    """CPU milliseconds per object of each file; of the slow ones on every fourth object."""
    table = report.table("Files", {"file": "", "CPU ms/object": ".1f", "objects/s": ".1f"})
    for name, write in FILES.items():
        chosen = assets[:: max(len(assets) // 6, 1)] if name in SLOW_FILES else assets
        watch = Stopwatch()
        for asset in chosen:
            write(asset)
        seconds = max(watch.lap().cpu / len(chosen), 1e-9)
        table.add(name, 1e3 * seconds, 1 / seconds)
