"""`maquette track`."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from maquette.cli import options as o
from maquette.cli import parsing
from maquette.cli.batch import run_each
from maquette.contract import Direction, TrackJob
from maquette.contract.defaults import TRACK

if TYPE_CHECKING:
    from maquette.client import Maquette
    from maquette.handles import Job

START_FRAME_HELP = (
    "Frame of boxes and points, and where tracking starts; else the lowest frame with a prompt (backward: "
    "the highest), or for phrases alone the first frame (backward: the last)."
)

RESERVED_HELP = "Ids up to this one are of objects that prompts name: another prompt renumbers nothing."


def track(
    context: typer.Context,
    videos: o.Videos,
    text: o.Text = None,
    box: o.Boxes = None,
    point: o.Points = None,
    prompts: o.Prompts = None,
    exemplar: o.VideoExemplars = None,
    counter: o.VideoCounterExemplars = None,
    threshold: o.Thresholds = None,
    start_frame: Annotated[int | None, o.field_option(TrackJob, "start_frame", help=START_FRAME_HELP)] = None,
    direction: Annotated[Direction, o.field_option(TrackJob, "direction")] = TRACK.direction,
    max_frames: Annotated[int | None, o.field_option(TrackJob, "max_frames")] = None,
    reserved_ids: Annotated[int, o.field_option(TrackJob, "reserved_ids", help=RESERVED_HELP)] = (
        TRACK.reserved_ids
    ),
    overlay: Annotated[bool, typer.Option(help="Write a video with the masks drawn over it.")] = True,
    ytvis: Annotated[bool, typer.Option(help="Write YouTube-VIS JSON with SA-Co's noun phrases.")] = True,
    png: Annotated[bool, typer.Option("--png", help="Write ZIPs of PNGs whose pixels are ids.")] = False,
    seed: o.Seed = TRACK.seed,
    engine: o.EngineName = TRACK.engine,
    timeout_seconds: o.Timeout = TRACK.timeout_seconds,
    strict: o.Strict = False,
    out: o.Out = None,
    overwrite: o.Overwrite = False,
    cancel_on_interrupt: o.CancelOnInterrupt = False,
) -> None:
    """Track objects through videos."""

    def start(mq: "Maquette", video: Any) -> "Job[Any]":
        return mq.track(
            video,
            text=text,
            boxes=parsing.parse_boxes(box),
            points=parsing.parse_points(point),
            prompts=parsing.read_prompts(prompts),
            exemplars=[
                *parsing.parse_video_exemplars(exemplar),
                *parsing.parse_video_exemplars(counter, positive=False),
            ],
            **parsing.parse_thresholds(threshold, text),
            start_frame=start_frame,
            direction=direction,
            max_frames=max_frames,
            reserved_ids=reserved_ids,
            outputs=parsing.list_enabled({"overlay": overlay, "ytvis": ytvis, "png": png}),
            seed=seed,
            engine=engine,
            timeout_seconds=timeout_seconds,
        )

    run_each(context, videos, start, out, strict=strict)
