"""One cheap look at every frame: what shots, clip gates and near-duplicates go by."""

import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from media.sandbox import DecodedFrame
from workers.datasets.images import resize_area
from workers.datasets.shots.dissolves import DissolveDetector
from workers.datasets.shots.text import measure_text_area

LOOK_SIDE = 128
HASH_SIDE = 32
# text needs more pixels and so more time, and stays for seconds
TEXT_EVERY = 32
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Survey:
    """Scalars of each decoded frame.

    `content` is the mean change of hue, saturation and value from the frame before (0..255; 0 for the first),
    `luminance` the mean of Rec. 601 luma (0..255), `sharpness` the variance of its Laplacian at 128 pixels,
    `motion` the mean absolute luma change from the frame before after one 3x3 blur, `hashes` the DCT hash,
    `text` the share under lines of text, NaN for the frames between those that are looked at for it, `mixes`
    which spans that end with a frame look like a dissolve (see `dissolves`).
    """

    pts: NDArray[np.int64]
    content: Floats
    luminance: Floats
    sharpness: Floats
    motion: Floats
    hashes: NDArray[np.uint64]
    text: Floats
    mixes: NDArray[np.uint8]
    time_base: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.pts)

    def seconds(self) -> Floats:
        """The time of each frame."""
        return np.asarray(self.pts * float(self.time_base[0]) / float(self.time_base[1]), np.float64)

    @property
    def beat(self) -> float:
        """The usual time from a frame to the next, in seconds."""
        seconds = self.seconds()
        return float(np.median(np.diff(seconds))) if len(seconds) > 1 else 0.0

    @property
    def length(self) -> float:
        """Seconds from the first frame to the end of the last."""
        seconds = self.seconds()
        return float(seconds[-1] - seconds[0]) + self.beat if len(seconds) else 0.0

    def encode(self) -> bytes:
        """As npz, without times, so that the same survey gives the same bytes."""
        out = io.BytesIO()
        np.savez(
            out,
            pts=self.pts,
            content=self.content,
            luminance=self.luminance,
            sharpness=self.sharpness,
            motion=self.motion,
            hashes=self.hashes,
            text=self.text,
            mixes=self.mixes,
            time_base=self.time_base,
        )
        return out.getvalue()

    @classmethod
    def decode(cls, data: bytes) -> "Survey":
        """What `encode` wrote."""
        with np.load(io.BytesIO(data), allow_pickle=False) as stored:
            return cls(*(stored[name] for name in cls.__slots__))


def join_surveys(parts: Sequence[Survey]) -> Survey:
    """Surveys of consecutive pieces of one video as one."""
    names = ("pts", "content", "luminance", "sharpness", "motion", "hashes", "text", "mixes")
    whole = {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
    return Survey(**whole, time_base=parts[0].time_base)


class SurveyState:
    """What a look needs of the frames before: the last one for its change, more for dissolves."""

    def __init__(self) -> None:
        self._hsv: NDArray[np.uint8] | None = None
        self._calm: NDArray[np.uint8] | None = None
        self._mixes = DissolveDetector()

    def see(
        self, small: NDArray[np.uint8], luma: NDArray[np.uint8], sharpness: float
    ) -> tuple[float, float, int]:
        """`content`, `motion` and `mixes` of the next frame (H, W, 3) as it is looked at."""
        hsv = cv2.cvtColor(small, cv2.COLOR_RGB2HSV)
        calm = cv2.blur(luma, (3, 3))
        content = 0.0 if self._hsv is None else float(np.mean(cv2.absdiff(hsv, self._hsv)))
        motion = 0.0 if self._calm is None else float(np.mean(cv2.absdiff(calm, self._calm)))
        self._hsv, self._calm = hsv, calm
        return content, motion, self._mixes.step(luma, sharpness)

    def pass_over(self, image: NDArray[np.uint8]) -> None:
        """Take a frame that was looked at before."""
        small = downscale(image)
        luma = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)
        self.see(small, luma, measure_sharpness(luma))


def survey_frames(
    frames: Iterable[DecodedFrame],
    time_base: tuple[int, int],
    told: Callable[[int], None] = lambda done: None,
    past: SurveyState | None = None,
) -> Survey:
    """Look at every frame; `told` hears how many are done. `time_base` is kept for the clips' times.

    `past` has seen what comes before the first frame of a piece, and sees all of these.
    """
    past = past or SurveyState()
    rows: list[tuple[float, float, float, float, float]] = []
    pts: list[int] = []
    hashes: list[int] = []
    mixes: list[int] = []
    for frame in frames:
        small = downscale(frame.pixels)
        luma = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)
        sharpness = measure_sharpness(luma)
        content, motion, mixed = past.see(small, luma, sharpness)
        text = measure_text_area(frame.pixels) if frame.index % TEXT_EVERY == 0 else float("nan")
        rows.append((content, float(luma.mean()), sharpness, motion, text))
        hashes.append(compute_dct_hash(luma))
        pts.append(frame.pts)
        mixes.append(mixed)
        told(len(pts))
    table = np.array(rows, np.float64).reshape(-1, 5)
    return Survey(
        np.array(pts, np.int64),
        table[:, 0].copy(),
        table[:, 1].copy(),
        table[:, 2].copy(),
        table[:, 3].copy(),
        np.array(hashes, np.uint64),
        table[:, 4].copy(),
        np.array(mixes, np.uint8),
        np.array(time_base, np.int64),
    )


def downscale(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A frame at the size that is looked at: its longer side 128 pixels, smaller ones as they are."""
    height, width = image.shape[:2]
    scale = LOOK_SIDE / max(height, width)
    if scale >= 1:
        return image
    size = max(8, round(width * scale)), max(8, round(height * scale))
    return resize_area(image, size)


def measure_sharpness(luma: NDArray[np.uint8]) -> float:
    """The variance of the Laplacian."""
    return float(cv2.Laplacian(luma, cv2.CV_64F).var())


def compute_dct_hash(luma: NDArray[np.uint8]) -> int:
    """64 signs of the low frequencies against their median, after Zauner's pHash (2010)."""
    square = cv2.resize(luma, (HASH_SIDE, HASH_SIDE), interpolation=cv2.INTER_AREA).astype(np.float32)
    low = cv2.dct(square)[:8, :8].ravel()
    # the mean of the picture says nothing about what is in it
    bits = low > np.median(low[1:])
    bits[0] = False
    return int(np.packbits(bits).view(">u8")[0])
