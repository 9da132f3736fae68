"""Commands over dataset folders that need the workers' code; the client's command line finds them by name."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from maquette.cli.dataset.regate import print_changes
from maquette.console import PlainConsole, styled
from maquette.contract.datasets import RegateChanges, Review
from rich.progress import Progress
from rich.table import Table

from workers.datasets import exporters
from workers.datasets.append import append as append_datasets
from workers.datasets.dataset_rates import format_rates
from workers.datasets.diff import DatasetDiff
from workers.datasets.diff import diff as diff_datasets
from workers.datasets.errors import DatasetError
from workers.datasets.exporters.base import EXPORT_NOTE, Exporter
from workers.datasets.exporters.part_store import PartStore
from workers.datasets.importers.movi.folders import import_folder
from workers.datasets.reader import Dataset
from workers.datasets.regating.bounds import read_bounds
from workers.datasets.regating.plans import write_regated_plan
from workers.datasets.regating.versions import regate as regate_dataset
from workers.datasets.verification import Violation
from workers.datasets.verification import verify as verify_dataset

# lines of one list; a broken dataset has thousands of violations
MOST_LINES = 40
KEY = "MAQUETTE_DATASET_KEY"

Folder = Annotated[Path, typer.Argument(help="Folder of a dataset.")]
console = PlainConsole()


def verify(
    folder: Folder,
    key: Annotated[str | None, typer.Option(envvar=KEY, help="Key of the signature.")] = None,
) -> None:
    """Check hashes, schema, references, masks, boxes, poses and splits; exit with 1 if anything is wrong."""
    with _report_errors(), Progress(console=PlainConsole(stderr=True), transient=True) as progress:
        task = progress.add_task("clips", total=None)
        violations = verify_dataset(
            folder,
            key=key,
            on_progress=lambda done, total: progress.update(task, completed=done, total=total),
        )
        data = Dataset(folder)
    if violations:
        _print_violations(violations)
        raise typer.Exit(1)
    signature = ", signature correct" if key else ""
    console.print(f"sound: {len(data)} clips, version {data.version[:12]}{signature}")


def diff(before: Folder, after: Folder) -> None:
    """Show what changed between two versions; exit with 1 when something did."""
    with _report_errors():
        changes = diff_datasets(Dataset(before), Dataset(after))
    _print_changes(changes)
    if changes.is_empty:
        console.print("the same clips with the same decisions")
        return
    raise typer.Exit(1)


def append(
    first: Folder,
    second: Folder,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the new version.")],
    key: Annotated[str | None, typer.Option(envvar=KEY, help="Key to sign with.")] = None,
) -> None:
    """Join two datasets into a new version; splits are assigned again so that nothing leaks between them."""
    with _report_errors():
        version = append_datasets(Dataset(first), Dataset(second), out, key=key)
    totals = version.manifest.totals
    console.print(
        f"{totals['clips']:.0f} clips of {totals['sources']:.0f} videos in {out}, "
        f"version {version.manifest.version[:12]}",
    )


def regate(
    folder: Path,
    out: Path,
    gates: list[str],
    plan: Path | None = None,
    key: str | None = None,
    reviews: Sequence[Review] = (),
) -> None:
    """Decide a dataset again, into a new version in `out`, and print what came and went."""
    with _report_errors():
        data = Dataset(folder)
        bounds = {} if reviews and not gates and plan is None else read_bounds(gates, plan)
        version, changes = regate_dataset(data, bounds, out, reviews=reviews, key=key)
        write_regated_plan(folder, out, bounds, reviews)
    print_changes(RegateChanges.model_validate(changes.as_json()))
    before, after = data.manifest.totals, version.manifest.totals
    for name in ("clips", "tracks", "observations"):
        console.print(f"{name}: {before[name]:g} to {after[name]:g}")
    console.print(f"version {version.manifest.version[:12]} in {out}, policy {version.manifest.policy}")


def export(
    folder: Folder,
    formats: Annotated[str, typer.Option("--format", "-f", help="Formats, separated by commas.")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Default: the folder of the dataset.")
    ] = None,
    options: Annotated[
        list[str] | None,
        typer.Option("--option", help="FORMAT.NAME=VALUE, or NAME=VALUE of the only format; repeatable."),
    ] = None,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Threads that build the clips.")] = 1,
) -> None:
    """Write the dataset in other formats, each to a folder of its name.

    One that was stopped goes on where it was, when it is called again.
    """
    with _report_errors():
        given = _parse_options(formats, options or [])
    write_formats(folder, formats, out or folder, given, workers)


def write_formats(
    folder: Path,
    formats: str,
    out: Path,
    options: Mapping[str, Mapping[str, Any]] | None = None,
    workers: int = 1,
) -> None:
    """Write each of the formats under `out` and print what it loses; one that is refused exits with 1.

    `options` are those of the formats, by their names.
    """
    with _report_errors():
        _write_formats(Dataset(folder), _configure(formats, options or {}), out, workers)


def _write_formats(data: Dataset, chosen: list[Exporter], out: Path, workers: int) -> None:
    refused: DatasetError | None = None
    for exporter in chosen:
        target = out / exporter.name
        if target.exists() and any(target.iterdir()) and not PartStore.is_unfinished(target):
            raise DatasetError("dataset_conflict", f"{target} is not empty: give another --out")
        target.mkdir(parents=True, exist_ok=True)
        try:
            _print_export(exporter, target, exporter.write(data, target, workers=workers, resume=True))
        except DatasetError as error:
            # the other formats are written first
            refused = refused or error
    if refused is not None:
        raise refused


def _configure(formats: str, options: Mapping[str, Mapping[str, Any]]) -> list[Exporter]:
    """The exporters of some formats with their options; raises DatasetError."""
    names = split_names(formats)
    if strange := sorted(set(options) - set(names)):
        raise DatasetError(
            "option_unknown", f"there are options of {', '.join(strange)}, and no such --format"
        )
    return [exporters.load_exporter(name).configure(**options.get(name, {})) for name in names]


def _parse_options(formats: str, texts: list[str]) -> dict[str, dict[str, str]]:
    names = split_names(formats)
    options: dict[str, dict[str, str]] = {}
    for text in texts:
        key, separator, value = text.partition("=")
        name, _, option = key.strip().rpartition(".")
        if not separator or (not name and len(names) != 1):
            raise DatasetError("option_unknown", f"{text!r} is not FORMAT.NAME=VALUE, as in lerobot.side=128")
        options.setdefault(name or names[0], {})[option] = value.strip()
    return options


def import_movi(
    folder: Annotated[Path, typer.Argument(help="Folder of MOVi arrays (<split>/<clip>/) or of TFDS.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the new dataset.")],
) -> None:
    """Read clips of MOVi, or clips that were exported as such, into a dataset."""
    with _report_errors():
        import_folder(folder, out)
        totals = Dataset(out).manifest.totals
    console.print(f"{totals['clips']:.0f} clips in {out}")


def check_formats(formats: str, options: Mapping[str, Mapping[str, Any]] | None = None) -> None:
    """Exit with 1, and `format_unknown`, `option_unknown` or `option_invalid`, when one cannot be written."""
    with _report_errors():
        _configure(formats, options or {})


def split_names(formats: str) -> list[str]:
    """'a,b' as a list."""
    return [part.strip() for part in formats.split(",") if part.strip()]


def _print_violations(violations: list[Violation]) -> None:
    table = Table("code", "where", "what")
    for item in violations[:MOST_LINES]:
        table.add_row(item.code, item.where, item.detail)
    console.print(table)
    shown = f", {MOST_LINES} of them shown" if len(violations) > MOST_LINES else ""
    console.print(f"{len(violations)} problems{shown}")


def _print_changes(changes: DatasetDiff) -> None:
    for name in ("sources_added", "sources_removed", "added", "removed", "changed", "settings"):
        items = getattr(changes, name)
        if items:
            shown = ", ".join(item[:20] for item in items[:MOST_LINES])
            console.print(f"{name.replace('_', ' ')} ({len(items)}): {shown}")
    for clip, old, new in changes.moved[:MOST_LINES]:
        console.print(f"moved: {clip} from {old} to {new}")
    for prefix, counts in (("", changes.totals), ("rejected by ", changes.rejected)):
        for name, (one, other) in sorted(counts.items()):
            console.print(f"{prefix}{name}: {one:g} to {other:g}")


def _print_export(exporter: Exporter, target: Path, count: int) -> None:
    note = json.loads((target / EXPORT_NOTE).read_text())
    console.print(styled(exporter.name, "bold"), f": {count} files in {target}", sep="")
    if len(note["frame_rates"]) > 1:
        console.print(f"  mixed frame rates: {format_rates(note['frame_rates'])}")
    for loss in exporter.loses:
        console.print(f"  does not hold {loss}")
    for reason, times in Counter(item["reason"] for item in note["left_out"]).items():
        console.print(f"  left out {times} times: {reason}")


@contextmanager
def _report_errors() -> Iterator[None]:
    """Print a DatasetError in one line, and exit with 1."""
    try:
        yield
    except DatasetError as error:
        PlainConsole(stderr=True).print(styled(error.code, "red"), f": {error.detail}", sep="")
        raise typer.Exit(1) from error
