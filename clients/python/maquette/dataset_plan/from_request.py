"""The plan that makes the dataset of a job again, from the uploads of the service."""

from collections.abc import Mapping

from maquette.contract.datasets import SourceInfo
from maquette.contract.requests import DatasetJob, DatasetOptions
from maquette.dataset_plan.schema import DatasetPlan, PlanOutput
from maquette.dataset_plan.uploads import format_upload

# where exports go when the plan is run: they need a folder
FOLDER = "dataset"
# it changes how long a run takes, and not what it makes
LEFT_OUT = ("reuse",)


def plan_request(
    request: DatasetJob, videos: Mapping[str, SourceInfo], skipped: Mapping[str, str]
) -> DatasetPlan:
    """Return a job's plan with every default that applied.

    `videos` are the videos that it read, by the sha256 of their uploads and in their order, with what is
    known of each, wherever they came from; `skipped` has the names of those that it left out, with the code.
    """
    facts = {
        sha256: info.model_dump(mode="json", exclude_none=True, exclude_defaults=True)
        for sha256, info in videos.items()
    }
    names = [name for name in DatasetOptions.model_fields if name not in LEFT_OUT]
    content = request.model_dump(mode="json", include=set(names), exclude_none=True)
    return DatasetPlan.model_validate(
        {
            **content,
            "input": {
                "videos": [format_upload(sha256) for sha256 in videos],
                "sources": {sha256: known for sha256, known in facts.items() if known},
                "skipped": dict(skipped),
            },
            "output": plan_exports(request),
        }
    )


def plan_exports(request: DatasetJob) -> PlanOutput:
    """Return the output of a plan that exports what a job has exported."""
    if not request.exports:
        return PlanOutput()
    options = {
        export.format: export.model_dump(mode="json", exclude={"format"}, exclude_none=True)
        for export in request.exports
    }
    return PlanOutput.model_validate({"folder": FOLDER, "formats": list(options), "options": options})
