"""The Playground's sample pictures, rendered from signed distances: `python -m scripts.draw_samples`.

Each scene is a list of solids on a table. Rays march through the union of their distances (Hart 1996); light
falls off with the angle, shadows are soft, and corners are darker by the distances along the normal (Quilez).
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.interpolate import PchipInterpolator

Array = NDArray[np.float32]
OUT = Path(__file__).resolve().parents[1] / "clients/web/src/samples"
WIDTH, HEIGHT, OVERSAMPLING = 800, 600, 2
STEPS, SHADOW_STEPS, FARTHEST = 110, 40, 30.0
LIGHT = np.array([-0.55, 0.75, 0.45], np.float32) / np.float32(np.linalg.norm([-0.55, 0.75, 0.45]))
VIDEO, VIDEO_SIZE, VIDEO_RATE, VIDEO_FRAMES = "rolling-ball", (480, 320), 24, 72
SKY = np.array([0.93, 0.91, 0.88], np.float32)


@dataclass(frozen=True)
class Solid:
    """A signed distance of points (N, 3), y up, and the colour of points on it, 0 to 1."""

    distance: Callable[[Array], Array]
    color: Callable[[Array], Array]
    gloss: float = 0.0


def noise(p: Array, scale: float, seed: int = 0) -> Array:
    """Smooth noise (N,) from -1 to 1: a sum of waves in random directions."""
    waves = np.random.default_rng(seed).normal(size=(9, 3)).astype(np.float32) * scale
    phases = np.arange(9, dtype=np.float32)
    return np.sin(p @ waves.T + phases).mean(axis=1) * 1.6


def plain(
    red: float, green: float, blue: float, grain: float = 0.03, scale: float = 9.0
) -> Callable[[Array], Array]:
    base = np.array([red, green, blue], np.float32)
    return lambda p: base * (1 + grain * noise(p, scale)[:, None])


def sphere(x: float, y: float, z: float, radius: float, dent: float = 0.0) -> Callable[[Array], Array]:
    """A ball whose top is dented, as an apple's is."""
    center = np.array([x, y, z], np.float32)

    def distance(p: Array) -> Array:
        q = p - center
        flat = np.hypot(q[:, 0], q[:, 2])
        return (
            np.linalg.norm(q, axis=1)
            - radius
            + dent * np.exp(-((flat / (0.35 * radius)) ** 2)) * (q[:, 1] > 0)
        )

    return distance


def profile(
    x: float, z: float, radii: list[tuple[float, float]], wall: float = 0.0
) -> Callable[[Array], Array]:
    """A solid of revolution through (height, radius) pairs; with a wall it is hollow and open above."""
    curve = PchipInterpolator(*zip(*radii, strict=True))
    heights = np.linspace(radii[0][0], radii[-1][0], 200, dtype=np.float32)
    widths = curve(heights).astype(np.float32)

    def distance(p: Array) -> Array:
        flat, y = np.hypot(p[:, 0] - x, p[:, 2] - z), p[:, 1]
        outer = np.maximum(flat - np.interp(y, heights, widths), np.maximum(heights[0] - y, y - heights[-1]))
        if wall == 0:
            return outer * 0.7
        inner = np.maximum(flat - np.interp(y, heights, widths) + wall, heights[0] + 2 * wall - y)
        return np.maximum(outer, -inner) * 0.7

    return distance


def ring(center: tuple[float, float, float], large: float, small: float) -> Callable[[Array], Array]:
    """A torus that stands upright, facing the camera: a handle."""
    middle = np.array(center, np.float32)

    def distance(p: Array) -> Array:
        q = p - middle
        return np.hypot(np.hypot(q[:, 0], q[:, 1]) - large, q[:, 2]) - small

    return distance


def unite(*parts: Callable[[Array], Array]) -> Callable[[Array], Array]:
    return lambda p: np.minimum.reduce([part(p) for part in parts])


def wood(p: Array) -> Array:
    rings = np.sin(26 * (p[:, 2] + 0.06 * noise(p * np.array([1, 0, 3], np.float32), 2.0)))
    shade = 0.92 + 0.06 * rings + 0.05 * noise(p, 14.0, 3)
    return np.array([0.62, 0.43, 0.27], np.float32) * shade[:, None]


def cloth(p: Array) -> Array:
    checks = (np.floor(p[:, 0] * 1.3) + np.floor(p[:, 2] * 1.3)) % 2
    tone = np.array([0.36, 0.47, 0.53], np.float32) + 0.07 * checks[:, None]
    return tone * (1 + 0.02 * noise(p, 30.0)[:, None])


def table(color: Callable[[Array], Array]) -> Solid:
    return Solid(lambda p: p[:, 1], color, 0.15)


CUP = [(0.0, 0.55), (0.08, 0.6), (1.25, 0.78)]
BOWL = [(0.0, 0.5), (0.12, 0.55), (0.45, 1.1), (0.9, 1.45)]
VASE = [(0.0, 0.5), (0.5, 0.85), (1.0, 0.8), (1.7, 0.34), (2.0, 0.32), (2.15, 0.48)]
BOTTLE = [(0.0, 0.42), (1.5, 0.42), (1.9, 0.17), (2.4, 0.15), (2.42, 0.19), (2.55, 0.19)]


def ball(x: float, turn: float = 0.0) -> Solid:
    """A football that lies at x, turned by an angle as if it had rolled there."""
    center = np.array([x, 1.0, 0.2], np.float32)
    return Solid(sphere(x, 1.0, 0.2, 1.0), lambda p: color_panels(p - center, turn), 0.3)


def color_panels(q: Array, turn: float) -> Array:
    """The panels of a football: dark where a point is near a corner of an icosahedron."""
    cos, sin = np.float32(np.cos(turn)), np.float32(np.sin(turn))
    q = np.stack([cos * q[:, 0] - sin * q[:, 1], sin * q[:, 0] + cos * q[:, 1], q[:, 2]], axis=1)
    golden = (1 + 5**0.5) / 2
    corners = [(0, a, b * golden) for a in (-1, 1) for b in (-1, 1)]
    corners = [c[i:] + c[:i] for c in corners for i in range(3)]
    axes = np.array(corners, np.float32) / np.float32(np.hypot(1, golden))
    near = (q / np.linalg.norm(q, axis=1, keepdims=True) @ axes.T).max(axis=1)
    return np.where(near[:, None] > 0.93, np.float32(0.08), np.float32(0.93)) * np.ones(3, np.float32)


def grass(p: Array) -> Array:
    return np.array([0.25, 0.45, 0.18], np.float32) * (1 + 0.25 * noise(p, 60.0)[:, None])


SCENES: dict[str, list[Solid]] = {
    "breakfast": [
        table(wood),
        Solid(
            unite(profile(-0.9, 0.4, CUP, 0.07), ring((-1.72, 0.68, 0.4), 0.34, 0.085)),
            plain(0.86, 0.88, 0.9),
            0.6,
        ),
        Solid(profile(1.1, -0.5, BOWL, 0.08), plain(0.2, 0.42, 0.62), 0.6),
        Solid(sphere(0.95, 0.85, -0.2, 0.55), plain(0.95, 0.5, 0.08, 0.08, 40.0), 0.25),
        Solid(sphere(1.75, 0.95, -0.75, 0.5), plain(0.93, 0.46, 0.07, 0.08, 40.0), 0.25),
        Solid(sphere(0.35, 0.52, 1.35, 0.52, 0.14), plain(0.72, 0.13, 0.1, 0.16, 5.0), 0.5),
    ],
    "still-life": [
        table(cloth),
        Solid(profile(-1.2, -0.3, VASE, 0.06), plain(0.66, 0.28, 0.16, 0.08, 4.0), 0.5),
        Solid(profile(0.35, -0.7, BOTTLE), plain(0.1, 0.32, 0.2), 0.9),
        Solid(profile(1.5, 0.4, CUP, 0.07), plain(0.9, 0.77, 0.3), 0.6),
    ],
    "football": [
        table(grass),
        ball(0.1),
    ],
}


def measure(solids: list[Solid], p: Array) -> tuple[Array, NDArray[np.intp]]:
    """The distance (N,) to the nearest solid, and which one that is."""
    distances = np.stack([solid.distance(p) for solid in solids])
    return distances.min(axis=0).astype(np.float32), distances.argmin(axis=0)


def find_normals(solids: list[Solid], p: Array) -> Array:
    step = np.float32(2e-3)
    slopes = [
        measure(solids, p + step * axis)[0] - measure(solids, p - step * axis)[0]
        for axis in np.eye(3, dtype=np.float32)
    ]
    normals = np.stack(slopes, axis=1)
    return normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-9)


def find_shadows(solids: list[Solid], p: Array) -> Array:
    """How much of the light reaches points, 0 to 1; softer the farther the solid in between."""
    lit, way = np.ones(len(p), np.float32), np.full(len(p), 0.04, np.float32)
    for _ in range(SHADOW_STEPS):
        distance, _ = measure(solids, p + way[:, None] * LIGHT)
        lit = np.minimum(lit, np.clip(9 * distance / way, 0, 1))
        way += np.clip(distance, 0.03, 0.4)
    return lit


def render(
    solids: list[Solid], size: tuple[int, int] = (WIDTH, HEIGHT), oversampling: int = OVERSAMPLING
) -> Image.Image:
    """A scene as its camera sees it, `size` pixels wide and high."""
    width, height = size[0] * oversampling, size[1] * oversampling
    eye, target = np.array([0.2, 3.1, 6.4], np.float32), np.array([0.1, 0.75, 0.0], np.float32)
    forward = (target - eye) / np.linalg.norm(target - eye)
    right = np.cross(forward, [0, 1, 0])
    right /= np.linalg.norm(right)
    up = np.cross(right, forward)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    x, y = (x + 0.5 - width / 2) / height, (height / 2 - y - 0.5) / height
    rays = forward + 0.75 * (x[..., None] * right + y[..., None] * up)
    rays = (rays / np.linalg.norm(rays, axis=-1, keepdims=True)).reshape(-1, 3).astype(np.float32)
    rows = [shade_rays(solids, eye, part) for part in np.array_split(rays, 24)]
    pixels = np.clip(np.concatenate(rows), 0, 1) ** (1 / 1.6)
    image = Image.fromarray((pixels.reshape(height, width, 3) * 255).astype(np.uint8))
    return image.resize(size, Image.Resampling.LANCZOS)


def shade_rays(solids: list[Solid], eye: Array, rays: Array) -> Array:
    """The colours (N, 3) that rays from the eye see, linear."""
    way, is_moving = np.zeros(len(rays), np.float32), np.ones(len(rays), np.bool_)
    for _ in range(STEPS):
        moving = np.flatnonzero(is_moving)
        if not len(moving):
            break
        distance, _ = measure(solids, eye + way[moving, None] * rays[moving])
        way[moving] += distance
        is_moving[moving] = (distance > 1e-3) & (way[moving] < FARTHEST)
    colors = np.tile(SKY, (len(rays), 1)).astype(np.float32)
    seen = np.flatnonzero(way < FARTHEST)
    p, ray = eye + way[seen, None] * rays[seen], rays[seen]
    _, which = measure(solids, p)
    normals = find_normals(solids, p)
    lit = np.clip(normals @ LIGHT, 0, 1) * find_shadows(solids, p + 0.01 * normals)
    near = (
        sum(
            np.clip(measure(solids, p + step * normals)[0] / step, 0, 1)
            for step in np.float32([0.08, 0.2, 0.4])
        )
        / 3
    )
    half = LIGHT - ray
    half /= np.linalg.norm(half, axis=1, keepdims=True)
    shine = np.clip((normals * half).sum(axis=1), 0, 1) ** 60
    for number, solid in enumerate(solids):
        own = which == number
        light = 0.42 * near[own] + 0.75 * lit[own]
        colors[seen[own]] = (
            solid.color(p[own]) * light[:, None] + (solid.gloss * shine[own] * lit[own])[:, None]
        )
    fog = np.clip((way[seen] - 9) / 14, 0, 1)[:, None]
    colors[seen] = colors[seen] * (1 - fog) + SKY * fog
    return colors


def write_video(path: Path) -> None:
    """A football that rolls behind a vase and comes out again."""
    width, height = VIDEO_SIZE
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=VIDEO_RATE, options={"crf": "26", "preset": "veryslow"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.time_base = Fraction(1, VIDEO_RATE)
        for index in range(VIDEO_FRAMES):
            way = 6.4 * index / (VIDEO_FRAMES - 1)
            vase = Solid(profile(0.2, 2.0, VASE, 0.06), plain(0.66, 0.28, 0.16, 0.08, 4.0), 0.5)
            frame = render([table(grass), vase, ball(way - 3.2, way)], VIDEO_SIZE, 1)
            container.mux(stream.encode(av.VideoFrame.from_image(frame)))
        container.mux(stream.encode())


def main() -> None:
    """Write the pictures and the video, or those that are named."""
    OUT.mkdir(parents=True, exist_ok=True)
    names = sys.argv[1:] or [*SCENES, VIDEO]
    if VIDEO in names:
        names.remove(VIDEO)
        write_video(OUT / f"{VIDEO}.mp4")
    for name in names:
        render(SCENES[name]).save(OUT / f"{name}.webp", quality=82, method=6)
        print(OUT / f"{name}.webp")


if __name__ == "__main__":
    main()
