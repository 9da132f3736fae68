"""Finding, checking and refusing weights, on RANDOM weights that are saved and read back."""

import hashlib
import importlib.util
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="SAM 3 needs the extra 'sam3': torch is not installed")
pytest.importorskip("transformers", reason="SAM 3 needs the extra 'sam3': transformers is not installed")

import torch
from huggingface_hub import errors as hub
from safetensors.torch import load_file, save_file

from tests.parity.sam3_tiny import draw_image, tiny_model
from workers.engines.concepts.sam3 import tokenizer
from workers.engines.concepts.sam3.errors import PhraseRejected, Sam3Unavailable
from workers.engines.concepts.sam3.settings import PATH_VARIABLE, Sam3Settings
from workers.engines.concepts.sam3.tokenizer import load_open_clip_tokenizer, load_tokenizer
from workers.engines.concepts.sam3.transformers_backend import loading, weights
from workers.engines.concepts.sam3.transformers_backend.engine import Sam3Concepts
from workers.engines.registry import load_engines
from workers.engines.weights import WeightsCorrupt, WeightsMissing

PHRASES = [
    "a yellow school bus",
    "Person's  red-and-white T-shirt, size 42!",
    "café &amp; croissant",
    "ｆｕｌｌ width 钥匙 🐈 naïve",
    "don't   stop\tnow\nplease",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sam3")
    tiny_model().save_pretrained(path)
    return path


def test_a_local_folder_serves_and_names_its_weights(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PATH_VARIABLE, str(folder))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    engine = Sam3Concepts()
    digest = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    assert engine.info.weights == {"model.safetensors": digest}
    assert engine.info.device == "cpu:float32"
    assert engine.info.version.startswith("local transformers-")
    assert str(folder) not in str(engine.info), "clients must not learn where the weights are"
    handle = engine.embed(draw_image(), "image")
    built = tiny_model()
    for name, value in built.state_dict().items():
        assert torch.equal(value, engine._loaded.model.state_dict()[name]), name
    assert isinstance(engine.ground(handle, ["cat"], thresholds=[0.0]), list)


def test_the_profile_of_a_gpu_is_loaded_in_float32(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights of a checkpoint in float32, autocast, and TF32 as the profile says."""
    asked: list[tuple[str, bool]] = []
    prepare = loading.prepare_precision

    def note(model: Any, precision: Any, *, tf32: bool) -> None:
        asked.append((precision, tf32))
        prepare(model, precision, tf32=tf32)

    monkeypatch.setattr(loading, "prepare_precision", note)
    settings = Sam3Settings(source=str(folder), profile="fast", tf32=True)
    loaded = loading.load_model(settings)
    assert {value.dtype for value in loaded.model.parameters()} == {torch.float32}
    assert asked == [("autocast", True)]
    loading.load_model(settings.model_copy(update={"tf32": False}))
    assert asked[1] == ("autocast", False)


def test_the_suite_of_the_registry_loads_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PATH_VARIABLE, str(folder))
    monkeypatch.setenv("MAQUETTE_SAM3_DTYPE", "bfloat16")
    engines = load_engines("sam3")
    assert engines.concepts().info.device == "cpu:bfloat16"
    monkeypatch.setenv(PATH_VARIABLE, str(folder / "nowhere"))
    (descriptions,) = load_engines("sam3").describe()
    assert descriptions["available"] is False and "SAM License" in descriptions["why_not"]


@pytest.mark.parametrize("source", ["/nowhere/at/all", "./weights", "sam3", "a/b/c"])
def test_a_source_that_is_nothing_is_explained(source: str) -> None:
    with pytest.raises(Sam3Unavailable, match="neither a folder nor"):
        weights.find_weights(source, None)


def response_error(kind: type[Exception]) -> Exception:
    """An error of the hub's client, without a response to hang it on."""
    error = kind.__new__(kind)
    Exception.__init__(error, "no")
    return error


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (hub.GatedRepoError, "does not give"),
        (hub.RepositoryNotFoundError, "does not give"),
        (hub.LocalEntryNotFoundError, "not in the local cache"),
        (hub.OfflineModeIsEnabled, "not in the local cache"),
        (hub.HfHubHTTPError, "cannot be downloaded"),
        (ConnectionError, "cannot be downloaded"),
    ],
)
def test_what_the_hub_refuses_names_the_gate_and_the_licence(
    kind: type[Exception], reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> str:
        raise response_error(kind)

    monkeypatch.setattr(weights, "snapshot_download", refuse)
    with pytest.raises(WeightsMissing) as caught:
        loading.load_model(Sam3Settings())
    for word in (reason, "gated", "SAM License", "facebook/sam3", "HF_TOKEN", PATH_VARIABLE):
        assert word in str(caught.value)


def test_the_revision_of_the_hub_is_recorded(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = tmp_path / "0123abc"
    commit.symlink_to(folder)
    prompts: dict[str, Any] = {}

    def give(repo: str, **options: Any) -> str:
        prompts.update(options, repo=repo)
        return str(commit)

    monkeypatch.setattr(weights, "snapshot_download", give)
    loaded = loading.load_model(Sam3Settings(revision="main"))
    assert (prompts["repo"], prompts["revision"]) == ("facebook/sam3", "main")
    assert loaded.revision == "0123abc"
    assert not any(pattern.endswith((".bin", ".pt", ".pkl", ".py")) for pattern in prompts["allow_patterns"])


def test_a_folder_without_weights_or_with_a_pickle_is_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_bytes((folder / "config.json").read_bytes())
    torch.save({}, tmp_path / "pytorch_model.bin")
    with pytest.raises(Sam3Unavailable, match="safetensors"):
        loading.load_model(Sam3Settings(source=str(tmp_path)))


def test_weights_with_a_missing_tensor_or_broken_bytes_are_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_bytes((folder / "config.json").read_bytes())
    tensors = load_file(folder / "model.safetensors")
    name = next(key for key in tensors if "memory_encoder" in key)
    del tensors[name]
    save_file(tensors, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(WeightsCorrupt, match="lacks 1 tensors"):
        loading.load_model(Sam3Settings(source=str(tmp_path)))
    (tmp_path / "model.safetensors").write_bytes(b"nonsense" * 20)
    with pytest.raises(WeightsCorrupt, match="cannot be read"):
        loading.load_model(Sam3Settings(source=str(tmp_path)))


def test_a_bad_precision_is_a_clear_error() -> None:
    with pytest.raises(ValueError, match="int4"):
        loading.load_model(Sam3Settings(dtype="int4"))


@pytest.fixture(scope="module")
def clip() -> Any:
    """open_clip's own tokenizer, its file run without its package, which needs torchvision."""
    spec = importlib.util.find_spec("open_clip")
    pytest.importorskip("regex")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("open_clip_torch is not installed")
    path = Path(next(iter(spec.submodule_search_locations))) / "tokenizer.py"
    module_spec = importlib.util.spec_from_file_location("open_clip_tokenizer_alone", path)
    assert module_spec is not None and module_spec.loader is not None
    module = importlib.util.module_from_spec(module_spec)
    sys.modules[module_spec.name] = module
    module_spec.loader.exec_module(module)
    return module.SimpleTokenizer(context_length=32)


@pytest.mark.parametrize("phrase", PHRASES)
def test_tokens_are_those_of_open_clip(phrase: str, clip: Any) -> None:
    ids, mask = load_open_clip_tokenizer().encode(phrase)
    expected = [clip.sot_token_id, *clip.encode(phrase), clip.eot_token_id]
    assert len(ids) == len(mask) == 32
    assert ids[: sum(mask)] == expected
    assert mask == [1] * len(expected) + [0] * (32 - len(expected))


def test_the_folders_own_tokenizer_comes_first(folder: Path, tmp_path: Path) -> None:
    assert load_tokenizer(folder).encode("cat") == load_open_clip_tokenizer().encode("cat")
    load_open_clip_tokenizer()._tokenizer.save_pretrained(tmp_path)
    own = load_tokenizer(tmp_path)
    for phrase in PHRASES:
        assert own.encode(phrase) == load_open_clip_tokenizer().encode(phrase)


def test_without_any_tokenizer_the_error_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokenizer, "_BPE_FILE", "open_clip/not_there.gz")
    with pytest.raises(Sam3Unavailable, match="tokenizer"):
        load_tokenizer(tmp_path)


def test_a_phrase_at_the_limit_is_read_and_one_beyond_is_not() -> None:
    words = load_open_clip_tokenizer()
    assert sum(words.encode("cat " * 30)[1]) == 32
    for phrase, code in (("cat " * 31, "phrase_too_long"), ("", "phrase_empty"), (" \n", "phrase_empty")):
        with pytest.raises(PhraseRejected) as caught:
            words.encode(phrase)
        assert caught.value.problem.code == code
        assert caught.value.problem.status == 422


def test_random_weights_are_reproducible() -> None:
    one, other = tiny_model(3).state_dict(), tiny_model(3).state_dict()
    assert all(np.array_equal(one[name], other[name]) for name in one)
