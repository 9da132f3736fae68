"""COCO RLE against pycocotools and a column-major count written here."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from pycocotools import mask as coco

from workers.formats.rle import (
    RleError,
    _decode_runs,
    decode_mask,
    encode_mask,
    encode_runs,
    mask_to_polygons,
    polygons_to_mask,
)
from workers.geometry.overlap import mask_iou


def blob(height=120, width=160):
    y, x = np.mgrid[:height, :width] + 0.5
    return ((x - 80) / 60) ** 2 + ((y - 60) / 40) ** 2 < 1


@settings(max_examples=60)
@given(arrays(np.bool_, array_shapes(min_dims=2, max_dims=2, max_side=40), elements=st.booleans()))
def test_round_trip_and_pycocotools_agree(mask):
    rle = encode_mask(mask)
    np.testing.assert_array_equal(decode_mask(rle), mask)
    theirs = coco.encode(np.asfortranarray(mask.astype(np.uint8)))
    assert rle == {"size": list(mask.shape), "counts": theirs["counts"].decode()}
    flat = mask.T.ravel()
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flat])))
    runs = np.diff(np.concatenate([[0], edges, [flat.size]]))
    assert _decode_runs(rle["counts"]) == runs.tolist()


@pytest.mark.parametrize(
    "rle",
    [
        {"size": [10, 10], "counts": encode_mask(blob())["counts"]},
        {"size": [0, 10], "counts": ""},
        {"size": [10], "counts": "0"},
        {"size": [4, 4], "counts": "\x00\x01"},
        {"size": [4, 4], "counts": "P"},
        {"size": [4, 4], "counts": [16]},
        {},
    ],
)
def test_broken_rle_is_refused(rle):
    with pytest.raises(RleError):
        decode_mask(rle)


def test_only_bool_masks_are_encoded():
    with pytest.raises(ValueError, match="bool"):
        encode_mask(np.zeros((4, 4), np.uint8))


def test_polygons_cover_the_mask():
    mask = blob()
    mask[5:15, 5:15] = True
    polygons = mask_to_polygons(mask)
    assert len(polygons) == 2
    again = polygons_to_mask(polygons, *mask.shape)
    assert mask_iou(again, mask) > 0.99
    assert sum(len(p) for p in mask_to_polygons(mask, 1.0)) < 0.3 * sum(len(p) for p in polygons)


def test_polygon_holes_are_filled():
    mask = blob()
    mask[50:70, 70:90] = False
    polygons = mask_to_polygons(mask)
    assert len(polygons) == 1
    assert polygons_to_mask(polygons, *mask.shape)[60, 80]


def test_a_rectangle_polygon_is_exact():
    mask = polygons_to_mask([[2, 3, 6, 3, 6, 8, 2, 8]], 10, 12)
    expected = np.zeros((10, 12), bool)
    expected[3:8, 2:6] = True
    np.testing.assert_array_equal(mask, expected)


@pytest.mark.parametrize("polygon", [[0, 0, 1, 1], [0, 0, 1, 1, 2], [0, 0, 1, 1, float("nan"), 2]])
def test_broken_polygons_are_refused(polygon):
    with pytest.raises(RleError):
        polygons_to_mask([polygon], 10, 10)


@given(mask=arrays(np.bool_, array_shapes(min_dims=2, max_dims=2, max_side=9)))
@settings(max_examples=40)
def test_run_lengths_are_encoded_as_their_mask(mask):
    flat = mask.T.ravel()
    ends = np.flatnonzero(np.diff(np.concatenate([[False], flat]))).tolist()
    runs = np.diff([0, *ends, flat.size])
    assert encode_runs(runs, mask.shape) == encode_mask(mask)


@pytest.mark.parametrize("runs", [[5], [2, 5], [7, -1], []])
def test_run_lengths_that_do_not_fill_the_image_are_refused(runs):
    with pytest.raises(ValueError, match="2 x 3"):
        encode_runs(np.array(runs, np.int64), (2, 3))
