"""The protocol of shape hypotheses, and the one place where their fits are compared."""

import numpy as np
import pytest

from workers.engines.objects.single_view.hypotheses import ShapeFit
from workers.engines.objects.single_view.label_prior import LabelPrior
from workers.engines.objects.single_view.mask_view import MaskView
from workers.engines.objects.single_view.shape_selection import HYPOTHESES, fit_hypotheses, select
from workers.geometry.cameras import Camera

Y, X = np.mgrid[:200, :200] + 0.5
DISC = np.hypot(X - 100, Y - 100) < 60
CAMERA = Camera.assumed(200, 200)


def fit(name="box", iou=0.97, *, accepted=True, free_form=False):
    return ShapeFit(
        name=name,
        outline_iou=iou,
        accepted=accepted,
        is_free_form=free_form,
        build_surface=lambda: pytest.fail("select builds no surface"),
    )


def test_the_best_accepted_parametric_fit_is_selected():
    worse, best, rejected = fit("box", 0.97), fit("turned", 0.98), fit("turned", 0.99, accepted=False)
    inflated = fit("inflated", 1.0, free_form=True)
    assert select([inflated, worse, best, rejected]) is best
    assert select([inflated, rejected]) is inflated


def test_of_equal_fits_the_first_is_selected():
    first = fit("box")
    assert select([first, fit("turned")]) is first


def test_without_an_accepted_fit_there_is_nothing_to_select():
    with pytest.raises(ValueError):
        select([fit(accepted=False)])


@pytest.mark.parametrize("mask", [DISC, Y < 30, (X < 1) & (Y < 1), (X // 4 + Y // 4) % 2 == 0])
def test_every_mask_has_exactly_one_free_form_fit_and_it_is_accepted(mask):
    view = MaskView.from_mask(mask, CAMERA)
    free_form = [one for one in fit_hypotheses(view, LabelPrior()) if one.is_free_form]
    assert [one.accepted for one in free_form] == [True]
    assert free_form[0].outline_iou >= 0.985


def test_hypotheses_have_names_of_their_own():
    names = [hypothesis.name for hypothesis in HYPOTHESES]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("label", "expects", "excludes"),
    [
        (None, [], []),
        ("unheard-of", [], []),
        (" Bottle ", ["turned"], ["box"]),
        ("carton", ["box"], ["turned"]),
        ("ball", [], ["box", "turned"]),
    ],
)
def test_a_label_expects_and_excludes_hypotheses(label, expects, excludes):
    prior = LabelPrior.from_label(label)
    assert [name for name in ("box", "turned") if prior.expects(name)] == expects
    assert [name for name in ("box", "turned") if prior.excludes(name)] == excludes


def test_parametric_hypotheses_leave_out_truncated_masks_and_several_parts():
    square = (abs(X - 100) < 50) & (abs(Y - 100) < 40)
    complete = MaskView.from_mask(square, CAMERA)
    assert complete.is_parametric
    truncated = MaskView.from_mask(np.roll(square, 60, axis=1), CAMERA)
    in_parts = MaskView.from_mask(square & (abs(X - 100) > 5), CAMERA)
    tiny = MaskView.from_mask((X < 110) & (X > 100) & (Y < 110) & (Y > 100), CAMERA)
    for view in (truncated, in_parts, tiny):
        assert not view.is_parametric
        assert [one.name for one in fit_hypotheses(view, LabelPrior())] == ["inflated"]
