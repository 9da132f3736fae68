"""What a tenant has on the service, and may have."""

from maquette.contract.base import ResponseModel


class Erasure(ResponseModel):
    """What was deleted of a tenant; the files are gone after the service's grace time."""

    jobs: int
    uploads: int
    sessions: int
    complete: bool
    """Whether nothing is left; false asks to send the request again."""


class Quota(ResponseModel):
    """How much of something is used, and how much may be; null is no limit."""

    used: int
    limit: int | None


class JobLimits(ResponseModel):
    """The most that the media of one job may have together; null is no limit."""

    bytes: int | None
    frames: int | None
    pixels: int | None


class KeptDays(ResponseModel):
    """For how many days things are kept; null keeps them until they are deleted."""

    uploads: float | None
    """Days after their last use."""
    results: float | None
    """Days after the job's end."""
    events: float | None
    scratch: float | None


class Usage(ResponseModel):
    """What a tenant uses and may use."""

    stored_bytes: Quota
    """Uploads, results and scratch files; a file that several jobs have counts once."""
    queued_jobs: Quota
    running_jobs: Quota
    """Jobs, and parts of jobs, that hold a worker."""
    requests_per_second: float | None
    """Requests per second to one gateway, averaged over ten seconds; null is no limit."""
    job: JobLimits
    kept_days: KeptDays
