"""What the client does where it would sleep, in place of it; other threads sleep as ever."""

import time
from collections.abc import Callable
from types import SimpleNamespace

import pytest


def replace_sleep(monkeypatch: pytest.MonkeyPatch, module: str, sleep: Callable[[float], object]) -> None:
    """Let a module (by its name, which imports `time`) call `sleep` with seconds instead."""
    monkeypatch.setattr(f"{module}.time", SimpleNamespace(**{**vars(time), "sleep": sleep}))
