"""`maquette bodies`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from maquette.cli import options as o
from maquette.cli import parsing
from maquette.cli.batch import run_each_or_continue
from maquette.contract import BodiesJob, BodyFormat
from maquette.contract.defaults import BODIES
from maquette.contract.requests.person_prompts import HandChoice

if TYPE_CHECKING:
    from maquette.client import Maquette
    from maquette.handles import Job

Media = Annotated[list[str] | None, typer.Argument(help="Images or videos; none with --from-job.")]
FromJob = Annotated[str | None, o.field_option(BodiesJob, "from_job")]
PosesFile = Annotated[
    Path | None,
    o.field_option(BodiesJob, "world_from_cam", help=o.POSES_HELP + "places bodies in the world."),
]
Heights = Annotated[
    str | None,
    typer.Option(
        "--height",
        help="Height of the people in metres, standing: one for all, or one per box or mask, separated by "
        "commas; '-' where unknown.",
    ),
]
GravityOption = Annotated[
    str | None,
    typer.Option(
        metavar="X,Y,Z",
        help="Direction in which things fall, in the camera frame (x right, y down, z forward).",
    ),
]
PeopleFile = Annotated[
    Path | None,
    typer.Option(help="JSON file: key points and hand boxes, an object (or null) per box or mask."),
]
AsVideo = Annotated[bool, typer.Option("--video", help="Take addresses and animated images for videos.")]

# options that the client takes under the same name, and as they are
SAME = (
    *("lod", "vertices", "max_people", "max_frames", "smoothing", "hands", "max_wrist_angle"),
    *("world_up", "seed", "engine", "timeout_seconds"),
)


def bodies(
    context: typer.Context,
    media: Media = None,
    box: o.Boxes = None,
    mask: o.MaskFiles = None,
    from_job: FromJob = None,
    camera: o.CameraOption = None,
    formats: Annotated[str, o.formats_option(BodiesJob)] = ",".join(BODIES.formats),
    lod: Annotated[int | None, o.field_option(BodiesJob, "lod")] = None,
    vertices: Annotated[bool, o.field_option(BodiesJob, "vertices", "--vertices")] = BODIES.vertices,
    max_people: Annotated[int, o.field_option(BodiesJob, "max_people")] = BODIES.max_people,
    max_frames: Annotated[int | None, o.field_option(BodiesJob, "max_frames")] = None,
    smoothing: Annotated[bool, o.field_option(BodiesJob, "smoothing")] = BODIES.smoothing,
    max_gap: Annotated[
        float, o.field_option(BodiesJob, "max_gap_seconds", "--max-gap")
    ] = BODIES.max_gap_seconds,
    height: Heights = None,
    people: PeopleFile = None,
    hands: Annotated[HandChoice | None, o.field_option(BodiesJob, "hands")] = None,
    max_wrist_angle: Annotated[float | None, o.field_option(BodiesJob, "max_wrist_angle")] = None,
    gravity: GravityOption = None,
    camera_pitch: Annotated[
        float | None, o.field_option(BodiesJob, "camera_pitch_deg", "--camera-pitch")
    ] = None,
    world_from_cam: PosesFile = None,
    world_up: Annotated[Literal["-y", "y", "z"], o.field_option(BodiesJob, "world_up")] = BODIES.world_up,
    as_video: AsVideo = False,
    seed: o.Seed = BODIES.seed,
    engine: o.EngineName = BODIES.engine,
    timeout_seconds: o.Timeout = BODIES.timeout_seconds,
    strict: o.Strict = False,
    out: o.Out = None,
    overwrite: o.Overwrite = False,
    cancel_on_interrupt: o.CancelOnInterrupt = False,
) -> None:
    """Recover rigged bodies of the people in images, animated ones of those in videos."""
    fields: dict[str, Any] = {
        **{name: context.params[name] for name in SAME},
        "boxes": parsing.parse_boxes(box),
        "masks": [parsing.read_mask(file) for file in mask or ()],
        "camera": parsing.parse_camera(camera),
        "formats": parsing.parse_names(formats, BodyFormat),
        "max_gap_seconds": max_gap,
        "height_m": _parse_heights(height),
        "gravity": parsing.parse_vector(gravity),
        "camera_pitch_deg": camera_pitch,
        "people": _read_people(people),
        "world_from_cam": parsing.read_poses(world_from_cam),
    }

    def start(mq: "Maquette", medium: Any) -> "Job[Any]":
        if medium is None:
            from maquette.cli.job_ids import complete_optional_job_id

            return mq.bodies(from_job=complete_optional_job_id(mq, from_job), **fields)
        info = mq.media(ref := mq.upload(medium))
        is_video = as_video or (info is not None and info.kind == "video")
        return mq.bodies(None if is_video else ref, video=ref if is_video else None, **fields)

    run_each_or_continue(context, media, start, out, from_job, strict=strict)


def _parse_heights(text: str | None) -> float | list[float | None] | None:
    if text is None:
        return None
    try:
        heights = [None if part.strip() == "-" else float(part) for part in text.split(",")]
    except ValueError as error:
        raise typer.BadParameter(f"--height is metres, such as 1.1 or 1.1,-,1.75, not {text!r}") from error
    return heights[0] if len(heights) == 1 else heights


def _read_people(file: Path | None) -> list[Any]:
    people = [] if file is None else parsing.read_json(file)
    if not isinstance(people, list) or not all(
        person is None or isinstance(person, dict) for person in people
    ):
        raise typer.BadParameter(f"{file} must hold a JSON list of objects and nulls")
    return people
