"""Commands that make something of images and videos."""

from typing import Annotated, Any, cast

import typer

from maquette.cli import options as o
from maquette.cli.each import each
from maquette.client import Maquette
from maquette.contract import Direction, ObjectFormat, SceneFormat
from maquette.handles import Job

Images = Annotated[list[str], typer.Argument(help="Images: files, globs or https addresses.")]
Videos = Annotated[list[str], typer.Argument(help="Videos: files, globs or https addresses.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (segment, track, objects, scene):
        app.command()(command)


def segment(
    context: typer.Context,
    images: Images,
    text: o.Text = None,
    box: o.Boxes = None,
    point: o.Points = None,
    exemplar: o.Exemplars = None,
    counter: o.Counters = None,
    prompts: o.Prompts = None,
    threshold: o.Thresholds = None,
    frame: Annotated[int | None, typer.Option(min=0, help="A frame of videos, from 0.")] = None,
    polygons: Annotated[bool, typer.Option("--polygons", help="Outlines in the result.")] = False,
    png: Annotated[bool, typer.Option("--png", help="A PNG of each mask.")] = False,
    engine: o.EngineName = "auto",
    out: o.Out = None,
) -> None:
    """Masks of everything that phrases, boxes, points and exemplars name."""

    def start(mq: Maquette, source: Any) -> Job[Any]:
        return mq.segment(
            source,
            text=text,
            boxes=o.boxes(box),
            points=o.points(point),
            exemplars=o.boxes(exemplar),
            counter_exemplars=o.boxes(counter),
            prompts=o.prompts(prompts),
            **o.thresholds(threshold, text),
            frame=frame,
            outputs=o.chosen(polygons=polygons, png=png),
            engine=engine,
        )

    each(context, images, start, out)


def track(
    context: typer.Context,
    videos: Videos,
    text: o.Text = None,
    box: o.Boxes = None,
    point: o.Points = None,
    prompts: o.Prompts = None,
    exemplar: o.VideoExemplars = None,
    threshold: o.Thresholds = None,
    start_frame: Annotated[
        int | None, typer.Option(min=0, help="Where boxes and points lie, and tracking begins.")
    ] = None,
    direction: Annotated[str, typer.Option(help="forward, backward or both.")] = "forward",
    max_frames: Annotated[int | None, typer.Option(help="Stop after so many frames.")] = None,
    overlay: Annotated[bool, typer.Option(help="A film of the masks.")] = True,
    ytvis: Annotated[bool, typer.Option(help="YouTube-VIS JSON with SA-Co's noun phrases.")] = True,
    png: Annotated[bool, typer.Option("--png", help="ZIPs of PNGs whose pixels are ids.")] = False,
    engine: o.EngineName = "auto",
    out: o.Out = None,
) -> None:
    """Objects followed through videos."""

    def start(mq: Maquette, source: Any) -> Job[Any]:
        return mq.track(
            source,
            text=text,
            boxes=o.boxes(box),
            points=o.points(point),
            prompts=o.prompts(prompts),
            exemplars=o.video_exemplars(exemplar),
            **o.thresholds(threshold, text),
            start_frame=start_frame,
            direction=cast(Direction, direction),
            max_frames=max_frames,
            outputs=o.chosen(overlay=overlay, ytvis=ytvis, png=png),
            engine=engine,
        )

    each(context, videos, start, out)


def objects(
    context: typer.Context,
    images: Annotated[
        list[str] | None, typer.Argument(help="Images, or videos with --multiview; none with --from-job.")
    ] = None,
    text: o.Text = None,
    box: o.Boxes = None,
    point: o.Points = None,
    from_job: o.FromJob = None,
    threshold: o.Threshold = None,
    camera: o.CameraOption = None,
    depth: o.DepthFile = None,
    depth_unit: o.DepthUnit = None,
    depth_distance: o.DepthDistance = False,
    depth_axes: o.DepthAxes = "opencv",
    formats: Annotated[
        str,
        typer.Option("--format", "-f", help="Of glb, ply, spz, sog, khr_glb, obj, textured_glb and usdz."),
    ] = "glb,ply",
    placed: Annotated[bool, typer.Option("--placed", help="The posed mesh over the picture.")] = False,
    turntable: Annotated[bool, typer.Option("--turntable", help="A film of the asset turning.")] = False,
    simulation: Annotated[bool, typer.Option("--simulation", help="URDF and MJCF with meshes.")] = False,
    density: Annotated[float, typer.Option(help="kg/m³ of simulation packages.")] = 1000.0,
    longest_side: Annotated[float | None, typer.Option(help="The object's longest side in metres.")] = None,
    multiview: Annotated[
        bool, typer.Option("--multiview", help="Of videos, or a track job: each object from many frames.")
    ] = False,
    max_views: Annotated[int, typer.Option(min=3, max=64, help="Frames to use of each video.")] = 24,
    seed: o.Seed = 0,
    engine: o.EngineName = "auto",
    out: o.Out = None,
) -> None:
    """A GLB, a splat and a pose for each object."""
    wanted = cast(list[ObjectFormat], o.named(formats, ObjectFormat))

    def start(mq: Maquette, source: Any) -> Job[Any]:
        return mq.objects(
            None if multiview else source,
            video=source if multiview else None,
            multiview=multiview,
            max_views=max_views,
            text=text,
            boxes=o.boxes(box),
            points=o.points(point),
            from_job=from_job,
            threshold=threshold,
            camera=o.camera(camera),
            depth=o.depth(depth, depth_unit, depth_axes, distance=depth_distance),
            formats=wanted,
            outputs=o.chosen(placed=placed, turntable=turntable, simulation=simulation),
            density=density,
            longest_side_m=longest_side,
            seed=seed,
            engine=engine,
        )

    each(context, images or [], start, out, alone=from_job is not None)


def scene(
    context: typer.Context,
    images: Images,
    text: Annotated[list[str], typer.Option("--text", "-t", help="A phrase; may be repeated.")],
    threshold: o.Threshold = None,
    camera: o.CameraOption = None,
    formats: Annotated[
        str, typer.Option("--format", "-f", help="Of glb, ply, spz, sog and khr_glb, joined by commas.")
    ] = "glb,ply",
    contact: Annotated[bool, typer.Option(help="Objects stand on the ground where feet tell it.")] = True,
    seed: o.Seed = 0,
    engine: o.EngineName = "auto",
    out: o.Out = None,
) -> None:
    """Objects and bodies of each image in one camera frame."""
    wanted = o.named(formats, SceneFormat)

    def start(mq: Maquette, source: Any) -> Job[Any]:
        return mq.scene(
            source,
            text,
            threshold=threshold,
            camera=o.camera(camera),
            formats=cast(list[SceneFormat], wanted),
            contact=contact,
            seed=seed,
            engine=engine,
        )

    each(context, images, start, out)
