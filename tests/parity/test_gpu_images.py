"""The environment of each GPU image starts its engine from /models/<engine>, with a tiny or FAKE model."""

import importlib.util
import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.deployment import manifests as m
from tests.deployment.test_docker import chain
from tests.parity.sam3d_body_runs import FAKE as BODY_FAKE
from tests.parity.sam3d_body_runs import MODEL
from tests.support.paths import REPOSITORY
from workers.engines.bodies.mhr.assets import REQUIRED
from workers.engines.bodies.sam3d import engine as body_engine
from workers.engines.registry import load_engines
from workers.engines.settings import SharedEngineSettings

OBJECTS_FAKE = Path(__file__).with_name("sam3d_objects_fake")
ENGINES = {
    "worker-sam3": "sam3",
    "worker-sam3d-objects": "sam3d_objects",
    "worker-sam3d-body": "sam3d_body",
}
# offline, an engine finds nothing that these do not name
NEEDED = {
    "worker-sam3": ("MAQUETTE_SAM3_PATH", "MAQUETTE_SAM3_META_CHECKPOINT"),
    "worker-sam3d-objects": ("MAQUETTE_SAM3D_OBJECTS_CONFIG", "TORCH_HOME", "HF_HOME"),
    "worker-sam3d-body": (
        "MAQUETTE_SAM3D_BODY_CHECKPOINT",
        "MAQUETTE_SAM3D_BODY_FOV",
        "MAQUETTE_MHR_ASSETS",
        "TORCH_HOME",
    ),
}
# what an image sets that only exists in it
ELSEWHERE = ("/opt/", "/venv/", "/scratch")


def read_environment(target: str) -> dict[str, str]:
    """What the image of a target sets."""
    lines = re.findall(r"^ENV (.*)$", chain(target), flags=re.MULTILINE)
    return dict(pair.split("=", 1) for line in lines for pair in line.split() if "=" in pair)


@pytest.fixture
def enter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Set an image's environment with `/models` in a temporary folder; the folder of its engine."""

    def enter_image(target: str) -> Path:
        for name, value in read_environment(target).items():
            if name.startswith("MAQUETTE_") and not value.startswith(ELSEWHERE):
                monkeypatch.setenv(name, value.replace("/models", str(tmp_path), 1))
        assert SharedEngineSettings().require_gpu
        # no GPU is here
        monkeypatch.delenv("MAQUETTE_REQUIRE_GPU")
        folder = tmp_path / ENGINES[target]
        folder.mkdir()
        return folder

    return enter_image


@pytest.mark.parametrize("target", sorted(ENGINES))
def test_all_weights_lie_in_the_folder_of_the_engine(target: str) -> None:
    environment = read_environment(target)
    assert all(environment[name].startswith("/models/") for name in NEEDED[target])
    named = [value for value in environment.values() if value.startswith("/models/")]
    assert named and all(Path(value).parts[:3] == ("/", "models", ENGINES[target]) for value in named)


@pytest.mark.parametrize("target", sorted(ENGINES))
def test_compose_and_kubernetes_mount_models_and_change_no_path_in_it(target: str) -> None:
    own = read_environment(target)
    service = m.compose()["services"][target]
    (mount,) = [each for each in service["volumes"] if each["target"] == "/models"]
    assert mount["read_only"] is True
    assert not {name for name, value in service["environment"].items() if str(value).startswith("/models/")}
    text = (REPOSITORY / f"k8s/base/{target}.yaml").read_text()
    assert "{name: models, mountPath: /models, readOnly: true}" in text
    for name, value in re.findall(r"\{name: (MAQUETTE_\w+), value: (/models\S*)\}", text):
        assert own[name] == value


def test_the_token_of_the_hub_reaches_what_lays_weights_into_the_volume() -> None:
    """`HF_TOKEN=… docker compose run pull-models sam3`; workers read the volume and are given no token."""
    services = m.compose()["services"]
    puller = services["pull-models"]
    # no value: that of the shell
    assert "HF_TOKEN" in puller["environment"] and puller["environment"]["HF_TOKEN"] is None
    (mount,) = puller["volumes"]
    assert mount["target"] == puller["environment"]["MAQUETTE_MODELS_DIR"] == "/models"
    assert not mount.get("read_only")
    for target in ENGINES:
        (read,) = [each for each in services[target]["volumes"] if each["target"] == "/models"]
        assert read["source"] == mount["source"] and "HF_TOKEN" not in services[target]["environment"]


def test_objects_start_from_their_folder(enter: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = enter("worker-sam3d-objects")
    monkeypatch.setenv("MAQUETTE_SAM3D_OBJECTS_SOURCE", str(OBJECTS_FAKE))
    (folder / "checkpoints").mkdir()
    content = {"_target_": "sam3d_objects.pipeline.Thing"}
    (folder / "checkpoints/pipeline.yaml").write_text(json.dumps(content))
    engines = load_engines("sam3d_objects")
    assert not engines.failures
    assert engines.on_gpu
    engines.objects().close()  # type: ignore[attr-defined]


def test_bodies_start_from_their_folder(enter: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = enter("worker-sam3d-body")
    monkeypatch.setenv("MAQUETTE_SAM3D_BODY_SOURCE", str(BODY_FAKE))
    monkeypatch.setattr(body_engine, "BodyModelsMhr", lambda _assets: MODEL)
    (folder / "model.ckpt").write_text(json.dumps({"note": str(folder / "note.json")}))
    (folder / "model_config.yaml").write_text("fake: true\n")
    for place in ("mhr", "moge2"):
        (folder / place).mkdir()
    (folder / "moge2/model.pt").write_text(json.dumps([[350.0, 0, 160], [0, 350.0, 120], [0, 0, 1]]))
    for name in REQUIRED:
        (folder / "mhr" / name).write_text(name)
    engines = load_engines("sam3d_body")
    assert not engines.failures
    assert engines.on_gpu and "fov" in engines.bodies().info.version
    assert "moge2/model.pt" in engines.bodies().info.weights
    engines.bodies().close()  # type: ignore[attr-defined]


def test_sam3_starts_from_its_folder(enter: Any) -> None:
    if importlib.util.find_spec("torch") is None or importlib.util.find_spec("transformers") is None:
        pytest.skip("SAM 3 needs the extra 'sam3'")
    from tests.parity.sam3_tiny import tiny_model
    from workers.engines.concepts.sam3.tokenizer import load_open_clip_tokenizer

    folder = enter("worker-sam3")
    tiny_model().save_pretrained(folder)
    load_open_clip_tokenizer()._tokenizer.save_pretrained(folder)
    engines = load_engines("sam3")
    assert not engines.failures and engines.concepts().info.version.startswith("local")


def test_sam3_serves_nothing_in_its_image_without_a_gpu(enter: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    if importlib.util.find_spec("torch") is None or importlib.util.find_spec("transformers") is None:
        pytest.skip("SAM 3 needs the extra 'sam3'")
    enter("worker-sam3")
    monkeypatch.setenv("MAQUETTE_REQUIRE_GPU", "true")
    assert "GpuUnusable" in load_engines("sam3").failures["concepts"]
