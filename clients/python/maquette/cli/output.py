"""What a command prints of a finished job."""

from collections.abc import Iterable
from functools import singledispatch
from pathlib import Path
from typing import TypeVar

from rich.table import Table

from maquette.cli.context import CliContext, print_json
from maquette.console import PlainConsole, styled
from maquette.contract import (
    BodiesResult,
    BodyResult,
    BodyTrack,
    ConvertResult,
    DatasetResult,
    ObjectsResult,
    SceneResult,
    SegmentResult,
    TrackResult,
)
from maquette.handles import Job
from maquette.results import AnyResult

Res = TypeVar("Res", bound=AnyResult)


def finish_job(cli: CliContext, job: Job[Res], title: str, folder: Path | None) -> Res:
    """Wait for a job, save its files in the folder if there is one, print its result, and return it."""
    result = job.wait(progress=not cli.as_json)
    if folder is not None:
        result.save(folder)
    if cli.as_json:
        manifest = result.manifest.model_dump(mode="json")
        print_json({"job": job.id, "folder": str(folder) if folder else None, **manifest})
        return result
    console = PlainConsole()
    console.print(styled(title, "bold"), f": {job.kind} {job.id}", sep="")
    console.print(_tabulate(result.data))
    if result.reason:
        console.print(styled(result.reason, "yellow"))
    if folder is not None:
        console.print(f"saved in {folder}")
    return result


@singledispatch
def _tabulate(result: object) -> Table:
    raise TypeError(f"no table for {type(result).__name__}")


@_tabulate.register
def _(result: SegmentResult) -> Table:
    rows = [(str(i.index), i.label, _format_score(i.score), f"{i.area} px") for i in result.instances]
    return _build_table(("#", "label", "score", "area"), rows)


@_tabulate.register
def _(result: TrackResult) -> Table:
    rows = [
        (str(t.id), t.label, _format_score(t.mean_score), f"{t.first_frame}–{t.last_frame}")
        for t in result.tracks
    ]
    return _build_table(("id", "label", "score", "frames"), rows)


@_tabulate.register
def _(result: ObjectsResult) -> Table:
    rows = [
        (str(o.index), o.label, _format_score(o.silhouette_iou), f"{o.mesh} {o.splat}")
        for o in result.objects
    ]
    return _build_table(("#", "label", "silhouette IoU", "files"), rows)


@_tabulate.register
def _(result: BodiesResult) -> Table:
    rows = [(str(body.index), *_format_fit(body), " ".join(body.files.values())) for body in result.bodies]
    for track in result.tracks:
        files = [name for names in track.files.values() for name in names]
        rows.append((str(track.id), *_format_fit(track), " ".join(files)))
    return _build_table(("#", "confidence", "reprojection error", "files"), rows)


@_tabulate.register
def _(result: SceneResult) -> Table:
    rows = [(node.name, node.label, _format_score(node.confidence), node.kind) for node in result.nodes]
    return _build_table(("node", "label", "confidence", "kind"), rows)


@_tabulate.register
def _(result: ConvertResult) -> Table:
    rows = [(result.asset, result.source, name, file) for name, file in result.files.items()]
    return _build_table(("asset", "from", "to", "file"), rows)


@_tabulate.register
def _(result: DatasetResult) -> Table:
    names = ("clips", "frames", "tracks", "observations")
    return _build_table(("what", "count"), [(name, str(getattr(result, name))) for name in names])


def _build_table(columns: Iterable[str], rows: Iterable[Iterable[str | None]]) -> Table:
    table = Table(*columns)
    for row in rows:
        table.add_row(*(cell or "" for cell in row))
    return table


def _format_fit(body: BodyResult | BodyTrack) -> tuple[str, str]:
    return _format_score(body.confidence), f"{body.reprojection_error_px:.1f} px"


def _format_score(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"
