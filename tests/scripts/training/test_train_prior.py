"""Training of the shape prior, where torch is installed: it learns, and it repeats itself."""

from copy import deepcopy
from pathlib import Path

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
CLASSIFIER = Path(__file__).parents[3] / "models/pplcnetv2_imagenet.onnx"


def draw_arrays(count):
    rng = np.random.default_rng(1)
    chosen = []
    while len(chosen) < count:
        sample = samples.render_sample(rng, *drawn_shapes.draw_shape(rng), None)
        if sample is not None:
            chosen.append(sample)
    arrays = {name: np.stack([getattr(s, name) for s in chosen]) for name in ("rgb", "mask", "front", "back")}
    return arrays | {"tangent": np.array([s.tangent for s in chosen], np.float32)}


def train(arrays, steps=20, classifier=None):
    trainer = train_prior.Trainer(1, 10 * steps, NARROW, classifier)
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


def test_what_a_classifier_sees_helps_the_loss_down_and_only_its_deeper_stages_learn(monkeypatch):
    monkeypatch.setattr(train_prior, "WARM_UP", 2)
    trainer = train_prior.Trainer(1, 200, NARROW, CLASSIFIER)
    batch = batches.augment(draw_arrays(6), np.random.default_rng(2), depth_share=0)
    assert not batch["crop"][:, 4:].any()
    before = deepcopy(trainer.network.image).state_dict()
    losses = [trainer.train(batch)[0] for _ in range(8)]
    assert losses[-1] < losses[0]
    learned = [
        name
        for name, value in trainer.network.image.state_dict().items()
        if not torch.equal(value, before[name])
    ]
    assert {name.split(".")[1] for name in learned if name.startswith("stages")} == {"2", "3"}


def test_features_are_those_of_the_classifier():
    onnx = pytest.importorskip("onnx", reason="reading the classifier needs onnx")
    import onnxruntime

    from scripts.training.image_features import DEVIATION, MEAN, SEEN_SIDE, load_classifier

    model = onnx.load(CLASSIFIER)
    last = next(node for node in reversed(model.graph.node) if node.op_type == "GlobalAveragePool").input[0]
    model.graph.output.append(onnx.helper.make_tensor_value_info(last, 1, None))
    for dimension in model.graph.input[0].type.tensor_type.shape.dim[2:]:
        dimension.dim_value = SEEN_SIDE
    rgb = np.random.default_rng(1).random((1, 3, SEEN_SIDE, SEEN_SIDE), np.float32)
    crop = torch.cat([torch.from_numpy(rgb), torch.ones(1, 1, SEEN_SIDE, SEEN_SIDE)], dim=1)
    mean, deviation = (np.array(values, np.float32)[None, :, None, None] for values in (MEAN, DEVIATION))
    [expected] = onnxruntime.InferenceSession(model.SerializeToString()).run(
        [last], {"x": (rgb - mean) / deviation}
    )
    with torch.no_grad():
        features = load_classifier(CLASSIFIER)(crop)
    assert [f.shape[-1] for f in features] == [SEEN_SIDE // stride for stride in (4, 8, 16, 32)]
    assert np.abs(features[-1].numpy() - expected).max() < 1e-3 * np.abs(expected).max()


@pytest.mark.filterwarnings("ignore")
def test_one_file_serves_the_mask_alone_and_measured_depth_by_two_networks(tmp_path):
    onnx = pytest.importorskip("onnx", reason="exporting needs onnx")
    import onnxruntime

    from scripts.training.export_prior import export
    from scripts.training.image_features import ImageFeatures
    from scripts.training.prior_network import PriorNetwork
    from scripts.training.weight_files import take_branch

    torch.manual_seed(3)
    networks = [PriorNetwork(NARROW, image).eval() for image in (ImageFeatures(), None)]
    alone, measured = (export(network) for network in networks)
    joint = export(networks[0], onnx.load_from_string(measured))
    batch = batches.augment(draw_arrays(1), np.random.default_rng(2), depth_share=1)
    crop = batch["crop"].numpy()
    without = np.concatenate([crop[:, :4], np.zeros_like(crop[:, 4:])], axis=1)

    def run(model, crop):
        inputs = {"crop": crop, "tangent": batch["tangent"].numpy()}
        return onnxruntime.InferenceSession(model).run(None, inputs)[0]

    assert np.array_equal(run(joint, crop), run(measured, crop))
    assert np.array_equal(run(joint, without), run(alone, without))
    assert not np.array_equal(run(joint, without), run(measured, without))
    for is_measured, one in ((True, measured), (False, alone)):
        taken = take_branch(onnx.load_from_string(joint), measured=is_measured).SerializeToString()
        assert np.array_equal(run(taken, crop), run(one, crop))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("classifier", "tolerance"), [(None, 2e-3), (CLASSIFIER, 1e-2)])
def test_exported_weights_come_back_unchanged(tmp_path, classifier, tolerance):
    pytest.importorskip("onnx", reason="exporting needs onnx")
    from scripts.training.export_prior import export
    from scripts.training.image_features import ImageFeatures
    from scripts.training.prior_network import PriorNetwork
    from scripts.training.warm_start import load_onnx, measure_norms

    trainer = train_prior.Trainer(1, 200, NARROW, classifier)
    batch = batches.augment(draw_arrays(4), np.random.default_rng(2))
    for _ in range(2):
        trainer.train(batch)
    network = trainer.average.eval()
    again = PriorNetwork(NARROW, ImageFeatures() if classifier else None).eval()
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
            assert torch.allclose(first, second, atol=tolerance)
