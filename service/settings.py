"""Settings of the gateway; every name is read from MAQUETTE_<NAME>."""

from storage.settings import StorageSettings


class ServiceSettings(StorageSettings):
    """How the gateway listens, what it accepts, and how it tends the queue."""

    auto_migrate: bool = True
    max_upload_bytes: int = 4 << 30
    max_body_bytes: int = 32 << 20
    max_body_elements: int = 300_000
    upload_idle_seconds: float = 60.0
    max_streams: int = 2_000
    max_streams_per_tenant: int = 1_000
    # free space, in bytes, under which nothing more is accepted
    min_free_bytes: int = 256 << 20
    # how long a write may wait for a ledger that another process has locked (SQLite)
    ledger_busy_seconds: float = 5.0
    # metrics are served without a key on a port of their own; unset, `/metrics` needs a key
    metrics_port: int | None = None
    metrics_host: str = "0.0.0.0"
    max_wait_seconds: float = 60.0
    max_attempts: int = 3
    sweep_seconds: float = 1.0
    redispatch_seconds: float = 5.0
    cancel_grace_seconds: float = 12.0
    queue_seconds: float = 7 * 86_400.0
    probe_processes: int = 2
    probe_queue: int = 16
    key_cache_seconds: float = 10.0
    # a key the operator chose, stored (hashed) at start for the tenant below
    api_key: str | None = None
    api_key_tenant: str = "default"
