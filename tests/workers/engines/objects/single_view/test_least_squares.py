"""Least squares from many starts finds the minima that SciPy finds from each."""

import numpy as np
from scipy.optimize import least_squares

from workers.engines.objects.single_view.least_squares import minimise_from_starts


def rosenbrock(values):
    x, y = values.T
    return np.stack([10 * (y - x**2), 1 - x], axis=1)


def test_every_start_reaches_the_minimum_of_a_curved_valley():
    starts = np.array([[-1.2, 1.0], [0.5, -0.5], [2.0, 2.0], [-0.3, 0.8]])
    values, cost = minimise_from_starts(rosenbrock, starts, rounds=60)
    np.testing.assert_allclose(values, 1.0, atol=1e-4)
    assert cost.max() < 1e-8


def test_overdetermined_fits_agree_with_scipy():
    rng = np.random.default_rng(0)
    x = np.linspace(0, 2, 40)
    y = 1.5 * np.exp(-0.8 * x) + 0.3 + 0.02 * rng.normal(size=40)

    def residuals(values):
        return values[:, :1] * np.exp(-values[:, 1:2] * x) + values[:, 2:] - y

    values, cost = minimise_from_starts(residuals, np.array([[1.0, 0.5, 0.0], [2.0, 1.5, 0.5]]), rounds=60)
    expected = least_squares(lambda one: residuals(one[None])[0], [1.0, 0.5, 0.0])
    np.testing.assert_allclose(values, np.tile(expected.x, (2, 1)), atol=1e-4)
    np.testing.assert_allclose(cost, 2 * expected.cost, rtol=1e-6)


def test_no_start_increases_the_cost():
    starts = np.random.default_rng(1).normal(size=(20, 2)) * 2
    before = (rosenbrock(starts) ** 2).sum(axis=1)
    _, cost = minimise_from_starts(rosenbrock, starts, rounds=3)
    assert (cost <= before).all()
