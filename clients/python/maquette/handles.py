"""Handles to jobs, for annotations; the client creates them."""

from typing import Any

from maquette._async.jobs import AsyncJob
from maquette._sync.jobs import Job

AnyJob = Job[Any]

__all__ = ["AnyJob", "AsyncJob", "Job"]
