"""Tops on legs: tables, chairs and stools, found by trying them against a mask.

A top, square or round, on three or four upright legs, with or without a back. Its turn, the camera's pitch
and all sizes are fitted by damped least squares on the difference of blurred pictures (Levenberg 1944,
Marquardt 1963), from many starts whose tops are as wide as the mask's body without its legs.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.engines.objects.frames import Frame, frame_of
from workers.engines.objects.single_view.coarse_mask import Window
from workers.engines.objects.single_view.cuboid import CORNER_FACES
from workers.geometry.meshes import divided

Array = NDArray[np.float64]
Field = NDArray[np.float32]
Kind = Literal["table", "chair", "stool", "tripod"]
PITCHES = (10.0, 20.0, 32.0, 46.0)
TURNS: dict[Kind, range] = {
    "table": range(-80, 90, 20),
    "chair": range(-165, 180, 30),
    "stool": range(0, 90, 30),
    "tripod": range(0, 120, 30),
}
# how many are kept, rounds, blur in samples, and the IoU under which all is given up
STAGES = ((16, 3, 4.0, 0.78), (5, 6, 2.0, 0.88), (2, 6, 1.0, 0.9))
# the best is pushed off in pitch, leg length and inset, since it may sit in a hollow
KICKS = np.zeros((5, 12))
KICKS[[0, 1, 2, 3, 4], [1, 1, 7, 7, 9]] = 6.0, -6.0, 0.2, -0.2, 0.04
KICKED = (6, 2.0)
# a back is believed when it explains this much more
BACK = 0.01
FINER, SHRUNK = 2, 4
# OpenCV fills half a sample beyond an outline; this level of the mask, scaled up, does so too
DRAWN_WIDE, FULL = 63, 255
NEAREST = np.array([-np.inf, -np.inf, 0.05])
# what the values are: yaw and pitch (degrees), the middle of the top's upper side (pixels), the logs of its
# sides and thickness and of the legs' length and width, the legs' inset, and the logs of the back's sizes
STEPS = np.array([1.5, 1.5, 2.0, 2.0, 0.03, 0.03, 0.1, 0.03, 0.1, 0.015, 0.03, 0.1])
MOVED: dict[Kind, tuple[int, ...]] = {
    "table": (0, 1, 2, 3, 4, 5, 6, 7, 8, 9),
    "chair": (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11),
    "stool": (0, 1, 2, 3, 4, 6, 7, 8, 9),
    "tripod": (0, 1, 2, 3, 4, 6, 7, 8, 9),
}
LIMITS = (4.0, 65.0)
PITCH, SPREAD, WEIGHT = 25.0, 15.0, 0.01
SECTIONS = 24
SIGNS = np.array([[i, j, k] for i in (-0.5, 0.5) for j in (-0.5, 0.5) for k in (-0.5, 0.5)])


@dataclass(frozen=True, slots=True)
class Legged:
    """Convex parts (N, 3) in the camera frame, their faces, and the frame's x, y (up) and z as rows."""

    parts: list[Array]
    axes: Array
    iou: float
    kind: Kind
    values: Array

    def mesh(self) -> tuple[Array, NDArray[np.int64]]:
        """Closed parts, cut up so that colours have room: camera-frame vertices (V, 3) and faces (F, 3)."""
        points, faces, total = [], [], 0
        for part in self.parts:
            flat = CORNER_FACES if len(part) == 8 else _drum_faces()
            # what is small has fewer faces
            large = np.ptp(part, axis=0).max() > 0.5 * max(np.ptp(one, axis=0).max() for one in self.parts)
            made, these = divided(part, flat, (4 if large else 3) - (len(part) > 8))
            points.append(made)
            faces.append(these + total)
            total += len(made)
        return np.concatenate(points), np.concatenate(faces)


def fit(window: Window, body: NDArray[np.bool_]) -> Legged | None:
    """The thing on legs that explains a mask best; None where nothing comes near."""
    model = _Model(window)
    pool = [(model.iou(*start), *start) for start in model.starts(body)]
    for kept, rounds, blur, hopeless in STAGES:
        pool.sort(key=lambda one: -one[0])
        pool = pool[:kept]
        if kept == STAGES[-1][0]:
            pool += [model.settled(pool[0][1], pool[0][2] + kick, *KICKED) for kick in KICKS]
            pool = sorted(pool, key=lambda one: -one[0])[:kept]
        pool = [model.settled(kind, values, rounds, blur) for _, kind, values in pool]
        if max(score for score, _, _ in pool) < hopeless:
            return None
    score, kind, values = max(pool, key=lambda one: one[0] - BACK * (one[1] == "chair"))
    parts, axes = model.parts(kind, values)
    return Legged(parts, axes, score, kind, values)


class _Model:
    """Draws things on legs in a window."""

    def __init__(self, window: Window) -> None:
        height, width = window.mask.shape
        self._camera = window.camera.resized(FINER * width, FINER * height)
        self._frame: Frame = frame_of(window)
        mask = (window.mask & ~window.open).astype(np.uint8)
        size = (FINER * width, FINER * height)
        self._wanted = (cv2.resize(255 * mask, size, interpolation=cv2.INTER_LINEAR) > DRAWN_WIDE) * np.uint8(
            FULL
        )
        self._area = int(cv2.countNonZero(self._wanted))
        self._focal = float(np.sqrt(self._camera.fx * self._camera.fy))

    def settled(self, kind: Kind, values: Array, rounds: int, blur: float) -> tuple[float, Kind, Array]:
        """Values after damped least squares on the blurred pictures' difference, and the IoU then."""
        wanted = self._blurred(self._wanted, blur)
        residual = self._residual(kind, values, wanted, blur)
        cost, damping = float(residual @ residual), 1e-3
        for _ in range(rounds):
            moved = [
                self._residual(kind, values + STEPS * unit, wanted, blur) - residual
                for unit in np.eye(len(STEPS))[list(MOVED[kind])]
            ]
            jacobian = np.zeros((len(residual), len(STEPS)))
            jacobian[:, MOVED[kind]] = np.stack(moved, axis=1)
            normal = jacobian.T @ jacobian
            for _ in range(3):
                ridge = damping * np.diag(np.maximum(np.diag(normal), 1e-3))
                step = np.clip(np.linalg.solve(normal + ridge, -jacobian.T @ residual), -8, 8)
                trial = values + STEPS * step
                trial[9] = np.clip(trial[9], 0, 0.3)
                trial[1] = np.clip(trial[1], *LIMITS)
                found = self._residual(kind, trial, wanted, blur)
                if float(found @ found) < cost:
                    values, residual, cost = trial, found, float(found @ found)
                    damping = max(damping * 0.2, 1e-6)
                    break
                damping *= 6
            else:
                break
        return self.iou(kind, values), kind, values

    def _residual(self, kind: Kind, values: Array, wanted: Field, blur: float) -> Array:
        off = (self._blurred(self._drawn(kind, values), blur) - wanted).ravel().astype(np.float64)
        weight = WEIGHT * np.linalg.norm(wanted)
        priors = [(values[1] - PITCH) / SPREAD, (values[6] - values[4] + 2.3), (values[8] - values[4] + 2.5)]
        return np.concatenate([off, weight * np.array(priors)])

    def _blurred(self, drawn: NDArray[np.uint8], blur: float) -> Field:
        size = (-(-drawn.shape[1] // SHRUNK), -(-drawn.shape[0] // SHRUNK))
        small = cv2.resize(drawn, size, interpolation=cv2.INTER_AREA).astype(np.float32)
        return np.asarray(cv2.GaussianBlur(small / FULL, (0, 0), blur), dtype=np.float32)

    def _drawn(self, kind: Kind, values: Array) -> NDArray[np.uint8]:
        drawn = np.zeros_like(self._wanted)
        parts, _ = self.parts(kind, values)
        points = np.concatenate(parts)
        pixels = np.round(self._camera.project(np.maximum(points, NEAREST)) * 16 - 8).astype(np.int32)
        at = 0
        for part in parts:
            hull = cv2.convexHull(pixels[at : at + len(part)])
            cv2.fillConvexPoly(drawn, hull, FULL, cv2.LINE_8, 4)
            at += len(part)
        return np.asarray(drawn, dtype=np.uint8)

    def iou(self, kind: Kind, values: Array) -> float:
        """IoU of the outline with the mask."""
        drawn = self._drawn(kind, values)
        both = int(cv2.countNonZero(drawn & self._wanted))
        return both / max(self._area + int(cv2.countNonZero(drawn)) - both, 1)

    def starts(self, body: NDArray[np.bool_]) -> Iterator[tuple[Kind, Array]]:
        """Guesses whose tops are as wide and as high in the picture as a mask's `body` without its legs."""
        ys, xs = np.nonzero(body)
        left, top = FINER * float(xs.min()), FINER * float(ys.min())
        width, height = (
            FINER * float(np.ptp(xs) + 1) / self._focal,
            FINER * float(np.ptp(ys) + 1) / self._focal,
        )
        bottom = FINER * float(ys.max() + 1)
        hanging = (float(np.flatnonzero(self._wanted.any(axis=1))[-1]) - bottom) / self._focal
        x = left + width * self._focal / 2
        for pitch in PITCHES:
            sine, cosine = np.sin(np.radians(pitch)), np.cos(np.radians(pitch))
            leg = max(hanging, 0.1 * width) / cosine
            for kind, turns in TURNS.items():
                for yaw in turns:
                    s, c = abs(np.sin(np.radians(yaw))), abs(np.cos(np.radians(yaw)))
                    thick, back = 0.07 * width, 0.3 * width
                    away = max(height - thick * cosine, 0.1 * height) / sine
                    if kind == "table":
                        # wide * c + deep * s = width, wide * s + deep * c = away
                        wide, deep = np.linalg.solve(np.array([[c, s], [s, c]]), np.array([width, away]))
                        if min(wide, deep) < 0.25 * max(wide, deep):
                            wide = width / (c + 0.6 * s)
                            deep = 0.6 * wide
                    elif kind == "chair":
                        wide = deep = width / (s + c)
                        back = (height - wide * (s + c) * sine) / cosine - thick
                        if back < 0.15 * wide:
                            continue
                    else:
                        wide = deep = width
                    reach = (wide * s + deep * c if kind in ("table", "chair") else wide) * sine / 2
                    y = top + (reach + (back * cosine if kind == "chair" else 0.0)) * self._focal
                    sizes = np.log([wide, deep, thick, leg, 0.09 * wide])
                    yield kind, np.array([yaw, pitch, x, y, *sizes, 0.03, *np.log([back, thick])])

    def parts(self, kind: Kind, values: Array) -> tuple[list[Array], Array]:
        yaw, pitch, x, y = values[:4]
        wide, deep, thick, leg, width = np.exp(values[4:9])
        inset = values[9] * wide
        up, z = self._frame.upright(pitch), self._frame.level(pitch, yaw)
        axes = np.stack([self._frame.level(pitch, yaw + 90), up, z])
        origin = self._camera.unproject(np.array([x, y]), np.asarray(1.0))
        turn = np.radians(np.arange(4) * 90 + 45 if kind != "tripod" else np.arange(3) * 120)
        if kind in ("table", "chair"):
            blocks = [((wide, thick, deep), (0.0, -thick / 2, 0.0))]
            reach = (
                max(wide / 2 - inset - width / 2, 0.1 * wide),
                max(deep / 2 - inset - width / 2, 0.1 * deep),
            )
            feet = [(i * reach[0], k * reach[1]) for i in (-1, 1) for k in (-1, 1)]
            if kind == "chair":
                tall, slab = np.exp(values[10:12])
                slab = min(slab, deep)
                blocks.append(((wide, tall + thick, slab), (0.0, (tall - thick) / 2, (slab - deep) / 2)))
            out = []
        else:
            angles = np.linspace(0, 2 * np.pi, SECTIONS, endpoint=False)
            circle = np.column_stack([np.sin(angles), np.zeros(SECTIONS), np.cos(angles)]) * wide / 2
            ends = np.array([[0, -thick, 0], [0, 0, 0]])
            out = [np.concatenate([circle - [0, thick, 0], circle, ends])]
            blocks = []
            reach_round = max(wide / 2 - inset - width / 2, 0.1 * wide)
            feet = [(reach_round * np.sin(a), reach_round * np.cos(a)) for a in turn]
        # legs reach half into the top, so that all parts hang together
        blocks += [((width, leg + thick / 2, width), (i, -(leg + 1.5 * thick) / 2, k)) for i, k in feet]
        sized = np.array(blocks)
        corners = (SIGNS * sized[:, :1] + sized[:, 1:]) @ axes + origin
        return [part @ axes + origin for part in out] + list(corners), axes


def _drum_faces() -> NDArray[np.int64]:
    k = np.arange(SECTIONS)
    n = (k + 1) % SECTIONS
    bottom, top = np.full(SECTIONS, 2 * SECTIONS), np.full(SECTIONS, 2 * SECTIONS + 1)
    return np.concatenate(
        [
            np.stack([k, n, n + SECTIONS], 1),
            np.stack([k, n + SECTIONS, k + SECTIONS], 1),
            np.stack([bottom, n, k], 1),
            np.stack([top, k + SECTIONS, n + SECTIONS], 1),
        ]
    ).astype(np.int64)
