"""Objects a second, by stage, of the default engine from one view and of the files of an objects job.

    python -m bench run objects.stages [--rounds 3] [--side 256]

Each of the 24 drawn shapes of `objects.shapes` is lifted and written. Prints CPU milliseconds an object
for each stage in the mean, and objects a second; a stage within another counts in its own alone.
"""

import argparse
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import numpy as np

from bench.objects import shapes as one
from bench.objects import views as many
from bench.objects.painted_shapes import painted
from workers.engines.objects import export
from workers.engines.objects.default import DefaultObjects
from workers.engines.objects.single_view import inflation, mask_view, reconstruction, surface
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


class Watch:
    """CPU seconds a stage, without those of the stages within it."""

    def __init__(self) -> None:
        self.spent: dict[str, float] = defaultdict(float)
        self._open: list[str] = []
        self._since = 0.0

    def run(self, stage: str, call: Callable[[], Any]) -> Any:
        self._pass()
        self._open.append(stage)
        try:
            return call()
        finally:
            self._pass()
            self._open.pop()

    def _pass(self) -> None:
        now = time.process_time()
        if self._open:
            self.spent[self._open[-1]] += now - self._since
        self._since = now


def timed(watch: Watch, stage: str, call: Callable[..., Any]) -> Callable[..., Any]:
    def through(*given: Any, **named: Any) -> Any:
        return watch.run(stage, lambda: call(*given, **named))

    return through


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--side", type=int, default=256, help="image side in pixels")
    asked = parser.parse_args()
    camera = Camera.with_field_of_view(asked.side, asked.side, 40)
    view = PosedCamera(camera, one.orbit(35, 20, many.DISTANCE))
    seen = [many.photographed(painted(name, "waves"), [view], 0.0, 0.0) for name in one.SHAPES]
    pictures = [(photos.images[0], photos.masks[0]) for photos in seen]
    watch = Watch()
    for stage, (owner, name) in STAGES.items():
        setattr(owner, name, timed(watch, stage, getattr(owner, name)))
    engine = DefaultObjects()
    engine.reconstruct(*pictures[0], camera=camera)
    watch.spent.clear()
    made = []
    for _ in range(asked.rounds):
        made = [
            watch.run("the rest", lambda i=image, m=mask: engine.reconstruct(i, m, camera=camera))
            for image, mask in pictures
        ]
    count = asked.rounds * len(pictures)
    print(f"{len(pictures)} shapes x {asked.rounds} rounds, {asked.side} x {asked.side}, CPU ms an object")
    for stage in (*STAGES, "the rest"):
        print(f"{stage:22}{1000 * watch.spent[stage] / count:9.1f}")
    whole = sum(watch.spent.values()) / count
    print(f"{'lifted':22}{1000 * whole:9.1f}   {1 / whole:.1f} objects/s")
    for name, write in FILES.items():
        some = made if name not in ("turntable", "textured GLB") else made[:: max(len(made) // 6, 1)]
        begun = time.process_time()
        for asset in some:
            write(asset)
        spent = (time.process_time() - begun) / len(some)
        print(f"{name:22}{1000 * spent:9.1f}   {1 / max(spent, 1e-9):.1f} objects/s")
    print(f"Gaussians {np.mean([len(asset.splat) for asset in made]):.0f}")


if __name__ == "__main__":
    main()
