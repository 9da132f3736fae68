"""Transfer characteristics of ITU-T H.273, table 3: shown as they are, converted to sRGB, or flagged.

Every medium that states its transfer, a video or a still image, is looked up here.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

HDR = "hdr_not_tone_mapped"
WIDE_GAMUT = "wide_gamut_not_converted"

Values = NDArray[np.float64]

# Colour primaries that reach far beyond sRGB: film, BT.2020, XYZ, DCI-P3, Display P3. Matrices of BT.2020.
WIDE_PRIMARIES = frozenset({8, 9, 10, 11, 12})
BT2020_PRIMARIES = 9
BT2020_MATRICES = frozenset({9, 10})
# bits from which BT.2020 without a stated transfer is taken for HDR: standard dynamic range states its own
HDR_BITS = 10
# rows converted together: the copies of each step stay small
STRIP_ROWS = 256


@dataclass(frozen=True, slots=True)
class Transfer:
    """How the signal of a transfer is read: decoded by `to_light`, or taken for sRGB and maybe flagged."""

    to_light: Callable[[Values], Values] | None = None
    """Linear light, 1 for white, of a signal in 0…1; None where the signal is shown as it is."""
    flag: str | None = None


def _decode_log(decades: float) -> Callable[[Values], Values]:
    return lambda signal: np.where(signal > 0, 10 ** (decades * (signal - 1)), 0.0)


SHOWN_AS_IT_IS = Transfer()
TRANSFERS = {
    1: SHOWN_AS_IT_IS,  # BT.709
    4: SHOWN_AS_IT_IS,  # BT.470 M, a display gamma of 2.2
    5: SHOWN_AS_IT_IS,  # BT.470 BG, with which PAL video of any camera is marked
    6: SHOWN_AS_IT_IS,  # SMPTE 170M
    7: SHOWN_AS_IT_IS,  # SMPTE 240M
    8: Transfer(to_light=lambda signal: signal),  # linear
    9: Transfer(to_light=_decode_log(2.0)),  # logarithmic, 100 : 1
    10: Transfer(to_light=_decode_log(2.5)),  # logarithmic, 316 : 1
    # BT.709 with signals below 0 and above 1 for colours outside of it, which are cut off
    11: Transfer(flag=WIDE_GAMUT),  # IEC 61966-2-4, xvYCC
    12: Transfer(flag=WIDE_GAMUT),  # BT.1361, extended gamut
    13: SHOWN_AS_IT_IS,  # sRGB
    14: SHOWN_AS_IT_IS,  # BT.2020, 10 bits
    15: SHOWN_AS_IT_IS,  # BT.2020, 12 bits
    16: Transfer(flag=HDR),  # SMPTE 2084, PQ
    17: Transfer(to_light=lambda signal: signal**2.6 * (52.37 / 48)),  # SMPTE 428-1, digital cinema
    18: Transfer(flag=HDR),  # ARIB B67, HLG
}


def flag_colors(transfer: int, primaries: int, matrix: int = 2, *, bits: int = 8) -> list[str]:
    """Flags for colours that are taken for sRGB although the file says otherwise (codes of ITU-T H.273)."""
    known = TRANSFERS.get(transfer)
    bt2020 = primaries == BT2020_PRIMARIES or matrix in BT2020_MATRICES
    if known is None and bt2020 and bits >= HDR_BITS:
        return [HDR]
    if known is not None and known.flag is not None:
        return [known.flag]
    return [WIDE_GAMUT] if primaries in WIDE_PRIMARIES else []


@lru_cache
def build_srgb_curve(transfer: int, bits: int) -> NDArray[np.uint8] | None:
    """The sRGB value of each value of a signal of `bits` bits; None where the signal is taken for sRGB."""
    known = TRANSFERS.get(transfer)
    if known is None or known.to_light is None:
        return None
    light = np.clip(known.to_light(np.linspace(0, 1, 1 << bits)), 0, 1)
    # IEC 61966-2-1
    srgb = np.where(
        light <= 0.0031308, 12.92 * light, 1.055 * np.maximum(light, 0.0031308) ** (1 / 2.4) - 0.055
    )
    return np.asarray(np.rint(255 * srgb), np.uint8)


def apply_curve(
    pixels: NDArray[np.uint8] | NDArray[np.uint16], curve: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    """The values of `curve` at those of an image (H, W, 3), as a new image of uint8."""
    out = np.empty(pixels.shape, np.uint8)
    for top in range(0, pixels.shape[0], STRIP_ROWS):
        np.take(curve, pixels[top : top + STRIP_ROWS], out=out[top : top + STRIP_ROWS])
    return out
