"""Frames per second of the rasterisers at 512 x 512 with 100,000 Gaussians, beside plain NumPy, in one run.

    python -m bench run objects.rasterisers [--count 100000] [--side 512] [--rounds 5]

Milliseconds of the fastest round on the wall and of the CPU on all cores, frames per second, the ratio to
NumPy, and PSNR against NumPy. On a busy machine, only CPU milliseconds can be compared.
"""

import argparse
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from bench.report import Report
from bench.timing import Timing, fastest, time_calls
from workers.engines.rasterisers.gsplat_rasteriser import GsplatRasteriser
from workers.engines.rasterisers.numba_rasteriser import NumbaRasteriser
from workers.engines.rasterisers.protocol import RasteriserMissing
from workers.geometry.cameras import Camera
from workers.geometry.gaussians import Gaussians
from workers.geometry.posed_cameras import PosedCamera
from workers.geometry.poses import look_at
from workers.geometry.splat_renderer import render_splat


def sphere_of_gaussians(count: int) -> Gaussians:
    """Gaussians on a sphere of radius 0.5, of the size that an object's splat has."""
    rng = np.random.default_rng(0)
    away = rng.normal(size=(count, 3))
    away /= np.linalg.norm(away, axis=1, keepdims=True)
    size = np.full((count, 3), 0.75 * np.sqrt(np.pi / count))
    parts = (0.5 * away, rng.normal(size=(count, 4)), size, np.full(count, 0.9), 0.5 + 0.5 * away)
    return Gaussians(*(part.astype(np.float32) for part in parts))


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--count", type=int, default=100_000, help="Gaussians")
    parser.add_argument("--side", type=int, default=512, help="image side in pixels")
    parser.add_argument("--rounds", type=int, default=5)


def run(options: argparse.Namespace, report: Report) -> None:
    camera = Camera.with_field_of_view(options.side, options.side, 40.0)
    view = PosedCamera(camera, look_at([0.6, 0.5, 1.6], [0, 0, 0]))
    gaussians = sphere_of_gaussians(options.count)
    norms = np.linalg.norm(gaussians.rotations, axis=1, keepdims=True)
    splat = replace(gaussians, rotations=(gaussians.rotations / norms).astype(np.float32))

    def render_by_numpy() -> Any:
        return render_splat(splat, camera, view.cam_from_world, background=(0.0, 0.0, 0.0))

    columns = {
        "rasteriser": "",
        "pass": "",
        "ms": ".1f",
        "CPU ms": ".1f",
        "frames/s": ".2f",
        "× NumPy": ".1f",
    }
    table = report.table("Rasterisers", {**columns, "PSNR to NumPy dB": ".1f"})

    def add(name: str, what: str, call: Callable[[], Any], rounds: int, psnr: float | None = None) -> Timing:
        timing = fastest(time_calls(call, rounds))
        ratio = plain.wall / timing.wall if plain else 1.0
        table.add(name, what, 1e3 * timing.wall, 1e3 * timing.cpu, 1 / timing.wall, ratio, psnr)
        return timing

    plain: Timing | None = None
    plain = add("numpy", "forward", render_by_numpy, max(1, options.rounds // 2))
    truth = render_by_numpy() / 255.0
    for load in (NumbaRasteriser, GsplatRasteriser):
        try:
            rasteriser = load()
        except RasteriserMissing as error:
            report.note(f"{load.name} is left out: {error}")
            continue
        image = rasteriser.render(gaussians, view).color
        psnr = -10 * np.log10(float(((np.clip(image, 0, 1) - truth) ** 2).mean()))
        add(rasteriser.name, "forward", partial(rasteriser.render, gaussians, view), options.rounds, psnr)
        weights = np.ones_like(image), np.ones(image.shape[:2], np.float32)
        backward = partial(rasteriser.backward, gaussians, view, *weights)
        add(rasteriser.name, "forward and backward", backward, options.rounds)
