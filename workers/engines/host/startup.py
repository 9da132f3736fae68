"""Starts the child of an engine, and separates what this machine lacks from what went wrong."""

from collections.abc import Mapping
from typing import Any

from workers.engines.host.errors import HostRefused
from workers.engines.host.host import EngineHost


def start_host(host: EngineHost, unavailable: type[Exception]) -> Mapping[str, Any]:
    """Start and load the child; returns the fields that it sent when it was ready.

    Raises `unavailable` for a ChildError of the child, which names what is missing, and otherwise a HostError
    as `EngineHost.start` does. The host is closed when the child reported any error.
    """
    try:
        return host.start().fields
    except HostRefused as error:
        host.close()
        if error.code == "engine_failed":
            raise
        raise unavailable(str(error)) from error
