"""Settings of the gateway; each is read from MAQUETTE_<NAME>."""

from storage.settings import StorageSettings


class ServiceSettings(StorageSettings):
    """Read by the gateway."""

    auto_migrate: bool = True
    """Bring the ledger's schema up to date at start; turn it off where several gateways run."""
    max_upload_bytes: int = 4 << 30
    """Largest upload."""
    max_body_bytes: int = 32 << 20
    """Largest JSON body."""
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
    key_cache_seconds: float = 10.0
    """How long a revoked key may still work."""
    api_key: str | None = None
    """A key of the operator's choice, stored hashed at start."""
    api_key_tenant: str = "default"
    """The tenant of that key."""
