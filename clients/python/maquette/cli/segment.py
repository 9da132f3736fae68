"""`maquette segment`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from maquette.cli import options as o
from maquette.cli import parsing
from maquette.cli.batch import run_each
from maquette.contract import SegmentJob
from maquette.contract.defaults import SEGMENT

if TYPE_CHECKING:
    from maquette.client import Maquette
    from maquette.handles import Job

FurtherImages = Annotated[
    Path | None,
    typer.Option(
        "--images",
        exists=True,
        dir_okay=False,
        help="JSON list of further images for the same job: objects of `image` (a path) and `text`.",
    ),
]

NmsIou = Annotated[
    float | None,
    o.field_option(
        SegmentJob, "nms_iou", help="Mask IoU above which the weaker of two instances is left out."
    ),
]
FillArea = Annotated[
    int | None,
    o.field_option(SegmentJob, "fill_area", help="Largest hole or speck that is removed, in mask cells."),
]


def segment(
    context: typer.Context,
    images: o.Images,
    text: o.Text = None,
    box: o.Boxes = None,
    point: o.Points = None,
    exemplar: o.Exemplars = None,
    counter: o.CounterExemplars = None,
    prompts: o.Prompts = None,
    threshold: o.Thresholds = None,
    nms_iou: NmsIou = None,
    fill_area: FillArea = None,
    frame: Annotated[
        int | None, o.field_option(SegmentJob, "frame", help="Index of a frame of videos, from 0.")
    ] = None,
    further: FurtherImages = None,
    overlay: Annotated[bool, typer.Option(help="Draw the masks over the image.")] = SEGMENT.overlay,
    polygons: Annotated[bool, typer.Option("--polygons", help="Add polygons to the result.")] = False,
    png: Annotated[bool, typer.Option("--png", help="Write a PNG per mask.")] = False,
    semantic: Annotated[
        bool, typer.Option("--semantic", help="Write how likely each pixel belongs to each phrase.")
    ] = False,
    seed: o.Seed = SEGMENT.seed,
    engine: o.EngineName = SEGMENT.engine,
    timeout_seconds: o.Timeout = SEGMENT.timeout_seconds,
    strict: o.Strict = False,
    out: o.Out = None,
    overwrite: o.Overwrite = False,
    cancel_on_interrupt: o.CancelOnInterrupt = False,
) -> None:
    """Segment everything that phrases, boxes, points and exemplars name in images."""

    def start(mq: "Maquette", image: Any) -> "Job[Any]":
        return mq.segment(
            image,
            text=text,
            boxes=parsing.parse_boxes(box),
            points=parsing.parse_points(point),
            exemplars=parsing.parse_exemplars(exemplar),
            counter_exemplars=parsing.parse_exemplars(counter),
            prompts=parsing.read_prompts(prompts),
            **parsing.parse_thresholds(threshold, text),
            nms_iou=nms_iou,
            fill_area=fill_area,
            frame=frame,
            images=parsing.read_prompts(further),
            overlay=overlay,
            outputs=parsing.list_enabled({"polygons": polygons, "png": png, "semantic": semantic}),
            seed=seed,
            engine=engine,
            timeout_seconds=timeout_seconds,
        )

    run_each(context, images, start, out, strict=strict)
