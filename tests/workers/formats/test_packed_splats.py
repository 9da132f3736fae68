"""`.splat` and `.ksplat`, decoded from their bytes by the layouts of their viewers."""

import struct
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.support.splats import compute_covariances, flip_axes, make_signpost, random_splat
from workers.formats.convert import ConvertError, load_asset, write_asset
from workers.formats.splat_ply import write_splat_ply
from workers.formats.spz import write_spz
from workers.geometry.gaussians import Gaussians


def decode_splat(data: bytes) -> Gaussians:
    """Three floats of position, three of scale, RGBA, and a quaternion wxyz of bytes about 128."""
    rows = [struct.unpack_from("<6f8B", data, offset) for offset in range(0, len(data), 32)]
    table = np.array(rows)
    return build(table[:, :3], table[:, 3:6], (table[:, 10:14] - 128) / 128, table[:, 6:10])


def decode_ksplat(data: bytes) -> Gaussians:
    """A header of 4096 bytes, one of 1024 for each section, and 44 bytes for each Gaussian."""
    assert data[:2] == b"\x00\x01"
    sections, count, level = (
        struct.unpack_from(kind, data, at)[0] for kind, at in (("<I", 8), ("<I", 16), ("<H", 20))
    )
    assert (sections, level, len(data)) == (1, 0, 4096 + 1024 + 44 * count)
    assert struct.unpack_from("<II", data, 4096) == (count, count)
    table = np.array([struct.unpack_from("<10f4B", data, 5120 + 44 * row) for row in range(count)])
    return build(table[:, :3], table[:, 3:6], table[:, 6:10], table[:, 10:14])


def build(means: NDArray[Any], scales: NDArray[Any], wxyz: NDArray[Any], rgba: NDArray[Any]) -> Gaussians:
    wxyz = wxyz / np.linalg.norm(wxyz, axis=1, keepdims=True)
    parts = (means, wxyz, scales, rgba[:, 3] / 255, rgba[:, :3] / 255)
    return Gaussians(*(part.astype(np.float32) for part in parts))


DECODERS = {"splat": decode_splat, "ksplat": decode_ksplat}


@pytest.mark.parametrize(("target", "tolerance"), [("splat", 0.03), ("ksplat", 1e-6)])
def test_values_survive(target: str, tolerance: float) -> None:
    splat = random_splat(200)
    again = DECODERS[target](write_asset(load_asset(write_splat_ply(splat)), target).data)
    assert len(again) == 200
    if target == "splat":
        weight = again.scales.prod(axis=1) * again.opacities
        assert (np.diff(weight) <= 0.01 * weight.max()).all()
    order = np.argmin(np.linalg.norm(again.means[:, None] - splat.means[None], axis=2), axis=1)
    original = splat.select(order)
    np.testing.assert_allclose(again.means, original.means, atol=1e-6)
    np.testing.assert_allclose(again.colors, original.colors, atol=0.003)
    np.testing.assert_allclose(again.opacities, original.opacities, atol=0.003)
    spread = compute_covariances(original)
    largest = np.abs(spread).max(axis=(1, 2), keepdims=True)
    assert (np.abs(compute_covariances(again) - spread) / largest).max() < tolerance


@pytest.mark.parametrize("target", DECODERS)
@pytest.mark.parametrize("source", ["ply", "spz"])
def test_splats_have_the_axes_of_training(target: str, source: str) -> None:
    post = make_signpost()
    data = write_splat_ply(post) if source == "ply" else write_spz(post)
    means, _ = flip_axes(post, (1, -1, -1) if source == "spz" else (1, 1, 1))
    again = DECODERS[target](write_asset(load_asset(data), target, y_down=True).data)
    by_color = [int(np.argmax(again.colors[:, channel])) for channel in range(3)]
    np.testing.assert_allclose(again.means[by_color], means, atol=3e-5)


@pytest.mark.parametrize("target", DECODERS)
def test_a_splat_without_gaussians_is_refused(target: str) -> None:
    data = write_splat_ply(random_splat(1))
    empty = data[:-4] + np.float32(np.nan).tobytes()
    with pytest.raises(ConvertError, match="at least one"):
        write_asset(load_asset(empty), target)
