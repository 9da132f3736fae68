"""Settings of the gateway; each is read from MAQUETTE_<NAME>."""

from pathlib import Path
from typing import Literal

from storage.settings import StorageSettings


class ServiceSettings(StorageSettings):
    """Read by the gateway."""

    auto_migrate: bool = True
    """Bring the ledger's schema up to date at start; turn it off where several gateways run."""
    max_upload_bytes: int = 4 << 30
    """Largest upload."""
    max_body_bytes: int = 32 << 20
    """Largest JSON body."""
    max_body_elements: int = 300_000
    """Most commas, brackets and braces of a JSON body; parsing so many takes about 0.1 s."""
    upload_idle_seconds: float = 60.0
    """An upload of which nothing arrives for this long is ended."""
    resumable_hours: float = 24.0
    """How long an upload that was cut off can be resumed, after its last bytes have arrived."""
    max_streams: int = 2_000
    """Event streams that may be open at once."""
    max_streams_per_tenant: int = 1_000
    """Event streams that one tenant may have open at once."""
    min_free_bytes: int = 256 << 20
    """With less free space than this, the gateway is not ready and takes neither uploads nor jobs (503)."""
    ledger_busy_seconds: float = 5.0
    """How long a write waits for an SQLite ledger that another process has locked."""
    access_log: bool = True
    """Log a line per request: client, tenant, method, path, status, bytes, milliseconds; probes that succeed
    are left out."""
    log_format: Literal["text", "json"] = "text"
    """How the log is written on standard error: `text`, or `json` for one object per line."""
    metrics_port: int | None = None
    """Serve metrics without a key on a port of their own; unset, `/metrics` needs an API key."""
    metrics_host: str = "0.0.0.0"
    """The address that the port of the metrics is bound to."""
    max_wait_seconds: float = 60.0
    """Longest wait that `Prefer: wait=N` gets."""
    max_attempts: int = 3
    """A job whose worker died this often fails with `attempts_exhausted`; a clip of a dataset is left out."""
    sweep_seconds: float = 1.0
    """How often the reaper looks for lost leases and forgotten jobs."""
    redispatch_seconds: float = 5.0
    """A job that waits longer than this while its queue is empty is announced again."""
    cancel_grace_seconds: float = 12.0
    """A job that ignores its cancellation for this long is killed."""
    queue_seconds: float = 7 * 86_400.0
    """A job that waits longer than this expires."""
    probe_processes: int = 2
    """Sandboxes that probe uploads."""
    probe_queue: int = 16
    """Uploads that may wait for a sandbox; further ones are answered 503."""
    key_cache_seconds: float = 10.0
    """How long a revoked key may still work."""
    max_job_bytes: int = 500 << 30
    """Bytes of the media of one job; what is given by address is not known yet."""
    max_job_frames: int = 20_000_000
    """Frames of the media of one job: 185 hours at 30 per second."""
    max_job_pixels: int = 40_000_000_000_000
    """Pixels of all frames of the media of one job."""
    max_queued_jobs: int = 20_000
    """Jobs that one tenant may have queued."""
    max_requests_per_second: float = 500.0
    """Requests per second of one tenant to one gateway, on average over ten seconds."""
    keep_uploads_days: float = 30.0
    """How long an upload is kept after its last use; 0 keeps it until it is deleted."""
    keep_results_days: float = 90.0
    """How long a job and its result are kept after its end; 0 keeps them until they are deleted."""
    keep_events_days: float = 30.0
    """How long the events of a job are kept after its end; 0 keeps them as long as the job."""
    keep_scratch_days: float = 1.0
    """How long checkpoints, outputs of parts and artefacts that are in no result are kept after a job's end;
    0 keeps them as long as the job."""
    keep_audit_days: float = 365.0
    """How long the audit log is kept; 0 keeps it for ever."""
    collect_seconds: float = 300.0
    """How often what is not needed is removed; 0 leaves it to `maquette-server storage collect`."""
    collect_grace_seconds: float = 3600.0
    """How long a file that nothing needs stays in the store; longer than it takes to store an upload."""
    link_secret: str | None = None
    """Signs links to artefacts; unset, the ledger keeps a random one. To change it ends all links."""
    login_hours: float = 12.0
    """How long a browser stays logged in on the Playground."""
    cors_origins: str = ""
    """Comma-separated origins whose pages may call the API with a key, as in `https://app.example`; none by
    default."""
    page_folder: Path | None = None
    """The built Playground; unset, the one in the package (`make web` builds it)."""
    api_key: str | None = None
    """A key of the operator's choice, stored hashed at start."""
    api_key_tenant: str = "default"
    """The tenant of that key."""
