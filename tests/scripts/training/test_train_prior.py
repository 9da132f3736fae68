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


def test_twenty_steps_lower_the_loss_and_repeat_themselves(monkeypatch):
    # the warm-up of a real run is fifteen times as long as this one
    monkeypatch.setattr(train_prior, "WARM_UP", 4)
    arrays = draw_arrays(8)
    losses = train(arrays)
    assert np.mean(losses[-4:]) < 0.95 * np.mean(losses[:4])
    assert train(arrays, 3) == losses[:3]


def test_the_possibilities_learn_to_differ_from_the_mean_and_the_best_is_never_farther():
    trainer = train_prior.Trainer(1, 200, NARROW)
    rng = np.random.default_rng(2)
    arrays = draw_arrays(8)
    errors = [trainer.train(batches.augment(arrays, rng))[1] for _ in range(5)]
    mean = np.array([float(error[:2].mean()) for error in errors])
    nearest = np.array([float(error[3]) for error in errors])
    assert (nearest <= mean + 1e-3).all() and (nearest < 0.99 * mean).any()


@pytest.mark.filterwarnings("ignore")
def test_exported_weights_come_back_unchanged(tmp_path):
    pytest.importorskip("onnx", reason="exporting needs onnx")
    from scripts.training.export_prior import export
    from scripts.training.prior_network import PriorNetwork
    from scripts.training.warm_start import load_onnx, measure_norms

    trainer = train_prior.Trainer(1, 200, NARROW)
    batch = batches.augment(draw_arrays(4), np.random.default_rng(2))
    for _ in range(2):
        trainer.train(batch)
    network, again = trainer.average.eval(), PriorNetwork(NARROW).eval()
    path = tmp_path / "prior.onnx"
    path.write_bytes(export(network))
    load_onnx(again, path)
    measure_norms(again, [batch])
    with torch.no_grad():
        # scores and stretches serve the training alone
        for first, second in zip(
            network(batch["crop"], batch["tangent"])[:2],
            again(batch["crop"], batch["tangent"])[:2],
            strict=True,
        ):
            assert torch.allclose(first, second, atol=2e-3)
