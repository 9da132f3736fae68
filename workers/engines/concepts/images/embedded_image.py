"""An image with everything the networks have computed for it so far."""

from dataclasses import dataclass, field

from workers.engines.concepts.images.mobilesam import EMBEDDING_BYTES, ImageEmbedding
from workers.engines.concepts.images.picodet import Detection
from workers.engines.protocols import Rgb

# the image and its mirror image
MAX_EMBEDDINGS = 2


@dataclass(slots=True)
class EmbeddedImage:
    """An RGB image (H, W, 3), its embeddings (the unmirrored one first) and its detections, None at first."""

    image: Rgb
    embeddings: list[ImageEmbedding] = field(default_factory=list)
    detections: list[Detection] | None = None

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        return self.image.shape[0], self.image.shape[1]

    @property
    def nbytes(self) -> int:
        """The most bytes that it can come to hold, counted from the start."""
        return int(self.image.nbytes) + MAX_EMBEDDINGS * EMBEDDING_BYTES
