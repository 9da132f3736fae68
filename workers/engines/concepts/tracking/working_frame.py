"""A frame at the sizes at which the tracker reads it."""

from dataclasses import dataclass

from workers.engines.concepts.images.color_histograms import ColorBins, quantize_colors
from workers.engines.concepts.images.embedded_image import EmbeddedImage
from workers.engines.concepts.tracking.config import PropagationConfig
from workers.engines.concepts.tracking.optical_flow import downscale, make_flow_image
from workers.engines.protocols import Rgb


@dataclass(frozen=True, slots=True)
class WorkingFrame:
    """A frame as the tracker reads it: the image, copies in working and flow pixels, colour bins (h, w)."""

    image: EmbeddedImage
    work: Rgb
    flow_image: Rgb
    bins: ColorBins

    @classmethod
    def prepare(cls, image: Rgb, config: PropagationConfig) -> "WorkingFrame":
        """Scale an RGB image (H, W, 3) and quantise its colours."""
        work = downscale(image, config.work_side)
        flow_image = make_flow_image(work, config.flow_side)
        return cls(EmbeddedImage(image), work, flow_image, quantize_colors(work))

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width) in working pixels."""
        return self.bins.shape[0], self.bins.shape[1]
