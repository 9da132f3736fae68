"""A cache of the values that were used last."""

from collections.abc import Callable
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class LruCache(Generic[T]):
    """Keeps the `capacity` values that were used last; a pickled copy, as a worker gets it, is empty."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._values: dict[str, T] = {}

    def get(self, key: str, create: Callable[[], T]) -> T:
        """The value of a key; it is created when it is not in the cache."""
        cached = self._values.pop(key, None)
        value = create() if cached is None else cached
        if self._capacity:
            # a dict keeps the order of insertion: its first key is the one used longest ago
            self._values[key] = value
            if len(self._values) > self._capacity:
                del self._values[next(iter(self._values))]
        return value

    def __reduce__(self) -> tuple[Any, ...]:
        return LruCache, (self._capacity,)
