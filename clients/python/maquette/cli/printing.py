"""What a command prints of a job that is over."""

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from maquette.cli import options as o
from maquette.contract import Manifest
from maquette.handles import Job


def finish(state: o.State, job: Job[Any], name: str, folder: Path | None) -> None:
    """Wait for a job, save its files, and tell what it found; `name` is its heading."""
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
    elif result.kind == "convert":
        rows = [(result.asset, result.source, name, file) for name, file in result.files.items()]
        columns = ("asset", "was", "is", "file")
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
