"""S3 by boto3 as an fsspec file system, as far as datasets need one, without a second AWS library."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from fsspec.spec import AbstractFileSystem

MISSING = ("404", "NoSuchKey", "NotFound", "NoSuchBucket")
TAKEN = ("PreconditionFailed", "412", "ConditionalRequestConflict", "409")


class S3Files(AbstractFileSystem):  # type: ignore[misc]
    """Paths are `bucket/key`; objects are read as streams and written at once."""

    protocol = "s3"

    def __init__(self, endpoint: str | None = None, **options: Any) -> None:
        import boto3
        from botocore.config import Config

        super().__init__(**options)
        retries = Config(retries={"max_attempts": 5, "mode": "standard"})
        self._client: Any = boto3.client("s3", endpoint_url=endpoint, config=retries)

    def find(
        self, path: str, maxdepth: int | None = None, withdirs: bool = False, detail: bool = False, **_: Any
    ) -> Any:
        """Every object under a prefix, or the object itself."""
        bucket, key = _parts(self._strip_protocol(path))
        entries = {}
        with _translate_errors(path):
            pages = list(self._client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=key))
        for page in pages:
            for entry in page.get("Contents", ()):
                name = str(entry["Key"])
                rest = name[len(key) :].lstrip("/") if key else name
                inside = not key or name == key or name.startswith(f"{key}/")
                if not inside or name.endswith("/") or (maxdepth and rest.count("/") >= maxdepth):
                    continue
                path = f"{bucket}/{name}"
                entries[path] = {"name": path, "size": int(entry["Size"]), "type": "file"}
        return entries if detail else sorted(entries)

    def ls(self, path: str, detail: bool = True, **_: Any) -> Any:
        """The objects directly under a prefix."""
        entries = self.find(path, maxdepth=1, detail=True)
        return list(entries.values()) if detail else sorted(entries)

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        """Size and kind; raises FileNotFoundError."""
        path = self._strip_protocol(path)
        bucket, key = _parts(path)
        try:
            with _translate_errors(path):
                if key:
                    head = self._client.head_object(Bucket=bucket, Key=key)
                    return {"name": path, "size": int(head["ContentLength"]), "type": "file"}
        except FileNotFoundError:
            pass
        if self.find(path):
            return {"name": path, "size": 0, "type": "directory"}
        raise FileNotFoundError(path)

    def pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **_: Any) -> None:
        """Write an object; with mode "create" only where there is none, else FileExistsError."""
        bucket, key = _parts(self._strip_protocol(path))
        condition = {"IfNoneMatch": "*"} if mode == "create" else {}
        with _translate_errors(path):
            self._client.put_object(Bucket=bucket, Key=key, Body=value, **condition)

    def makedirs(self, path: str, exist_ok: bool = False) -> None:
        """Buckets have no folders."""

    def _open(self, path: str, mode: str = "rb", **_: Any) -> Any:
        if mode != "rb":
            raise io.UnsupportedOperation(f"mode {mode!r}: objects are written by pipe_file")
        bucket, key = _parts(path)
        with _translate_errors(path):
            return self._client.get_object(Bucket=bucket, Key=key)["Body"]


def _parts(path: str) -> tuple[str, str]:
    bucket, _, key = path.partition("/")
    return bucket, key.rstrip("/")


@contextmanager
def _translate_errors(path: str) -> Iterator[None]:
    """Turn errors of S3 into those of files."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", ""))
        if code in MISSING:
            raise FileNotFoundError(f"{path}: {error}") from error
        if code in TAKEN:
            raise FileExistsError(path) from error
        raise OSError(f"{path}: {error}") from error
    except BotoCoreError as error:
        raise OSError(f"{path}: {error}") from error
