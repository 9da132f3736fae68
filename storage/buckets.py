"""Buckets that jobs read videos from and publish datasets to: whether one is allowed, and opening it."""

from importlib import import_module
from typing import Any


class BucketUnknown(LookupError):
    """No installed file system opens such an address; the message says what is missing."""


def is_allowed(address: str, tenant: str, setting: str) -> bool:
    """Whether an address lies under one of the setting's comma-separated ones; `{tenant}` is the caller's."""
    # fsspec chains file systems by "::"
    if "::" in address or any(part in ("..", ".") for part in address.split("/")):
        return False
    roots = (root.strip().replace("{tenant}", tenant).rstrip("/") for root in setting.split(","))
    return any(root and (address == root or address.startswith(f"{root}/")) for root in roots)


def open_address(address: str, s3_endpoint: str | None = None) -> tuple[Any, str]:
    """An fsspec file system and the path in it; raises BucketUnknown."""
    scheme = address.partition("://")[0]
    try:
        if scheme == "s3":
            from storage.s3_files import S3Files

            # one client for each endpoint would be cached for good; a job makes one
            files = S3Files(endpoint=s3_endpoint, skip_instance_cache=True)
            return files, files._strip_protocol(address)
        files, path = import_module("fsspec").core.url_to_fs(address)
    except ImportError as error:
        raise BucketUnknown(
            f"{scheme}:// needs maquette-server[s3], or maquette[cloud] and the driver of the scheme: {error}"
        ) from error
    except ValueError as error:
        raise BucketUnknown(f"{scheme}://: {error}") from error
    return files, path
