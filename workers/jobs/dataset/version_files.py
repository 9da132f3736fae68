"""Copies the files of a version, which are artefacts of a job, into a folder that `Dataset` reads."""

from collections.abc import Iterable
from pathlib import Path

from maquette.contract import Artefact

from workers.jobs.context import JobContext


def copy_files(context: JobContext, artefacts: Iterable[Artefact], folder: Path) -> None:
    """Write artefacts under their own names; those that are there stay. Raises OSError for a lost one."""
    for artefact in artefacts:
        target = folder / Path(artefact.name).name
        if not target.exists():
            target.write_bytes(context.get(artefact.sha256))
