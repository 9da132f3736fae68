"""Settings that the gateway and the workers share; every name is read from MAQUETTE_<NAME>."""

from pathlib import Path

from pydantic_settings import BaseSettings, SettingsConfigDict


class StorageSettings(BaseSettings):
    """Where the truth, the queue and the artefacts are."""

    model_config = SettingsConfigDict(env_prefix="MAQUETTE_", env_file=None, extra="ignore")

    database_url: str = "sqlite:///.maquette/ledger.db"
    broker_url: str = "redis://127.0.0.1:6379/0"
    artefacts: str = ".maquette/artefacts"
    s3_endpoint: str | None = None
    scratch: Path = Path(".maquette/scratch")
    lease_seconds: float = 15.0
    heartbeat_seconds: float = 1.0
    worker_seen_seconds: float = 20.0
    # addresses, parted by commas, that jobs may read videos from and publish datasets under
    bucket_read: str = ""
    bucket_write: str = ""
    # dollars for an hour of a worker without and with a GPU; unset is unknown
    price_cpu_hour: float | None = None
    price_gpu_hour: float | None = None
