"""Settings that the gateway and the workers share; each is read from MAQUETTE_<NAME>.

The docstring below a setting is its line in docs/reference/settings.md.
"""

from pathlib import Path

from pydantic_settings import BaseSettings, SettingsConfigDict


class StorageSettings(BaseSettings):
    """Read by the gateway and by workers."""

    model_config = SettingsConfigDict(
        env_prefix="MAQUETTE_", env_file=None, extra="ignore", use_attribute_docstrings=True
    )

    database_url: str = "sqlite:///.maquette/ledger.db"
    """The ledger, for example `postgresql://user:password@host:5432/name`."""
    broker_url: str = "redis://127.0.0.1:6379/0"
    """Valkey or Redis ≥ 6.2, for example `redis://:password@host:6379/0`."""
    artefacts: str = ".maquette/artefacts"
    """Where artefacts are stored: a folder, or `s3://bucket/prefix`."""
    s3_endpoint: str | None = None
    """Address of an S3 store that is not AWS."""
    scratch: Path = Path(".maquette/scratch")
    """Local folder for files in use; S3 only, a local store has its own."""
    lease_seconds: float = 15.0
    """A running job without a heartbeat for this long goes back to the queue."""
    heartbeat_seconds: float = 1.0
    """How often a worker extends its lease."""
    worker_seen_seconds: float = 20.0
    """A worker that has not reported for this long does not count as connected."""
    max_stored_bytes: int = 500 << 30
    """Bytes of uploads, results and scratch files that one tenant may have; 0 is no limit, here and below."""
    max_running_jobs: int = 0
    """Jobs, and parts of jobs, that one tenant may have running at once."""
    bucket_read: str = ""
    """Comma-separated addresses under which dataset jobs may read; `{tenant}` is the caller's tenant."""
    bucket_write: str = ""
    """Comma-separated addresses under which dataset jobs may publish; `{tenant}` as above."""
    price_cpu_hour: float | None = None
    """Dollars per hour of a worker without a GPU; unset means unknown, not free."""
    price_gpu_hour: float | None = None
    """Dollars per hour of a worker with a GPU."""
