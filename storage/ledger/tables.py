"""The tables; times are seconds since the epoch by the database's own clock."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("tenant", String(64), nullable=False),
    Column("name", String(200), nullable=False),
    Column("key_hash", String(64), nullable=False, unique=True),
    Column("created_at", Double, nullable=False),
    Column("revoked_at", Double),
)

media = Table(
    "media",
    metadata,
    Column("tenant", String(64), primary_key=True),
    Column("sha256", String(64), primary_key=True),
    Column("info", Text, nullable=False),
    Column("created_at", Double, nullable=False),
)

artefacts = Table(
    "artefacts",
    metadata,
    Column("tenant", String(64), primary_key=True),
    Column("sha256", String(64), primary_key=True),
    Column("media_type", String(100), nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("created_at", Double, nullable=False),
)

jobs = Table(
    "jobs",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("tenant", String(64), nullable=False),
    Column("kind", String(20), nullable=False),
    Column("state", String(12), nullable=False),
    Column("engine", String(40), nullable=False),
    Column("queue", String(40), nullable=False),
    Column("request", Text, nullable=False),
    Column("request_hash", String(64), nullable=False),
    Column("idempotency_key", String(200)),
    Column("timeout_seconds", Integer, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("handed_back", Integer, nullable=False),
    Column("worker", String(100)),
    Column("task_id", String(80)),
    Column("lease_until", Double),
    Column("deadline_at", Double),
    Column("dispatched_at", Double),
    Column("cancel_requested_at", Double),
    Column("progress", Text),
    Column("checkpoint", Text),
    Column("problem", Text),
    Column("manifest_sha256", String(64)),
    Column("created_at", Double, nullable=False),
    Column("started_at", Double),
    Column("finished_at", Double),
    # the image that a job is about: jobs about one image share its embedding
    Column("subject", String(64)),
    # a part of another job: which job, and the key of the part in it
    Column("parent", String(40)),
    Column("part", String(80)),
    Column("spent_seconds", Double),
    Column("spent_gpu_seconds", Double),
    UniqueConstraint("tenant", "idempotency_key"),
    Index(None, "tenant", "id"),
    Index(None, "subject", "state"),
    Index(None, "parent", "kind", "part", unique=True),
    Index(None, "parent", "state", "queue", "id"),
    Index(None, "state", "dispatched_at"),
    Index(None, "queue", "state", "tenant", "id"),
    Index(None, "tenant", "started_at"),
)

events = Table(
    "events",
    metadata,
    Column("seq", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("job_id", String(40), ForeignKey("jobs.id", ondelete="CASCADE"), nullable=False),
    Column("type", String(12), nullable=False),
    Column("data", Text, nullable=False),
    Column("at", Double, nullable=False),
    Index(None, "job_id", "seq"),
    sqlite_autoincrement=True,
)

sessions = Table(
    "sessions",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("tenant", String(64), nullable=False),
    Column("video", String(64), nullable=False),
    Column("ttl_seconds", Integer, nullable=False),
    Column("version", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("expires_at", Double, nullable=False),
    Index(None, "expires_at"),
)

workers = Table(
    "workers",
    metadata,
    Column("id", String(100), primary_key=True),
    Column("queue", String(40), nullable=False),
    Column("engines", Text, nullable=False),
    Column("draining", Boolean, nullable=False),
    Column("seen_at", Double, nullable=False),
)

# one row: how many jumps of the database's clock were absorbed
ledger_clock = Table("ledger_clock", metadata, Column("jumps", Integer, nullable=False))
