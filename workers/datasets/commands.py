"""Commands on dataset folders that need the workers' code; the client's command line finds them by name."""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from workers.datasets import exporters
from workers.datasets.append import append as join_datasets
from workers.datasets.diff import DatasetDiff
from workers.datasets.diff import diff as compare_datasets
from workers.datasets.errors import DatasetError
from workers.datasets.exporters.base import EXPORT_NOTE
from workers.datasets.importers.movi.folders import import_folder
from workers.datasets.reader import Dataset
from workers.datasets.verification import verify as find_problems

# lines of a list that are printed; chosen to fit on a screen
MOST_LINES = 40
# characters of an id that are printed
SHORT_ID = 20
KEY = "MAQUETTE_DATASET_KEY"

Folder = Annotated[Path, typer.Argument(help="Folder of a dataset.")]
Key = Annotated[str | None, typer.Option(envvar=KEY, help="Key of the signature.")]
console = Console()


def verify(folder: Folder, key: Key = None) -> None:
    """Check hashes, schema, references, masks, poses and splits; status 1 when something is wrong."""
    with _report_errors(), Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("clips", total=None)
        problems = find_problems(
            folder, key=key, told=lambda done, total: progress.update(task, completed=done, total=total)
        )
        data = Dataset(folder)
    if not problems:
        signed = ", signature right" if key else ""
        console.print(f"sound: {len(data)} clips, version {data.version[:12]}{signed}", highlight=False)
        return
    table = Table("code", "where", "what")
    for problem in problems[:MOST_LINES]:
        table.add_row(problem.code, problem.where, problem.detail)
    console.print(table)
    shown = f", {MOST_LINES} of them shown" if len(problems) > MOST_LINES else ""
    console.print(f"{len(problems)} problems{shown}")
    raise typer.Exit(1)


def diff(before: Folder, after: Folder) -> None:
    """Show what changed between two versions; status 1 when something did."""
    with _report_errors():
        changes = compare_datasets(Dataset(before), Dataset(after))
    _print_changes(changes)
    if changes.is_empty:
        console.print("the same clips, judged the same way")
        return
    raise typer.Exit(1)


def _print_changes(changes: DatasetDiff) -> None:
    for name in ("sources_added", "sources_removed", "added", "removed", "changed", "settings"):
        items = getattr(changes, name)
        if items:
            shown = ", ".join(item[:SHORT_ID] for item in items[:MOST_LINES])
            console.print(f"{name.replace('_', ' ')} ({len(items)}): {shown}", highlight=False)
    for clip, old, new in changes.moved[:MOST_LINES]:
        console.print(f"moved: {clip} from {old} to {new}", highlight=False)
    for group, pairs in (("", changes.totals), ("rejected by ", changes.rejected)):
        for name, (old_number, new_number) in sorted(pairs.items()):
            console.print(f"{group}{name}: {old_number:g} to {new_number:g}", highlight=False)


def append(
    first: Folder,
    second: Folder,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the new version.")],
    key: Annotated[str | None, typer.Option(envvar=KEY, help="Key to sign with.")] = None,
) -> None:
    """Join two datasets to a new version; splits are assigned again, so that nothing leaks between them."""
    with _report_errors():
        written = join_datasets(Dataset(first), Dataset(second), out, key=key)
    totals = written.manifest.totals
    console.print(
        f"{totals['clips']:.0f} clips of {totals['sources']:.0f} videos in {out}, "
        f"version {written.manifest.version[:12]}",
        highlight=False,
    )


def export(
    folder: Folder,
    formats: Annotated[str, typer.Option("--format", "-f", help="Formats, separated by commas.")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Default: the folder of the dataset.")
    ] = None,
) -> None:
    """Write the dataset in other formats, each in a folder of its name."""
    with _report_errors():
        write_formats(folder, formats, out or folder)


def write_formats(folder: Path, formats: str, out: Path) -> None:
    """Write each of the formats under `out` and print what it cannot hold; raises DatasetError."""
    chosen = [exporters.load_exporter(name) for name in split_names(formats)]
    data = Dataset(folder)
    for exporter in chosen:
        target = out / exporter.name
        if target.exists() and any(target.iterdir()):
            raise DatasetError("dataset_conflict", f"{target} is not empty: give another --out")
        target.mkdir(parents=True, exist_ok=True)
        files = exporter.write(data, target)
        console.print(f"[bold]{exporter.name}[/bold]: {len(files)} files in {target}", highlight=False)
        for loss in exporter.loses:
            console.print(f"  does not hold {loss}", highlight=False)
        for reason, count in _count_left_out(target).items():
            console.print(f"  left out {count} times: {reason}", highlight=False)


def import_movi(
    folder: Annotated[Path, typer.Argument(help="Folder of MOVi arrays, <split>/<clip>/, or of TFDS.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the new dataset.")],
) -> None:
    """Read clips of MOVi, or in its format, into a dataset."""
    with _report_errors():
        import_folder(folder, out)
        totals = Dataset(out).manifest.totals
    console.print(f"{totals['clips']:.0f} clips in {out}", highlight=False)


def check_formats(formats: str) -> None:
    """Exit with status 1 when a format is unknown, before any work is done."""
    with _report_errors():
        for name in split_names(formats):
            exporters.load_exporter(name)


def split_names(formats: str) -> list[str]:
    """'a,b' as a list."""
    return [part.strip() for part in formats.split(",") if part.strip()]


def _count_left_out(target: Path) -> Counter[str]:
    """How often an export left something out, by reason."""
    left_out = json.loads((target / EXPORT_NOTE).read_text())["left_out"]
    return Counter(item["reason"] for item in left_out)


@contextmanager
def _report_errors() -> Iterator[None]:
    """Print a DatasetError in one line, and exit with status 1."""
    try:
        yield
    except DatasetError as error:
        Console(stderr=True).print(f"[red]{error.code}[/red]: {error.detail}", highlight=False)
        raise typer.Exit(1) from error
