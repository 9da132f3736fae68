"""Files in a ledger that no job has made."""

from storage.ledger import Database, blobs, usage


def add_artefact(db: Database, tenant: str, sha256: str, media_type: str, size: int) -> None:
    """Let a tenant read a file as an artefact of a job that no table has."""
    with db.write() as connection:
        usage.lock_tenant(connection, tenant)
        blobs.allow_reading(connection, tenant, sha256, media_type, size)
        blobs.store_row(connection, sha256, size, condemned=False)
        blobs.refer(connection, tenant, "job_of_a_test", blobs.RESULT, [sha256])
