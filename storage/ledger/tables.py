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
    Column("scopes", String(40), nullable=False, server_default="read,write"),
    Column("expires_at", Double),
    Column("last_used_at", Double),
)

# random, hexadecimal; what signs links
server_secrets = Table(
    "server_secrets",
    metadata,
    Column("name", String(40), primary_key=True),
    Column("value", String(64), nullable=False),
)

# what logs a browser in once, in place of the key itself
login_codes = Table(
    "login_codes",
    metadata,
    Column("code_hash", String(64), primary_key=True),
    Column("key_id", String(40), nullable=False),
    Column("expires_at", Double, nullable=False),
)

media = Table(
    "media",
    metadata,
    Column("tenant", String(64), primary_key=True),
    Column("sha256", String(64), primary_key=True),
    Column("info", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("used_at", Double, nullable=False),
    Index(None, "tenant", "used_at"),
)

artefacts = Table(
    "artefacts",
    metadata,
    Column("tenant", String(64), primary_key=True),
    Column("sha256", String(64), primary_key=True),
    Column("media_type", String(100), nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("created_at", Double, nullable=False),
    # an artefact that was deleted although its job was kept
    Column("deleted_at", Double),
    Index(None, "deleted_at"),
)

# every file in the store, and when the last reference to it was dropped (docs/adr/0013)
blobs = Table(
    "blobs",
    metadata,
    Column("sha256", String(64), primary_key=True),
    Column("bytes", BigInteger, nullable=False),
    Column("stored_at", Double, nullable=False),
    Column("condemned_at", Double),
    Index(None, "condemned_at"),
)

# who needs a file: the owner is a job, a session, or a tenant's uploads
blob_refs = Table(
    "blob_refs",
    metadata,
    Column("owner", String(40), primary_key=True),
    Column("tenant", String(64), primary_key=True),
    Column("role", String(8), primary_key=True),
    Column("sha256", String(64), ForeignKey("blobs.sha256"), primary_key=True),
    Index(None, "sha256", "tenant"),
)

# results of stages by what they depend on: files of the jobs that made them, for later jobs of the tenant
stage_results = Table(
    "stage_results",
    metadata,
    Column("tenant", String(64), primary_key=True),
    Column("key", String(64), primary_key=True),
    Column("owner", String(40), primary_key=True),
    Column("sha256", String(64), nullable=False),
    Column("created_at", Double, nullable=False),
    Index(None, "owner"),
    Index(None, "tenant", "created_at"),
)

# what an operator has set for a tenant: JSON by the names of the settings
tenants = Table(
    "tenants",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("settings", Text, nullable=False),
    # a copy of the setting, for the query that chooses the next job
    Column("max_running_jobs", Integer),
)

# the bytes of all files that a tenant refers to
tenant_usage = Table(
    "tenant_usage",
    metadata,
    Column("tenant", String(64), primary_key=True),
    Column("bytes", BigInteger, nullable=False),
)

# every deletion and every act of an operator; never contents
audit = Table(
    "audit",
    metadata,
    Column("seq", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("at", Double, nullable=False),
    Column("actor", String(100), nullable=False),
    Column("address", String(100)),
    Column("action", String(40), nullable=False),
    Column("tenant", String(64)),
    Column("subject", String(100)),
    Column("detail", Text, nullable=False),
    Index(None, "at"),
    sqlite_autoincrement=True,
)

# one row: when the next round of collection is due, since when there are references, and until when no file
# is removed
collection = Table(
    "collection",
    metadata,
    Column("next_at", Double, nullable=False),
    Column("since", Double, nullable=False),
    Column("paused_until", Double, nullable=False, server_default="0"),
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
    # the job that this one continues
    Column("from_job", String(40)),
    # when references of an ended job to its inputs and scratch files were dropped, and its events deleted
    Column("released_at", Double),
    Column("events_deleted_at", Double),
    Column("deleted_at", Double),
    UniqueConstraint("tenant", "idempotency_key"),
    Index(None, "tenant", "id"),
    Index(None, "subject", "state"),
    Index(None, "parent", "kind", "part", unique=True),
    Index(None, "parent", "state", "queue", "id"),
    Index(None, "state", "dispatched_at"),
    Index(None, "queue", "state", "tenant", "id"),
    Index(None, "tenant", "started_at"),
    Index(None, "tenant", "state", "parent"),
    Index(None, "from_job", "state"),
    Index(None, "tenant", "released_at", "finished_at"),
    Index(None, "tenant", "deleted_at", "finished_at"),
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

# uploads of which all bytes up to `received` are stored as pieces; a finished one names its medium
resumable_uploads = Table(
    "resumable_uploads",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("tenant", String(64), nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("received", BigInteger, nullable=False),
    # what the client says that the content's hash is
    Column("sha256", String(64)),
    Column("media_sha256", String(64)),
    Column("created_at", Double, nullable=False),
    Column("expires_at", Double, nullable=False),
    Index(None, "tenant", "sha256"),
    Index(None, "expires_at"),
)

upload_pieces = Table(
    "upload_pieces",
    metadata,
    Column("upload", String(40), ForeignKey("resumable_uploads.id", ondelete="CASCADE"), primary_key=True),
    Column("start", BigInteger, primary_key=True),
    Column("sha256", String(64), nullable=False),
)

workers = Table(
    "workers",
    metadata,
    Column("id", String(100), primary_key=True),
    Column("queue", String(40), nullable=False),
    Column("engines", Text, nullable=False),
    Column("draining", Boolean, nullable=False),
    Column("seen_at", Double, nullable=False),
    # what it measures about itself, as JSON
    Column("stats", Text),
)

# one row: how many jumps of the database's clock were absorbed, and their sum in seconds
ledger_clock = Table(
    "ledger_clock",
    metadata,
    Column("jumps", Integer, nullable=False),
    Column("shift", Double, nullable=False, server_default="0"),
)
