"""Training of the shape prior, where torch is installed: it learns, and it repeats itself."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs torch, which the product does not")
pytest.importorskip("numba", reason="drawing samples needs the extra raster (numba)")
train_prior = pytest.importorskip("scripts.training.train_prior")
batches = pytest.importorskip("scripts.training.batches")
samples = pytest.importorskip("scripts.training.samples")
drawn_shapes = pytest.importorskip("scripts.training.drawn_shapes")

pytestmark = pytest.mark.slow
NARROW = (8, 12, 16, 16)


def draw_arrays(count):
    rng = np.random.default_rng(1)
    chosen = []
    while len(chosen) < count:
        sample = samples.render_sample(rng, *drawn_shapes.draw_shape(rng), None)
        if sample is not None:
            chosen.append(sample)
    arrays = {name: np.stack([getattr(s, name) for s in chosen]) for name in ("rgb", "mask", "front", "back")}
    return arrays | {"tangent": np.array([s.tangent for s in chosen], np.float32)}


def train(arrays, steps=20):
    trainer = train_prior.Trainer(1, 10 * steps, NARROW)
    rng = np.random.default_rng(2)
    return [trainer.train(batches.augment(arrays, rng))[0] for _ in range(steps)]


def test_twenty_steps_lower_the_loss_and_repeat_themselves():
    arrays = draw_arrays(8)
    losses = train(arrays)
    assert np.mean(losses[-4:]) < 0.95 * np.mean(losses[:4])
    assert train(arrays, 3) == losses[:3]
