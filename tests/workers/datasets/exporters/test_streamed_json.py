"""JSON that is written item by item has the text of JSON that is written at once."""

from pathlib import Path
from typing import Any

import pytest

from workers.datasets.exporters.shared.encoding import encode_json
from workers.datasets.exporters.shared.streamed_json import spool_items, write_json

ITEMS: list[list[Any]] = [
    [],
    [1, None, -0.1, "a\nb", "é", [], {}],
    [{"id": 1, "box": [0.5, [1, 2]], "nested": {"a": []}}, [[]], {"b": {"c": None}}],
]


@pytest.mark.parametrize("items", ITEMS, ids=len)
def test_spooled_items_have_the_text_of_a_list_or_an_object(items: list[Any], tmp_path: Path) -> None:
    named = {f'"{number}"': item for number, item in enumerate(items)}
    with spool_items(tmp_path) as array, spool_items(tmp_path, "{}") as mapping:
        for name, item in named.items():
            array.add(item)
            mapping.add(item, name)
        assert array.count == mapping.count == len(items)
        content = {"info": {"a": [1]}, "array": array, "mapping": mapping, "é": "last"}
        write_json(tmp_path / "some.json", content)
        write_json(tmp_path / "all.json", mapping)
    whole = {"info": {"a": [1]}, "array": items, "mapping": named, "é": "last"}
    assert (tmp_path / "some.json").read_text() == encode_json(whole)
    assert (tmp_path / "all.json").read_text() == encode_json(named)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["all.json", "some.json"]


def test_numbers_that_other_readers_reject_are_refused(tmp_path: Path) -> None:
    with spool_items(tmp_path) as array, pytest.raises(ValueError, match="JSON"):
        array.add({"score": float("nan")})
