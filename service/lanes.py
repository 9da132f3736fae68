"""Threads for blocking work, apart by kind, so that slow work never takes those that answer reads."""

from collections.abc import Callable
from functools import partial
from typing import ParamSpec, TypeVar

import anyio
import anyio.to_thread

P = ParamSpec("P")
T = TypeVar("T")


class Lane:
    """At most `threads` calls run at once; further ones wait without holding a thread."""

    def __init__(self, threads: int) -> None:
        self._limiter = anyio.CapacityLimiter(threads)

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a blocking function in a thread of this lane."""
        return await anyio.to_thread.run_sync(partial(function, *args, **kwargs), limiter=self._limiter)
