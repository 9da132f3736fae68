"""The profiles of SAM 3: what each comes to, and how far it lies from float32 on tiny RANDOM weights."""

import argparse
import importlib.util
from typing import Any

import pytest

pytest.importorskip("torch", reason="SAM 3 needs the extra 'sam3': torch is not installed")
pytest.importorskip("transformers", reason="SAM 3 needs the extra 'sam3': transformers is not installed")

import torch

from bench.concepts.sam3_profiles import Outputs, build_engine, compare, compute_outputs
from tests.parity.sam3_tiny import draw_image
from workers.engines.concepts.sam3.settings import Sam3Settings
from workers.engines.concepts.sam3.transformers_backend import acceleration

TINY = argparse.Namespace(size="tiny", device="cpu")
IMAGES = [draw_image(step) for step in range(3)]
# pixels of the model's square, 112 here
SIDE = 112


@pytest.fixture(scope="module")
def exact() -> Outputs:
    return compute_outputs(build_engine(TINY, profile="exact"), IMAGES)


@pytest.mark.parametrize(
    ("settings", "device", "label"),
    [
        ({}, "cpu", "exact"),
        ({}, "cuda", "fast batch-4"),
        ({"profile": "exact"}, "cuda", "exact"),
        ({"profile": "exact", "tf32": True}, "cuda", "exact tf32"),
        ({"profile": "fast", "dtype": "bf16"}, "cuda", "fast bfloat16 batch-4"),
        ({"profile": "fast"}, "cpu", "fast"),
        ({"profile": "fast", "batch": 1, "attention": "flash"}, "cuda", "fast flash"),
        ({"compile": "max-autotune", "attention": "eager"}, "cpu", "exact eager compile-max-autotune"),
    ],
)
def test_settings_change_parts_of_a_profile_and_the_version_names_them(
    settings: dict[str, Any], device: str, label: str
) -> None:
    assert Sam3Settings(**settings).resolve_profile(device).label() == label


def test_only_fast_on_a_gpu_uses_tf32() -> None:
    profiles = [(name, device) for name in ("auto", "exact", "fast") for device in ("cpu", "cuda")]
    assert [Sam3Settings(profile=name).resolve_profile(device).tf32 for name, device in profiles] == [
        False,
        True,
        False,
        False,
        False,
        True,
    ]


@pytest.mark.parametrize(
    "settings", [{"dtype": "fp8"}, {"attention": "flash"}, {"attention": "flash", "dtype": "float32"}]
)
def test_settings_that_cannot_be_met_end_the_start(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"fp8|float32"):
        Sam3Settings(**settings).resolve_profile("cpu")


@pytest.mark.skipif(importlib.util.find_spec("flash_attn") is not None, reason="flash-attn is installed")
def test_a_missing_attention_package_ends_the_start() -> None:
    with pytest.raises(ValueError, match="'flash' cannot be used here"):
        build_engine(TINY, profile="fast", attention="flash")


def test_the_engine_lists_how_it_computes() -> None:
    info = build_engine(TINY, profile="fast", batch=2).info
    assert info.settings == {
        "profile": "fast",
        "dtype": "autocast",
        "tf32": False,
        "attention": "sdpa",
        "compile": "off",
        "batch": 2,
    }
    assert info.version.endswith(" fast batch-2")


def test_exact_is_float32_to_rounding_with_any_attention(exact: Outputs) -> None:
    again = compare(compute_outputs(build_engine(TINY, profile="exact"), IMAGES), exact, SIDE)
    assert (again.score_max, again.box_max, again.iou_least) == (0, 0, 1)
    eager = compare(
        compute_outputs(build_engine(TINY, profile="exact", attention="eager"), IMAGES), exact, SIDE
    )
    assert eager.score_max < 1e-5 and eager.box_max < 1e-3 and eager.iou_least == 1


def test_fast_stays_near_float32_and_nearer_than_bfloat16(exact: Outputs) -> None:
    fast = compare(compute_outputs(build_engine(TINY, profile="fast"), IMAGES), exact, SIDE)
    coarse = compare(compute_outputs(build_engine(TINY, dtype="bfloat16"), IMAGES), exact, SIDE)
    assert 0 < fast.score_max < 0.02
    assert 0 < fast.box_mean < coarse.box_mean
    assert fast.iou_mean > coarse.iou_mean > 0.9


def test_embeddings_survive_the_next_replay_of_a_cuda_graph(
    monkeypatch: pytest.MonkeyPatch, exact: Outputs
) -> None:
    kept: list[torch.Tensor] = []
    modes: list[str] = []

    def replay(graph: Any, _inputs: Any) -> Any:
        def run(*inputs: Any) -> Any:
            # a graph has one place for its output, whatever the input
            outputs = graph.forward(*inputs)
            kept[:] = kept or [torch.empty_like(outputs[0])]
            return (kept[0].copy_(outputs[0]), *outputs[1:])

        return run

    def compile_module(self: Any, mode: str, **_: Any) -> None:
        modes.append(mode)
        original(self, backend=replay, dynamic=False)

    steps: list[int] = []
    # the real one imports the compiler of GPUs
    monkeypatch.setattr(torch.compiler, "cudagraph_mark_step_begin", lambda: steps.append(1))
    original = torch.nn.Module.compile
    monkeypatch.setattr(torch.nn.Module, "compile", compile_module)
    engine = build_engine(TINY, profile="exact", compile="reduce-overhead")
    with torch.inference_mode():
        handles = [engine.embed(image, str(number)) for number, image in enumerate(IMAGES[:2])]
    assert modes == ["reduce-overhead"] and kept and len(steps) == 2
    assert not torch.equal(handles[0].tokens, handles[1].tokens)
    assert torch.equal(handles[-1].tokens, kept[0])
    compiled = compare(compute_outputs(engine, IMAGES), exact, SIDE)
    assert compiled.score_max < 1e-6 and compiled.iou_least == 1


def test_only_the_image_encoder_is_compiled_and_results_stay(
    monkeypatch: pytest.MonkeyPatch, exact: Outputs
) -> None:
    graphs: list[int] = []

    def count_nodes(graph: Any, _inputs: Any) -> Any:
        graphs.append(len(graph.graph.nodes))
        return graph.forward

    original = torch.nn.Module.compile
    monkeypatch.setattr(
        torch.nn.Module, "compile", lambda self, **_: original(self, backend=count_nodes, dynamic=False)
    )
    engine = build_engine(TINY, profile="exact", compile="default")
    compiled = compare(compute_outputs(engine, IMAGES), exact, SIDE)
    assert len(graphs) == 1 and compiled.score_max < 1e-6 and compiled.iou_least == 1
    assert acceleration.MODES["max-autotune"].endswith("no-cudagraphs")
