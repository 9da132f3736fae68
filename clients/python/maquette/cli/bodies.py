"""The command that makes bodies."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from maquette.cli import options as o
from maquette.cli.each import each
from maquette.client import Maquette
from maquette.handles import Job


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(bodies)


def bodies(
    context: typer.Context,
    media: Annotated[list[str] | None, typer.Argument(help="Images or videos; none with --from-job.")] = None,
    box: o.Boxes = None,
    mask: Annotated[
        list[Path] | None, typer.Option(help="A PNG of one person's mask; may be repeated, of an image.")
    ] = None,
    from_job: Annotated[str | None, typer.Option(help="A segment or a track job to go on from.")] = None,
    camera: o.CameraOption = None,
    formats: o.Formats = "glb",
    lod: Annotated[
        int | None, typer.Option(min=0, max=6, help="Level of detail of engines with some.")
    ] = None,
    vertices: Annotated[bool, typer.Option("--vertices", help="Posed vertices in NPZ and JSON.")] = False,
    max_people: Annotated[int, typer.Option(help="The largest so many people.")] = 64,
    max_frames: Annotated[int | None, typer.Option(help="Stop a video here.")] = None,
    smoothing: Annotated[bool, typer.Option(help="Smooth the motion of a video.")] = True,
    max_gap: Annotated[float, typer.Option(help="Seconds of a gap in a motion that is filled.")] = 0.5,
    world_from_cam: Annotated[
        Path | None, typer.Option(help="JSON: a 4x4 matrix for each frame puts bodies into the world.")
    ] = None,
    world_up: Annotated[str, typer.Option(help="The world's up: -y, y or z.")] = "-y",
    as_video: Annotated[bool, typer.Option("--video", help="Addresses and animations are videos.")] = False,
    seed: o.Seed = 0,
    engine: o.EngineName = "auto",
    out: o.Out = None,
) -> None:
    """Rigged bodies of images, moving ones of videos."""
    poses = None if world_from_cam is None else _matrices(world_from_cam)
    masks = [_mask(file) for file in mask or ()]

    def start(mq: Maquette, source: Any) -> Job[Any]:
        place = None if source is None else mq.upload(source)
        known = None if place is None else mq.media(place)
        moves = as_video or (known is not None and known.kind == "video")
        return mq.bodies(
            None if moves else place,
            video=place if moves else None,
            boxes=o.boxes(box),
            masks=masks,
            from_job=from_job,
            camera=o.camera(camera),
            formats=o.formats(formats),
            lod=lod,
            vertices=vertices,
            max_people=max_people,
            max_frames=max_frames,
            smoothing=smoothing,
            max_gap_seconds=max_gap,
            world_from_cam=poses,
            world_up=world_up,
            seed=seed,
            engine=engine,
        )

    each(context, media or [], start, out, alone=from_job is not None)


def _matrices(file: Path) -> list[Any]:
    found = json.loads(file.read_text())
    shaped = isinstance(found, list) and all(
        isinstance(matrix, list) and len(matrix) == 4 and all(len(row) == 4 for row in matrix)
        for matrix in found
    )
    if not shaped:
        raise typer.BadParameter(f"{file} must hold a JSON list of 4x4 matrices")
    return list(found)


def _mask(file: Path) -> Any:
    try:
        import numpy as np
        from PIL import Image
    except ImportError as error:
        raise typer.BadParameter("install maquette[arrays] to read masks") from error
    with Image.open(file) as picture:
        # a mask that was cut out lies in the alpha channel
        plane = picture.getchannel("A") if "A" in picture.getbands() else picture.convert("L")
        return np.asarray(plane) > 127
