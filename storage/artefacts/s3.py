"""Artefacts in S3 or a compatible store; of concurrent writers a conditional put lets one win."""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from storage.artefacts.base import CHUNK, ArtefactMissing, ArtefactStore, StoredFile

CACHE_BYTES = 8 << 30
# a local copy that nobody reads for this long is removed: deleted content may lie here no longer
CACHE_SECONDS = 86_400.0


class S3Store(ArtefactStore):
    """Objects under a prefix of a bucket, with a local folder of `cache_bytes` for files in use."""

    # one request; S3 takes up to 1,000
    removed_per_step = 50

    def __init__(
        self,
        bucket: str,
        prefix: str,
        scratch: Path,
        endpoint: str | None = None,
        cache_bytes: int = CACHE_BYTES,
    ) -> None:
        import boto3
        from botocore.config import Config

        self._bucket = bucket
        self._prefix = prefix.strip("/")
        self._cache_bytes = cache_bytes
        self.scratch = scratch.absolute()
        self._client: Any = boto3.client(
            "s3", endpoint_url=endpoint, config=Config(retries={"max_attempts": 5, "mode": "standard"})
        )
        # removals hold locks of the ledger: they fail soon, and are tried again later
        quick = Config(connect_timeout=2, read_timeout=5, retries={"total_max_attempts": 1})
        self._remover: Any = boto3.client("s3", endpoint_url=endpoint, config=quick)

    def _key(self, sha256: str) -> str:
        return f"{self._prefix}/{sha256[:2]}/{sha256}".lstrip("/")

    def _code(self, error: Any) -> str:
        return str(error.response.get("Error", {}).get("Code", ""))

    def size(self, sha256: str) -> int:
        from botocore.exceptions import ClientError

        try:
            head = self._client.head_object(Bucket=self._bucket, Key=self._key(sha256))
        except ClientError as error:
            if self._code(error) in ("404", "NoSuchKey", "NotFound"):
                raise ArtefactMissing(sha256) from error
            raise
        return int(head["ContentLength"])

    def read(self, sha256: str, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        from botocore.exceptions import ClientError

        if stop is not None and stop <= start:
            return
        wanted = f"bytes={start}-{'' if stop is None else stop - 1}"
        extra = {"Range": wanted} if start or stop is not None else {}
        try:
            body = self._client.get_object(Bucket=self._bucket, Key=self._key(sha256), **extra)["Body"]
        except ClientError as error:
            if self._code(error) in ("404", "NoSuchKey", "NotFound"):
                raise ArtefactMissing(sha256) from error
            raise
        yield from body.iter_chunks(CHUNK)

    def path(self, sha256: str) -> Path:
        file = self.scratch / "cache" / sha256
        if not file.is_file():
            file.parent.mkdir(parents=True, exist_ok=True)
            with self.writer() as writer:
                for chunk in self.read(sha256):
                    writer.write(chunk)
                writer.flush().replace(file)
            self._evict(keep=file)
        file.touch()
        return file

    def remove_stale_copies(self) -> int:
        folder, oldest, removed = self.scratch / "cache", time.time() - CACHE_SECONDS, 0
        for file in folder.iterdir() if folder.is_dir() else ():
            if file.stat().st_mtime < oldest:
                file.unlink(missing_ok=True)
                removed += 1
        return removed

    def _evict(self, keep: Path) -> None:
        """Delete the least recently used files until the rest fits."""
        files = sorted(keep.parent.iterdir(), key=lambda file: file.stat().st_mtime)
        total = sum(file.stat().st_size for file in files)
        for file in files:
            if total <= self._cache_bytes:
                return
            if file != keep:
                total -= file.stat().st_size
                file.unlink(missing_ok=True)

    def adopt(self, file: Path, sha256: str) -> None:
        from botocore.exceptions import ClientError

        try:
            with file.open("rb") as body:
                self._client.put_object(
                    Bucket=self._bucket, Key=self._key(sha256), Body=body, IfNoneMatch="*"
                )
        except ClientError as error:
            # the same content is already there, or another writer is storing it now
            if self._code(error) not in ("PreconditionFailed", "412", "ConditionalRequestConflict", "409"):
                raise
            if self._code(error) in ("ConditionalRequestConflict", "409"):
                with file.open("rb") as body:
                    self._client.put_object(Bucket=self._bucket, Key=self._key(sha256), Body=body)
        file.unlink(missing_ok=True)

    def remove(self, hashes: Sequence[str]) -> None:
        from botocore.exceptions import BotoCoreError, ClientError

        if not hashes:
            return
        keys = {"Objects": [{"Key": self._key(sha256)} for sha256 in hashes], "Quiet": True}
        try:
            answer = self._remover.delete_objects(Bucket=self._bucket, Delete=keys)
        except (BotoCoreError, ClientError) as error:
            raise OSError(f"the store refuses to remove files: {error}") from error
        if failed := answer.get("Errors"):
            raise OSError(f"the store refuses to remove {failed[0].get('Key')}: {failed[0].get('Message')}")
        for sha256 in hashes:
            (self.scratch / "cache" / sha256).unlink(missing_ok=True)

    def list_files(self, prefix: str) -> Iterator[StoredFile]:
        folder = f"{self._prefix}/{prefix}".lstrip("/")
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=folder)
        for page in pages:
            for entry in page.get("Contents", ()):
                name = str(entry["Key"]).rpartition("/")[2]
                yield StoredFile(name, int(entry["Size"]), entry["LastModified"].timestamp())
