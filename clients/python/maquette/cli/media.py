"""Commands that make something of images and videos."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, cast, get_args

import typer
from rich.console import Console
from rich.table import Table

from maquette.cli import options as o
from maquette.client import Maquette
from maquette.contract import Manifest, ObjectFormat
from maquette.handles import Job

Images = Annotated[list[str], typer.Argument(help="Images: files, globs or https addresses.")]
Videos = Annotated[list[str], typer.Argument(help="Videos: files, globs or https addresses.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (segment, track, objects, bodies, scene, dataset):
        app.command()(command)


def segment(
    context: typer.Context,
    images: Images,
    text: o.Text = None,
    box: o.Boxes = None,
    point: o.Points = None,
    exemplar: o.Exemplars = None,
    counter: o.Counters = None,
    threshold: o.Threshold = None,
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
            threshold=threshold,
            engine=engine,
        )

    _each(context, images, start, out)


def track(
    context: typer.Context,
    videos: Videos,
    text: o.Text = None,
    box: o.Boxes = None,
    point: o.Points = None,
    threshold: o.Threshold = None,
    max_frames: int | None = None,
    engine: o.EngineName = "auto",
    out: o.Out = None,
) -> None:
    """Objects followed through videos; boxes and points lie on the first frame."""

    def start(mq: Maquette, source: Any) -> Job[Any]:
        return mq.track(
            source,
            text=text,
            boxes=o.boxes(box),
            points=o.points(point),
            threshold=threshold,
            max_frames=max_frames,
            engine=engine,
        )

    _each(context, videos, start, out)


def objects(
    context: typer.Context,
    images: Annotated[list[str] | None, typer.Argument(help="Images; none with --from-job.")] = None,
    text: o.Text = None,
    box: o.Boxes = None,
    point: o.Points = None,
    from_job: o.FromJob = None,
    threshold: o.Threshold = None,
    camera: o.CameraOption = None,
    formats: Annotated[
        str, typer.Option("--format", "-f", help="Of glb, ply, spz, sog, khr_glb and obj, joined by commas.")
    ] = "glb,ply",
    seed: o.Seed = 0,
    engine: o.EngineName = "auto",
    out: o.Out = None,
) -> None:
    """A GLB, a splat and a pose for each object."""
    wanted = _object_formats(formats)

    def start(mq: Maquette, source: Any) -> Job[Any]:
        return mq.objects(
            source,
            text=text,
            boxes=o.boxes(box),
            points=o.points(point),
            from_job=from_job,
            threshold=threshold,
            camera=o.camera(camera),
            formats=wanted,
            seed=seed,
            engine=engine,
        )

    _each(context, images or [], start, out, alone=from_job is not None)


def bodies(
    context: typer.Context,
    media: Annotated[list[str] | None, typer.Argument(help="Images or videos; none with --from-job.")] = None,
    box: o.Boxes = None,
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
    as_video: Annotated[bool, typer.Option("--video", help="Addresses and animations are videos.")] = False,
    seed: o.Seed = 0,
    engine: o.EngineName = "auto",
    out: o.Out = None,
) -> None:
    """Rigged bodies of images, moving ones of videos."""

    def start(mq: Maquette, source: Any) -> Job[Any]:
        place = None if source is None else mq.upload(source)
        known = None if place is None else mq.media(place)
        moves = as_video or (known is not None and known.kind == "video")
        return mq.bodies(
            None if moves else place,
            video=place if moves else None,
            boxes=o.boxes(box),
            from_job=from_job,
            camera=o.camera(camera),
            formats=o.formats(formats),
            lod=lod,
            vertices=vertices,
            max_people=max_people,
            max_frames=max_frames,
            smoothing=smoothing,
            seed=seed,
            engine=engine,
        )

    _each(context, media or [], start, out, alone=from_job is not None)


def scene(
    context: typer.Context,
    images: Images,
    text: Annotated[list[str], typer.Option("--text", "-t", help="A phrase; may be repeated.")],
    threshold: o.Threshold = None,
    camera: o.CameraOption = None,
    seed: o.Seed = 0,
    engine: o.EngineName = "auto",
    out: o.Out = None,
) -> None:
    """Objects and bodies of each image in one camera frame."""

    def start(mq: Maquette, source: Any) -> Job[Any]:
        return mq.scene(source, text, threshold=threshold, camera=o.camera(camera), seed=seed, engine=engine)

    _each(context, images, start, out)


def dataset(
    context: typer.Context,
    videos: Videos,
    text: Annotated[list[str], typer.Option("--text", "-t", help="A phrase; may be repeated.")],
    threshold: o.Threshold = None,
    clip_seconds: float = 5.0,
    size: Annotated[int, typer.Option(help="Longest side of the stored frames in pixels.")] = 256,
    engine: o.EngineName = "auto",
    out: o.Out = None,
) -> None:
    """One dataset of clips and tracks from all videos together."""
    state: o.State = context.obj
    with state.client() as mq:
        found = o.sources(videos)
        job = mq.dataset(
            found, text, threshold=threshold, clip_seconds=clip_seconds, size=size, engine=engine
        )
        _finish(state, job, "dataset", out)


def _object_formats(given: str) -> list[ObjectFormat]:
    known = get_args(ObjectFormat)
    found = [part.strip() for part in given.split(",") if part.strip()]
    for part in found:
        if part not in known:
            raise typer.BadParameter(f"a format is one of {', '.join(known)}, not {part!r}")
    return cast(list[ObjectFormat], found)


def _each(
    context: typer.Context,
    patterns: list[str],
    start: Callable[[Maquette, Any], Job[Any]],
    out: Path | None,
    *,
    alone: bool = False,
) -> None:
    state: o.State = context.obj
    if alone and patterns:
        raise typer.BadParameter("--from-job brings its own image")
    found: list[Any] = [None] if alone else o.sources(patterns)
    if not found:
        raise typer.BadParameter("give at least one image, or --from-job")
    with state.client() as mq:
        # all are submitted before the first is waited for, so that workers are never idle
        jobs = [(source, start(mq, source)) for source in found]
        for source, job in jobs:
            name = Path(str(source)).stem if source is not None else job.id
            folder = out / name if out is not None and len(jobs) > 1 else out
            _finish(state, job, name, folder)


def _finish(state: o.State, job: Job[Any], name: str, folder: Path | None) -> None:
    result = job.wait(progress=not state.as_json)
    if folder is not None:
        result.save(folder)
    if state.as_json:
        o.emit({"job": job.id, "folder": str(folder) if folder else None, **_dump(result.manifest)})
        return
    console = Console()
    console.print(f"[bold]{name}[/bold]: {job.kind} {job.id}", highlight=False)
    console.print(_table(result.manifest))
    if result.reason:
        console.print(f"[yellow]{result.reason}[/yellow]")
    if folder is not None:
        console.print(f"saved in {folder}")


def _dump(manifest: Manifest) -> dict[str, Any]:
    return manifest.model_dump(mode="json")


def _table(manifest: Manifest) -> Table:
    result = manifest.result
    table = Table()
    if result.kind == "segment":
        rows = [(str(i.index), i.label or "", _score(i.score), f"{i.area} px") for i in result.instances]
        columns = ("#", "label", "score", "area")
    elif result.kind == "track":
        rows = [
            (str(t.id), t.label or "", _score(t.mean_score), f"{t.first_frame}–{t.last_frame}")
            for t in result.tracks
        ]
        columns = ("id", "label", "score", "frames")
    elif result.kind == "objects":
        rows = [
            (str(i.index), i.label or "", _score(i.silhouette_iou), f"{i.mesh} {i.splat}")
            for i in result.objects
        ]
        columns = ("#", "label", "silhouette IoU", "files")
    elif result.kind == "bodies":
        rows = [
            (
                str(b.index),
                _score(b.confidence),
                f"{b.reprojection_error_px:.1f} px",
                " ".join(b.files.values()),
            )
            for b in result.bodies
        ] + [
            (
                str(t.id),
                _score(t.confidence),
                f"{t.reprojection_error_px:.1f} px",
                " ".join(name for names in t.files.values() for name in names),
            )
            for t in result.tracks
        ]
        columns = ("#", "confidence", "reprojection", "files")
    elif result.kind == "scene":
        rows = [(n.name, n.label or "", _score(n.confidence), n.kind) for n in result.nodes]
        columns = ("node", "label", "confidence", "kind")
    else:
        counted = ("clips", "frames", "tracks", "observations")
        rows = [(name, str(getattr(result, name)), "", "") for name in counted]
        columns = ("what", "count", "", "")
    for column in columns:
        table.add_column(column)
    for row in rows:
        table.add_row(*row)
    return table


def _score(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"
