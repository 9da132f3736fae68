"""Commands over dataset folders that need the workers' code; the client's command line finds them by name."""

import json
from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from workers.datasets import exporters
from workers.datasets.append import append as join
from workers.datasets.diff import diff as compare
from workers.datasets.errors import DatasetError
from workers.datasets.exporters.base import EXPORT_NOTE
from workers.datasets.importers.movi.folders import import_folder
from workers.datasets.reader import Dataset
from workers.datasets.verification import verify as check

MOST = 40
KEY = "MAQUETTE_DATASET_KEY"

Folder = Annotated[Path, typer.Argument(help="Folder of a dataset.")]
Key = Annotated[str | None, typer.Option(envvar=KEY, help="Key of the signature.")]
console = Console()


def verify(folder: Folder, key: Key = None) -> None:
    """Hashes, schema, references, masks in boxes, poses, splits; status 1 when something is wrong."""
    with _told(), Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("clips", total=None)
        found = check(
            folder, key=key, told=lambda done, total: progress.update(task, completed=done, total=total)
        )
        data = Dataset(folder)
    if not found:
        signed = ", signature right" if key else ""
        console.print(f"sound: {len(data)} clips, version {data.version[:12]}{signed}", highlight=False)
        return
    table = Table("code", "where", "what")
    for item in found[:MOST]:
        table.add_row(item.code, item.where, item.detail)
    console.print(table)
    console.print(f"{len(found)} problems" + (f", {MOST} of them shown" if len(found) > MOST else ""))
    raise typer.Exit(1)


def diff(before: Folder, after: Folder) -> None:
    """What changed between two versions; status 1 when something did."""
    with _told():
        found = compare(Dataset(before), Dataset(after))
    for name in ("sources_added", "sources_removed", "added", "removed", "changed", "settings"):
        items = getattr(found, name)
        if items:
            shown = ", ".join(item[:20] for item in items[:MOST])
            console.print(f"{name.replace('_', ' ')} ({len(items)}): {shown}", highlight=False)
    for clip, old, new in found.moved[:MOST]:
        console.print(f"moved: {clip} from {old} to {new}", highlight=False)
    for group, pairs in (("", found.totals), ("rejected by ", found.rejected)):
        for key, (one, other) in sorted(pairs.items()):
            console.print(f"{group}{key}: {one:g} to {other:g}", highlight=False)
    if found.is_empty:
        console.print("the same clips, judged the same way")
        return
    raise typer.Exit(1)


def append(
    first: Folder,
    second: Folder,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the new version.")],
    key: Annotated[str | None, typer.Option(envvar=KEY, help="Key to sign with.")] = None,
) -> None:
    """Join two datasets to a new version; splits are made again, so that nothing leaks between them."""
    with _told():
        written = join(Dataset(first), Dataset(second), out, key=key)
    totals = written.manifest.totals
    console.print(
        f"{totals['clips']:.0f} clips of {totals['sources']:.0f} videos in {out}, "
        f"version {written.manifest.version[:12]}",
        highlight=False,
    )


def export(
    folder: Folder,
    formats: Annotated[str, typer.Option("--format", "-f", help="Formats, joined by commas.")],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Default: in the dataset's folder.")] = None,
) -> None:
    """Write the dataset as other formats, each in a folder of its name."""
    with _told():
        write_formats(folder, formats, out or folder)


def write_formats(folder: Path, formats: str, out: Path) -> None:
    """Write each of the formats under `out` and say what it cannot hold."""
    chosen = [exporters.load_exporter(name) for name in names(formats)]
    data = Dataset(folder)
    for made in chosen:
        target = out / made.name
        if target.exists() and any(target.iterdir()):
            raise DatasetError("dataset_conflict", f"{target} is not empty: give another --out")
        target.mkdir(parents=True, exist_ok=True)
        files = made.write(data, target)
        console.print(f"[bold]{made.name}[/bold]: {len(files)} files in {target}", highlight=False)
        for lost in made.loses:
            console.print(f"  does not hold {lost}", highlight=False)
        for reason, count in _left_out(target).items():
            console.print(f"  left out {count} times: {reason}", highlight=False)


def import_movi(
    folder: Annotated[Path, typer.Argument(help="Folder of MOVi arrays, <split>/<clip>/, or of TFDS.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the new dataset.")],
) -> None:
    """Read clips of MOVi, or exported as such, into a dataset."""
    with _told():
        import_folder(folder, out)
        totals = Dataset(out).manifest.totals
    console.print(f"{totals['clips']:.0f} clips in {out}", highlight=False)


def check_formats(formats: str) -> None:
    """Raise DatasetError `format_unknown` before any work is done."""
    with _told():
        for name in names(formats):
            exporters.load_exporter(name)


def names(formats: str) -> list[str]:
    """'a,b' as a list."""
    return [part.strip() for part in formats.split(",") if part.strip()]


def _left_out(target: Path) -> Counter[str]:
    noted = json.loads((target / EXPORT_NOTE).read_text())["left_out"]
    return Counter(item["reason"] for item in noted)


class _told:
    """Tell a DatasetError in one line, with status 1."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: Any, error: BaseException | None, _trace: Any) -> None:
        if isinstance(error, DatasetError):
            Console(stderr=True).print(f"[red]{error.code}[/red]: {error.detail}", highlight=False)
            raise typer.Exit(1) from error
