"""Frames a second of the rasterisers at 512 x 512 with 100,000 Gaussians, beside plain NumPy, in one run.

    python -m bench run objects.rasterisers [--count 100000] [--side 512] [--rounds 5]

Prints milliseconds of the fastest round on the wall and of all cores together, frames a second, the ratio to
NumPy, and PSNR against NumPy. On a machine that others use, only the second figure can be compared.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from workers.engines.rasterisers.gsplat_rasteriser import GsplatRasteriser
from workers.engines.rasterisers.numba_rasteriser import NumbaRasteriser
from workers.engines.rasterisers.protocol import RasteriserMissing
from workers.geometry.cameras import Camera
from workers.geometry.gaussians import Gaussians
from workers.geometry.posed_cameras import PosedCamera
from workers.geometry.poses import look_at
from workers.geometry.splat_renderer import render_splat


def ball(count: int) -> Gaussians:
    """Gaussians on a sphere of radius 0.5, as an object's splat has them."""
    rng = np.random.default_rng(0)
    away = rng.normal(size=(count, 3))
    away /= np.linalg.norm(away, axis=1, keepdims=True)
    size = np.full((count, 3), 0.75 * np.sqrt(np.pi / count))
    parts = (0.5 * away, rng.normal(size=(count, 4)), size, np.full(count, 0.9), 0.5 + 0.5 * away)
    return Gaussians(*(part.astype(np.float32) for part in parts))


def fastest(run: Callable[[], Any], rounds: int) -> tuple[float, float]:
    """Least seconds on the wall and of all cores of some runs, after one that does not count."""
    run()
    found = []
    for _ in range(rounds):
        start, busy = time.perf_counter(), time.process_time()
        run()
        found.append((time.perf_counter() - start, time.process_time() - busy))
    return min(wall for wall, _ in found), min(cores for _, cores in found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--side", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    camera = Camera.with_field_of_view(args.side, args.side, 40.0)
    view = PosedCamera(camera, look_at([0.6, 0.5, 1.6], [0, 0, 0]))
    gaussians = ball(args.count)
    norms = np.linalg.norm(gaussians.rotations, axis=1, keepdims=True)
    splat = replace(gaussians, rotations=(gaussians.rotations / norms).astype(np.float32))

    def numpy() -> Any:
        return render_splat(splat, camera, view.cam_from_world, background=(0.0, 0.0, 0.0))

    plain = fastest(numpy, max(1, args.rounds // 2))
    truth = numpy() / 255.0
    _line("numpy", "draw", plain, plain, None)
    for make in (NumbaRasteriser, GsplatRasteriser):
        try:
            rasteriser = make()
        except RasteriserMissing as error:
            print(f"{make.name:8} left out: {error}")
            continue
        seconds = fastest(partial(rasteriser.render, gaussians, view), args.rounds)
        drawn = rasteriser.render(gaussians, view).color
        error = float(((np.clip(drawn, 0, 1) - truth) ** 2).mean())
        _line(rasteriser.name, "draw", seconds, plain, -10 * np.log10(error))
        weights = np.ones_like(drawn), np.ones(drawn.shape[:2], np.float32)
        both = fastest(partial(rasteriser.backward, gaussians, view, *weights), args.rounds)
        _line(rasteriser.name, "both", both, plain, None)


def _line(
    name: str, what: str, took: tuple[float, float], plain: tuple[float, float], quality: float | None
) -> None:
    psnr = "" if quality is None else f"{quality:6.1f} dB"
    wall, cores = took
    rates = f"{1e3 * wall:8.1f} ms {1e3 * cores:8.1f} ms of cores {1 / wall:7.2f}/s {plain[0] / wall:7.1f} x"
    print(f"{name:8} {what:5} {rates} {psnr}", flush=True)


if __name__ == "__main__":
    main()
