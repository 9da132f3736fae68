"""What the keys of stages are computed from."""

from dataclasses import replace

from maquette.contract.datasets import SourceInfo

from tests.support.synthetic_datasets import SETTINGS, movi_source, rendered_clip
from workers.datasets.components import Components
from workers.datasets.local import FolderWorkspace, build_local_pipeline
from workers.datasets.tasks import ANNOTATIONS, WORDS, ClipTask
from workers.datasets.track_sources import OracleTracks


def test_every_field_of_a_source_enters_keys_or_is_only_words() -> None:
    assert {*ANNOTATIONS, *WORDS} == SourceInfo.model_fields.keys()


def test_annotations_change_keys_and_words_do_not(tmp_path) -> None:  # type: ignore[no-untyped-def]
    source = movi_source(rendered_clip(0), name="room")
    components = Components(OracleTracks(SETTINGS.phrases))
    plan = build_local_pipeline(FolderWorkspace(tmp_path), components, SETTINGS).plan([source])
    task = ClipTask(source, plan.plans[0], plan.clips[0])

    def annotated(**changes: object) -> tuple[str, ...]:
        info = source.info.model_copy(update=changes)
        return replace(task, source=replace(source, info=info)).annotated_inputs

    assert annotated(name="hall") == task.annotated_inputs
    assert annotated(scale="relative") != task.annotated_inputs
    assert annotated(scale="relative")[:2] == task.inputs
