"""Booleans are no numbers in what clients send: TOML's and JSON's `true` is never read as 1."""

import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import pytest
from maquette.contract.base import RequestModel
from maquette.dataset_plan import PlanError, build_plan, read_plan
from maquette.dataset_plan.gate_bounds import read_gate_bounds
from pydantic import Field, ValidationError


def list_models(model: type[RequestModel] = RequestModel) -> Iterator[type[RequestModel]]:
    for child in model.__subclasses__():
        if child.__module__.startswith("maquette."):
            yield child
        yield from list_models(child)


def is_number(annotation: Any) -> bool:
    """Whether nothing but a number, or null, is meant."""
    if get_origin(annotation) is Annotated:
        return is_number(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return all(is_number(kind) for kind in get_args(annotation) if kind is not NoneType)
    return annotation in (int, float)


NUMBERS = [
    (model, name)
    for model in sorted(set(list_models()), key=lambda model: model.__qualname__)
    for name, field in model.model_fields.items()
    if is_number(field.annotation)
]


@pytest.mark.parametrize("value", [True, False])
def test_no_number_of_the_contract_is_a_boolean(value: bool) -> None:
    assert len(NUMBERS) > 80
    for model, name in NUMBERS:
        with pytest.raises(ValidationError) as caught:
            model.model_validate({name: value})
        found = {error["loc"]: error["type"] for error in caught.value.errors()}
        assert found.get((name,)) in {"int_type", "float_type"}, (model, name)


class Nested(RequestModel):
    """Numbers in every kind of place."""

    pair: tuple[float, float] = (0, 0)
    table: dict[str, list[Annotated[int, Field(ge=0)]]] = {}
    inner: "Nested | None" = None
    text_or_number: int | str = ""
    anything: bool | int | float | str = 0
    switch: bool = False


@pytest.mark.parametrize(
    "content",
    [
        {"pair": [1, True]},
        {"table": {"a": [1, False]}},
        {"inner": {"pair": [True, 2]}},
        {"inner": {"inner": {"table": {"a": [True]}}}},
        {"text_or_number": True},
    ],
)
def test_no_nested_number_is_a_boolean(content: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=r"valid (number|integer)"):
        Nested.model_validate(content)


def test_what_may_be_a_boolean_or_was_a_number_stays() -> None:
    kept = Nested.model_validate(
        {"anything": True, "switch": True, "pair": [1, 2.5], "table": {"a": [3.0, "4"]}}
    )
    assert kept.anything is True and kept.switch is True
    assert kept.pair == (1.0, 2.5) and kept.table == {"a": [3, 4]}


PLAN = 'text = "cup"\n{}\n[input]\nvideos = "a"\n{}\n'


@pytest.mark.parametrize(
    ("options", "more", "name"),
    [
        ("frame_rate = true", "", "frame_rate"),
        ("size = true", "", "size"),
        ("seed = false", "", "seed"),
        ("threshold = true", "", "threshold"),
        ("max_clips = true", "", "max_clips"),
        ("max_dollars = true", "", "max_dollars"),
        ("", "numbered_rate = true", "input.numbered_rate"),
        ("", "[gates.motion]\nlow = true", "gates.motion.low"),
        ("", "[splits]\ntrain = true\nval = false\ntest = false", "splits.train"),
        ("", '[input.depth]\nmedia = "d"\nmetres_per_unit = true', "metres_per_unit"),
        (
            "",
            '[output]\nfolder = "o"\nformats = ["webdataset"]\noptions.webdataset.largest = true',
            "largest",
        ),
    ],
)
def test_a_plan_with_a_boolean_for_a_number_is_refused(
    tmp_path: Path, options: str, more: str, name: str
) -> None:
    file = tmp_path / "plan.toml"
    file.write_text(PLAN.format(options, more))
    with pytest.raises(PlanError) as caught:
        read_plan(file)
    assert name in str(caught.value) and "valid" in str(caught.value)
    assert caught.value.code == "plan_invalid"


def test_changes_of_a_plan_are_as_strict(tmp_path: Path) -> None:
    table = tomllib.loads(PLAN.format("", ""))
    with pytest.raises(PlanError, match="frame_rate: Input should be a valid number"):
        build_plan(table, ["frame_rate=true"])
    assert build_plan(table, ["frame_rate=1"]).frame_rate == 1
    file = tmp_path / "plan.toml"
    file.write_text(PLAN.format("", "[gates.motion]\nlow = true"))
    with pytest.raises(PlanError, match="valid number"):
        read_gate_bounds([], file)
