"""Things kept by key up to a number of bytes, the least recently used going first."""

from collections import OrderedDict
from typing import Generic, Protocol, TypeVar


class Sized(Protocol):
    @property
    def nbytes(self) -> int:
        """The bytes it holds now."""
        ...


Item = TypeVar("Item", bound=Sized)


class ByteLru(Generic[Item]):
    """The newest item always stays, even when it alone exceeds the cap."""

    def __init__(self, cap_bytes: int) -> None:
        self._cap = cap_bytes
        self._held: OrderedDict[str, Item] = OrderedDict()

    def get(self, key: str) -> Item | None:
        """The item of the key, now the most recently used."""
        if key in self._held:
            self._held.move_to_end(key)
        return self._held.get(key)

    def put(self, key: str, item: Item) -> None:
        """Keep an item, at the cost of the oldest ones."""
        self._held[key] = item
        self._held.move_to_end(key)
        while len(self._held) > 1 and self.nbytes > self._cap:
            self._held.popitem(last=False)

    @property
    def nbytes(self) -> int:
        return sum(item.nbytes for item in self._held.values())

    def __len__(self) -> int:
        return len(self._held)
