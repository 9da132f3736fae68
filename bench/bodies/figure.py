"""Renders the figures of docs/bodies.md: pictures, and their bodies from the camera, its right and above.

    python -m bench run bodies.figure [--photos FILE ...] [--figures docs/figures]

`bodies.jpg` is the overlay of scikit-image's astronaut, `bodies-drawn.jpg` shows drawn scenes that the engine
sees as pictures, clothed and shaded. Of photos that are given, `bodies-real.jpg` shows the bodies alone, one
row per photo.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from skimage import data

from bench.bodies.held_out import draw_held_out_pose
from bench.report import Report
from tests.support.drawn_people import draw_scenes, dress
from tests.support.synthetic_bodies import load_skinner
from workers.engines.bodies.default import DefaultBodies
from workers.engines.concepts.default import DefaultConcepts
from workers.engines.protocols import BodyEstimate
from workers.formats.images import shrink_image
from workers.jobs.bodies.ground.plane import Ground
from workers.jobs.bodies.previews import (
    BACKGROUND,
    PosedBody,
    TurnedViews,
    draw_bodies,
    render_body_panels,
)

Rgb = NDArray[np.uint8]
ASTRONAUT_BOX = (20.0, 0.0, 440.0, 512.0)
# longest side of a panel in pixels, and the quality of JPEG
PANEL, QUALITY = 600, 80
# which drawn scenes are shown, and the seed of all; those with three people or more among the first twelve
SCENES, SEED, LEAST_PEOPLE, SHOWN = 12, 11, 3, 3


def draw_alone(image: Rgb, bodies: Sequence[BodyEstimate]) -> Rgb:
    """The bodies of an image from the camera, its right and above, side by side and without the image."""
    posed = [PosedBody(body.vertices, body.rig.faces, body.camera, k) for k, body in enumerate(bodies)]
    blank = np.full_like(shrink_image(image, PANEL), BACKGROUND[0])
    # lines over the image are white: here they need a darker ground
    front = draw_bodies(blank - np.uint8(60), posed, Ground.under(bodies))
    points = np.concatenate([body.vertices for body in posed])
    views = TurnedViews(points, Ground.under(bodies), (blank.shape[0], blank.shape[1]))
    side, above = (panel[: blank.shape[0], : blank.shape[1]] for panel in views.render(posed))
    return np.hstack([front, side, above])


def stack_rows(rows: Sequence[Rgb]) -> Rgb:
    """Rows below one another, filled with the background to one width."""
    width = max(row.shape[1] for row in rows)
    filled = []
    for row in rows:
        full = np.full((row.shape[0] + 6, width, 3), 255, dtype=np.uint8)
        full[: row.shape[0], : row.shape[1]] = row
        filled.append(full)
    return np.vstack(filled)


def draw_scenes_sheet(engine: DefaultBodies) -> Rgb:
    """Drawn scenes as pictures, beside the bodies that the engine finds in them."""
    rng = np.random.default_rng(SEED)
    rows = []
    for scene in draw_scenes(load_skinner(), SEED, SCENES, draw_held_out_pose):
        picture = dress(scene, rng)
        if len(scene.people) < LEAST_PEOPLE or len(rows) == SHOWN:
            continue
        boxes, masks = [p.box for p in scene.people], [p.mask for p in scene.people]
        bodies = [body for body in engine.recover(picture, boxes, masks, camera=scene.camera) if body]
        rows.append(np.hstack([shrink_image(picture, PANEL), draw_alone(picture, bodies)]))
    return stack_rows(rows)


def draw_photos_sheet(engine: DefaultBodies, photos: Sequence[Path], report: Report) -> Rgb:
    """The bodies of photos alone, one row per photo."""
    concepts = DefaultConcepts(threads=1)
    table = report.table(
        "People", {"photo": "", "person": "", "confidence": ".2f", "height m": ".2f", "flags": ""}
    )
    rows = []
    for photo in photos:
        image = np.ascontiguousarray(np.asarray(Image.open(photo).convert("RGB")))
        people = list(concepts.ground(concepts.embed(image, str(photo)), ["person"]))
        found = engine.recover(image, [item.box for item in people], [item.mask for item in people])
        for number, body in enumerate(found):
            if body is None:
                table.add(photo.name, number, None, None, "no body")
            else:
                table.add(
                    photo.name, number, body.confidence, body.parameters["stature_m"][0], " ".join(body.flags)
                )
        if bodies := [body for body in found if body is not None]:
            rows.append(draw_alone(image, bodies))
    return stack_rows(rows)


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--photos", type=Path, nargs="*", default=[])
    parser.add_argument("--figures", type=Path, default=Path("docs/figures"))


def run(options: argparse.Namespace, report: Report) -> None:
    engine = DefaultBodies(threads=1)
    astronaut = np.ascontiguousarray(data.astronaut())
    bodies = [body for body in engine.recover(astronaut, [ASTRONAUT_BOX]) if body is not None]
    figures = {
        "bodies.jpg": render_body_panels(astronaut, bodies),
        "bodies-drawn.jpg": draw_scenes_sheet(engine),
    }
    if options.photos:
        figures["bodies-real.jpg"] = draw_photos_sheet(engine, options.photos, report)
    for name, picture in figures.items():
        Image.fromarray(picture).save(options.figures / name, quality=QUALITY)
