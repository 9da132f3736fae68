"""Ids of jobs as people type them: whole, or as much of their start as names one job."""

import re
from itertools import islice
from typing import TYPE_CHECKING

import typer

from maquette.contract import Problem
from maquette.errors import NotFound

if TYPE_CHECKING:
    from maquette.client import Maquette

PREFIX = "job_"
WHOLE_ID = re.compile(r"job_[0-9a-f]{28}")
START_OF_ID = re.compile(r"job_[0-9a-f]{1,27}")
# more candidates than these are counted, not listed
MOST_CANDIDATES = 8


def complete_job_id(mq: "Maquette", text: str) -> str:
    """Return the id of your only job that starts so, with or without `job_`.

    Raises NotFound (`job_unknown`), as the service does, where there is none, and BadParameter with the
    candidates where there are several.
    """
    start = text.strip().lower()
    start = start if start.startswith(PREFIX) else PREFIX + start
    if WHOLE_ID.fullmatch(start):
        return start
    if not START_OF_ID.fullmatch(start):
        raise _job_unknown(f"{text!r} is no id of a job: `maquette jobs` lists yours")
    matching = [job.id for job in islice(mq.jobs(prefix=start), MOST_CANDIDATES + 1)]
    if not matching:
        raise _job_unknown(f"no job of yours has an id that starts with {start}")
    if len(matching) > 1:
        more = [] if len(matching) <= MOST_CANDIDATES else ["..."]
        candidates = "\n  ".join([*matching[:MOST_CANDIDATES], *more])
        raise typer.BadParameter(f"several jobs have an id that starts with {start}:\n  {candidates}")
    return matching[0]


def _job_unknown(detail: str) -> NotFound:
    return NotFound(Problem.from_code("job_unknown", 404, detail))


def complete_optional_job_id(mq: "Maquette", text: str | None) -> str | None:
    """Do as `complete_job_id`; None stays None."""
    return None if text is None else complete_job_id(mq, text)
