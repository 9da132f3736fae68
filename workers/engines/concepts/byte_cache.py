"""A cache that holds items by key up to a number of bytes."""

import threading
from collections import OrderedDict
from typing import Generic, Protocol, TypeVar


class HasBytes(Protocol):
    @property
    def nbytes(self) -> int:
        """The bytes that the item holds now."""
        ...


Item = TypeVar("Item", bound=HasBytes)


class ByteLimitedCache(Generic[Item]):
    """Drops the least recently used items above the limit; the newest always stays, whatever its size.

    Threads may share it.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._items: OrderedDict[str, Item] = OrderedDict()
        self._lock = threading.RLock()

    def get(self, key: str) -> Item | None:
        """The item of the key, now the most recently used; None without one."""
        with self._lock:
            if key in self._items:
                self._items.move_to_end(key)
            return self._items.get(key)

    def put(self, key: str, item: Item) -> None:
        """Keep an item and drop the least recently used ones above the limit."""
        with self._lock:
            self._items[key] = item
            self._items.move_to_end(key)
            while len(self._items) > 1 and self.nbytes > self._max_bytes:
                self._items.popitem(last=False)

    @property
    def nbytes(self) -> int:
        """The bytes of all items."""
        with self._lock:
            return sum(item.nbytes for item in self._items.values())

    def __len__(self) -> int:
        return len(self._items)
