"""`maquette dataset review`: a person's decisions about clips and tracks, into a new version."""

import csv
import getpass
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from maquette.cli.context import get_context
from maquette.cli.dataset.regate import print_changes
from maquette.cli.dataset.server_commands import load_server_function
from maquette.cli.job_ids import complete_job_id
from maquette.cli.job_watch import JobWatch
from maquette.cli.output import finish_job
from maquette.contract.datasets import Review
from maquette.errors import MaquetteError, invalid_requests

PLACE = "A clip, or CLIP/TRACK; the beginning of a clip's id is enough. Repeatable."


def review(
    context: typer.Context,
    dataset: Annotated[str, typer.Argument(help="Folder of a dataset (needs maquette-server), or a job.")],
    keep: Annotated[list[str] | None, typer.Option(help=f"Keep this whatever the gates say. {PLACE}")] = None,
    reject: Annotated[list[str] | None, typer.Option(help=f"Leave this out. {PLACE}")] = None,
    withdraw: Annotated[
        list[str] | None, typer.Option(help=f"Take an earlier decision by hand back. {PLACE}")
    ] = None,
    reason: Annotated[str | None, typer.Option(help="Why, for all that the options name.")] = None,
    file: Annotated[
        Path | None, typer.Option(help="CSV or JSON with clip, track, verdict and reason of each decision.")
    ] = None,
    reviewer: Annotated[str | None, typer.Option(help="Who decided; default: you.")] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder of the new version.")] = None,
    publish: Annotated[str | None, typer.Option(help="Bucket that workers also write it to.")] = None,
    key: Annotated[
        str | None, typer.Option(envvar="MAQUETTE_DATASET_KEY", help="Key to sign a folder with.")
    ] = None,
) -> None:
    """Keep or reject clips and tracks by hand, into a new version; no video is read."""
    rows = [] if file is None else list(read_rows(file))
    for verdict, places in (("keep", keep), ("reject", reject), ("withdraw", withdraw)):
        rows += [{**parse_place(place), "verdict": verdict, "reason": reason} for place in places or ()]
    if not rows:
        raise typer.BadParameter("give --keep, --reject or --withdraw, or a --file with decisions")
    now = datetime.now(UTC)
    common = {"reviewer": reviewer or getpass.getuser(), "at": now}
    with invalid_requests():
        reviews = [Review.model_validate({**common, **row}) for row in rows]
    if Path(dataset).is_dir():
        if out is None:
            raise typer.BadParameter("give --out: a version is never changed")
        load_server_function("regate")(Path(dataset), out, [], None, key, reviews)
        return
    cli = get_context(context)
    with cli.client() as mq, JobWatch(cli) as watch:
        job = mq.regate(complete_job_id(mq, dataset), reviews=reviews, publish=publish)
        result = finish_job(cli, watch.add(job, "dataset"), "dataset", out)
    if result.data.regated is not None and not cli.as_json:
        print_changes(result.data.regated)


def parse_place(text: str) -> dict[str, Any]:
    """The clip and the track of CLIP or CLIP/TRACK."""
    clip, separator, track = text.partition("/")
    return {"clip": clip, "track": track if separator else None}


def read_rows(path: Path) -> Iterator[Mapping[str, Any]]:
    """The decisions of a CSV or JSON file; cells that are empty are left out. Raises MaquetteError."""
    try:
        text = path.read_text(encoding="utf-8-sig")
        rows = json.loads(text) if path.suffix == ".json" else list(csv.DictReader(text.splitlines()))
    except (OSError, ValueError, csv.Error) as error:
        raise MaquetteError(f"{path} cannot be read: {error}") from error
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise MaquetteError(f"{path} needs a list of objects with clip, track, verdict and reason")
    for row in rows:
        yield {name: value for name, value in row.items() if value not in ("", None)}
