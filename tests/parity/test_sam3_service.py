"""SAM 3 behind the service: routing, queue, worker and results, with a tiny model of random weights."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import skimage.data

pytest.importorskip("torch", reason="SAM 3 needs torch (extra sam3)")
pytest.importorskip("transformers", reason="SAM 3 needs transformers (extra sam3)")

from maquette import JobFailed, Maquette

from service.embedded import Stack
from tests.parity.sam3_tiny import tiny_model
from tests.support.engine_workers import connected_worker
from tests.support.scenes import write_ball_video
from workers.engines.concepts.sam3.tokenizer import load_open_clip_tokenizer
from workers.geometry.boxes import bounding_box


@pytest.fixture(scope="module")
def sam3_worker(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    folder = tmp_path_factory.mktemp("sam3")
    tiny_model().save_pretrained(folder)
    load_open_clip_tokenizer()._tokenizer.save_pretrained(folder)
    with connected_worker(stack, "sam3", {"MAQUETTE_SAM3_PATH": str(folder)}):
        yield


@pytest.mark.usefixtures("sam3_worker")
def test_auto_goes_to_sam3_and_any_phrase_is_taken(mq: Maquette) -> None:
    job = mq.segment(
        skimage.data.chelsea(), text="a purple quasar", boxes=[(50, 50, 200, 200)], threshold=0.0
    )
    result = job.wait(timeout=60)
    [engine] = result.provenance.engines
    assert engine.name == "sam3" and len(engine.weights["model.safetensors"]) == 64
    assert result.instances[-1].mask.shape == (300, 451)
    with pytest.raises(JobFailed) as refused:
        mq.segment(skimage.data.chelsea(), text="word " * 40).wait(timeout=60)
    assert refused.value.code == "phrase_too_long"
    default = mq.segment(skimage.data.chelsea(), text="cat", engine="default").wait(timeout=60)
    assert default.provenance.engines[0].name == "default"


@pytest.mark.usefixtures("sam3_worker")
def test_a_video_goes_through_it(mq: Maquette, tmp_path: Path) -> None:
    video = tmp_path / "ball.mp4"
    exact = write_ball_video(video, 20)
    result = mq.track(video, text="ball", boxes=[bounding_box(exact[0])]).wait(timeout=120)
    assert result.provenance.engines[0].name == "sam3"
    assert result.data.frames == 20
    assert any(track.prompt.kind == "box" for track in result.tracks)
