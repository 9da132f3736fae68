"""Embedded images, kept by key up to a number of bytes."""

from collections import OrderedDict
from dataclasses import dataclass, field

from workers.engines.concepts.mobilesam import VIEW_BYTES, View
from workers.engines.concepts.picodet import Detection
from workers.engines.protocols import Rgb

LOOKS = 2


@dataclass(slots=True)
class EmbeddedImage:
    """An RGB image (H, W, 3) with what the networks have said of it so far."""

    image: Rgb
    views: list[View] = field(default_factory=list)
    detections: list[Detection] | None = None

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        return self.image.shape[0], self.image.shape[1]

    @property
    def nbytes(self) -> int:
        """The bytes it may come to hold, counted from the start."""
        return int(self.image.nbytes) + LOOKS * VIEW_BYTES


class HandleCache:
    """Least recently used handles go first when the bytes exceed the cap; the newest always stays."""

    def __init__(self, cap_bytes: int) -> None:
        self._cap = cap_bytes
        self._held: OrderedDict[str, EmbeddedImage] = OrderedDict()

    def get(self, key: str) -> EmbeddedImage | None:
        """The handle of the key, now the most recently used."""
        if key in self._held:
            self._held.move_to_end(key)
        return self._held.get(key)

    def put(self, key: str, handle: EmbeddedImage) -> None:
        """Keep a handle, at the cost of the oldest ones."""
        self._held[key] = handle
        self._held.move_to_end(key)
        while len(self._held) > 1 and self.nbytes > self._cap:
            self._held.popitem(last=False)

    @property
    def nbytes(self) -> int:
        return sum(handle.nbytes for handle in self._held.values())

    def __len__(self) -> int:
        return len(self._held)
