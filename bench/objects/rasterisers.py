"""Frames per second of the rasterisers at 512 x 512 with 100,000 Gaussians, beside plain NumPy, in one run.

    python -m bench run objects.rasterisers [--count 100000] [--side 512] [--rounds 5]

Reports the fastest round in milliseconds of wall time and of all cores together, frames per second, the ratio
to NumPy, and PSNR against NumPy. On a machine that others use, only the time of all cores can be compared.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from bench.report import Report, Table
from workers.engines.rasterisers.gsplat_rasteriser import GsplatRasteriser
from workers.engines.rasterisers.numba_rasteriser import NumbaRasteriser
from workers.engines.rasterisers.protocol import RasteriserMissing
from workers.geometry.cameras import Camera
from workers.geometry.gaussians import Gaussians
from workers.geometry.posed_cameras import PosedCamera
from workers.geometry.poses import look_at
from workers.geometry.splat_renderer import render_splat

Seconds = tuple[float, float]


def build_ball(count: int) -> Gaussians:
    """Gaussians on a sphere of radius 0.5, as an object's splat has them."""
    rng = np.random.default_rng(0)
    away = rng.normal(size=(count, 3))
    away /= np.linalg.norm(away, axis=1, keepdims=True)
    size = np.full((count, 3), 0.75 * np.sqrt(np.pi / count))
    parts = (0.5 * away, rng.normal(size=(count, 4)), size, np.full(count, 0.9), 0.5 + 0.5 * away)
    return Gaussians(*(part.astype(np.float32) for part in parts))


def time_fastest(call: Callable[[], Any], rounds: int) -> Seconds:
    """Fewest seconds of wall time and of all cores over some rounds, after one that does not count."""
    call()
    times = []
    for _ in range(rounds):
        start, busy = time.perf_counter(), time.process_time()
        call()
        times.append((time.perf_counter() - start, time.process_time() - busy))
    return min(wall for wall, _ in times), min(cores for _, cores in times)


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--count", type=int, default=100_000, help="number of Gaussians")
    parser.add_argument("--side", type=int, default=512, help="image side in pixels")
    parser.add_argument("--rounds", type=int, default=5)


def run(options: argparse.Namespace, report: Report) -> None:
    """Time rendering, and rendering with gradients, of each rasteriser."""
    camera = Camera.with_field_of_view(options.side, options.side, 40.0)
    view = PosedCamera(camera, look_at([0.6, 0.5, 1.6], [0, 0, 0]))
    gaussians = build_ball(options.count)
    norms = np.linalg.norm(gaussians.rotations, axis=1, keepdims=True)
    splat = replace(gaussians, rotations=(gaussians.rotations / norms).astype(np.float32))
    columns = {"wall ms": ".1f", "cores ms": ".1f", "per second": ".2f", "times NumPy": ".1f", "PSNR": ".1f"}
    table = report.table("", {"rasteriser": "", "task": "", **columns})

    def render_plain() -> Any:
        return render_splat(splat, camera, view.cam_from_world, background=(0.0, 0.0, 0.0))

    plain = time_fastest(render_plain, max(1, options.rounds // 2))
    truth = render_plain() / 255.0
    add_row(table, "numpy", "render", plain, plain, None)
    for load in (NumbaRasteriser, GsplatRasteriser):
        try:
            rasteriser = load()
        except RasteriserMissing as error:
            report.note(f"{load.name} was not run: {error}")
            continue
        seconds = time_fastest(partial(rasteriser.render, gaussians, view), options.rounds)
        color = rasteriser.render(gaussians, view).color
        error = float(((np.clip(color, 0, 1) - truth) ** 2).mean())
        add_row(table, rasteriser.name, "render", seconds, plain, -10 * np.log10(error))
        weights = np.ones_like(color), np.ones(color.shape[:2], np.float32)
        both = time_fastest(partial(rasteriser.backward, gaussians, view, *weights), options.rounds)
        add_row(table, rasteriser.name, "render and gradients", both, plain, None)


def add_row(table: Table, name: str, task: str, seconds: Seconds, plain: Seconds, psnr: float | None) -> None:
    """Add one timing, compared with that of plain NumPy."""
    wall, cores = seconds
    table.add(name, task, 1e3 * wall, 1e3 * cores, 1 / wall, plain[0] / wall, psnr)
