"""JSON whose lists are made on the way has the text of JSON that is in memory."""

import json
from typing import Any

import pytest

from workers.datasets.lazy_json import LazyList, encode_lazily


@pytest.mark.parametrize("sort_keys", [True, False])
@pytest.mark.parametrize("items", [[], [{"é": 1, "a": [0.1, None]}], [1, [], {}, "b\n"]], ids=len)
def test_lazy_lists_have_the_text_of_lists(items: list[Any], sort_keys: bool) -> None:
    made: list[int] = []

    def make() -> Any:
        for item in items:
            made.append(1)
            yield item

    lazy = encode_lazily({"b": LazyList(make), "a": {"c": LazyList(make)}}, sort_keys=sort_keys)
    whole = json.dumps({"b": items, "a": {"c": items}}, indent=1, sort_keys=sort_keys)
    assert lazy.decode() == whole + "\n"
    assert bool(made) == bool(items)
