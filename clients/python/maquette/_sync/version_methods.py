# Generated from maquette/_async/version_methods.py by scripts/generate_sync.py: do not edit.
"""The methods of the client that submit jobs about the version of an earlier dataset job."""

from collections.abc import Iterable, Mapping
from typing import Any, Unpack

from maquette import inputs
from maquette._sync.http import HttpClient
from maquette._sync.jobs import Job, submit_job
from maquette.contract import DatasetJob
from maquette.contract.datasets import Bounds, GateName, Review
from maquette.contract.exports import Export
from maquette.errors import invalid_requests
from maquette.job_options import JobOptions
from maquette.results import DatasetResult


class VersionSubmitter:
    """Each method takes a dataset job, or its id, and processes none of its videos again."""

    def __init__(self, http: HttpClient) -> None:
        self._http = http

    def regate(
        self,
        job: Any,
        gates: Mapping[GateName, Bounds | Mapping[str, float | None]] | None = None,
        *,
        reviews: Iterable[Review | Mapping[str, Any]] = (),
        publish: str | None = None,
        idempotency_key: str | None = None,
        **options: Unpack[JobOptions],
    ) -> Job[DatasetResult]:
        """Decide a dataset job's version by other bounds, or by hand (as `Review`), into a new version."""
        decided = {"gates": dict(gates or {}), "reviews": list(reviews), "publish": publish, **options}
        with invalid_requests():
            request = DatasetJob.model_validate({"from_job": inputs.to_job_id(job), **decided})
        return submit_job(self._http, request, idempotency_key)

    def export_dataset(
        self,
        job: Any,
        exports: Iterable[Export | Mapping[str, Any]],
        *,
        idempotency_key: str | None = None,
        **options: Unpack[JobOptions],
    ) -> Job[DatasetResult]:
        """Export a dataset job's version to formats, as `{"format": "lerobot", "side": 128}`.

        The result has a TAR archive of each.
        """
        with invalid_requests():
            request = DatasetJob.model_validate(
                {"from_job": inputs.to_job_id(job), "exports": list(exports), **options}
            )
        return submit_job(self._http, request, idempotency_key)
