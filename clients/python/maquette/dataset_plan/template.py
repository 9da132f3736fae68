"""A commented example of a plan, from the descriptions and defaults of its schema."""

import textwrap
from collections.abc import Collection, Iterator, Mapping

from pydantic import BaseModel

from maquette.contract.base import describe_field
from maquette.contract.datasets import Bounds, Review, SourceFacts, SplitShares
from maquette.dataset_plan.schema import DatasetPlan, PlanInput, PlanOutput, PlanSource
from maquette.dataset_plan.writing import format_value

HEADER = """\
# Plan of a dataset: maquette dataset run plan.toml [--set key=value ...]
# Lines that start with "# name =" show defaults, or examples where there is none.
# Paths are relative to this file.
"""
# example values of keys without a default
EXAMPLES = {
    "text": ["person", "cup"],
    "threshold": 0.4,
    "publish": "s3://bucket/dataset",
    "frame_rate": 10.0,
    "max_clips": 100,
    "captioner": "name",
    "inverse_dynamics": "name",
    "max_seconds": 36000.0,
    "max_gpu_seconds": 36000.0,
    "max_dollars": 50.0,
    "videos": ["videos/"],
    "depth": "depth/",
    "sources_file": "sources.json",
    "licence": "CC-BY-4.0",
    "consent": "release form 12",
    "attribution": "Jane Doe",
    "session": "2026-01-31",
    "camera": {"fx": 600.0, "fy": 600.0, "cx": 320.0, "cy": 240.0},
    "folder": "dataset",
    "formats": ["coco", "webdataset"],
}
# a decision by hand
REVIEW = {"clip": "0f3a9c2e", "track": 2, "verdict": "reject", "reason": "a reflection"}
# keys that are set in the template, although their tables have others that are not
SHOWN = {"text", "videos", "folder"}
# tables with sections of their own
SECTIONS = {"gates", "splits", "input", "output", "options", "source", "sources", "regates"}
# set by the client, or too long for an example
LEFT_OUT = {"skipped", "name", "time_assumed", "world_from_cam", "actions", "action_names", "action_types"}


def plan_template() -> str:
    """Return the TOML of an example in which every key is explained."""
    sections = [
        HEADER,
        *_explain_fields(DatasetPlan),
        "\n# Bounds of a gate that replace those of the workers' policy; a table per gate.",
        "# [gates.sharpness]",
        *_explain_fields(Bounds, {"low": 0.2, "high": 0.9}),
        f"\n# {describe_field(DatasetPlan, 'splits')}",
        "# [splits]",
        *_explain_fields(SplitShares),
        "\n[input]",
        *_explain_fields(PlanInput),
        f"\n# {describe_field(PlanInput, 'source')}",
        "[input.source]",
        *_explain_fields(SourceFacts),
        "\n# What is known of one video; it overrides [input.source].",
        '# [input.sources."kitchen.mp4"]',
        *_explain_fields(PlanSource, only=("depth",)),
        "\n[output]",
        *_explain_fields(PlanOutput),
        f"\n# {describe_field(PlanOutput, 'options')}",
        "# [output.options.webdataset]",
        "# largest = 100000000",
        "\n# Bounds and decisions by hand under which the version is decided again, table after table.",
        "# [[regates]]",
        "# [regates.gates.flicker]",
        *_explain_fields(Bounds, {"high": 0.2}, only=("high",)),
        "# [[regates.reviews]]",
        *_explain_fields(Review, REVIEW, only=REVIEW),
    ]
    return "\n".join(sections) + "\n"


def _explain_fields(
    model: type[BaseModel], examples: Mapping[str, object] = EXAMPLES, only: Collection[str] = ()
) -> Iterator[str]:
    for name, field in model.model_fields.items():
        if name in LEFT_OUT or name in SECTIONS or (only and name not in only):
            continue
        yield from (f"# {line}" for line in textwrap.wrap(describe_field(model, name), 96))
        has_example = name in examples and (field.is_required() or not field.default)
        line = f"{name} = {format_value(examples[name] if has_example else field.default)}"
        yield line if name in SHOWN else f"# {line}"
