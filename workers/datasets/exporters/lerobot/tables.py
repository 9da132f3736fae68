"""The Parquet tables of a LeRobot dataset: steps, episodes and tasks."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workers.datasets.exporters.lerobot.features import has_actions
from workers.datasets.exporters.lerobot.layout import CAMERA, EPISODES_PER_CHUNK, get_task
from workers.datasets.exporters.shared.typed_parquet import (
    ColumnType,
    ListType,
    TypedColumn,
    describe_features,
    encode_parquet,
)
from workers.datasets.scene_clip import SceneClip

Columns = dict[str, NDArray[Any]]


def encode_steps(episodes: Sequence[Columns]) -> bytes:
    """The steps of some episodes."""
    columns: dict[str, TypedColumn] = {}
    for name, first in episodes[0].items():
        values = np.concatenate([episode[name] for episode in episodes])
        kind: ColumnType = str(first.dtype)
        columns[name] = TypedColumn(kind if first.ndim == 1 else ListType(kind, first.shape[1]), values)
    features = describe_features({name: column.type for name, column in columns.items()})
    return encode_parquet(columns, metadata={"huggingface": json.dumps({"info": {"features": features}})})


def build_episode(
    clip: SceneClip, columns: Columns, statistics: Mapping[str, Mapping[str, Any]], rate: float
) -> dict[str, Any]:
    """The row of an episode; `clip` and what follows it are columns of ours."""
    number, steps = int(columns["episode_index"][0]), len(columns["index"])
    first = int(columns["index"][0])
    chunk, file = divmod(number, EPISODES_PER_CHUNK)
    named = {
        f"stats/{feature}/{name}": value
        for feature, values in statistics.items()
        for name, value in values.items()
    }
    return {
        "episode_index": number,
        "tasks": [get_task(clip)],
        "length": steps,
        "data/chunk_index": chunk,
        "data/file_index": 0,
        "dataset_from_index": first,
        "dataset_to_index": first + steps,
        f"videos/{CAMERA}/chunk_index": chunk,
        f"videos/{CAMERA}/file_index": file,
        f"videos/{CAMERA}/from_timestamp": 0.0,
        f"videos/{CAMERA}/to_timestamp": steps / rate,
        **named,
        "meta/episodes/chunk_index": chunk,
        "meta/episodes/file_index": 0,
        "clip": clip.id,
        "split": clip.row.split,
        "frame_rate": float(clip.row.frame_rate or rate),
        "scale_source": clip.row.scale_source or "",
        "has_actions": has_actions(columns),
    }


def encode_episodes(episodes: Sequence[dict[str, Any]]) -> bytes:
    """`meta/episodes`: one row per episode."""
    columns = {
        name: TypedColumn(_find_type(value), [episode[name] for episode in episodes])
        for name, value in episodes[0].items()
    }
    return encode_parquet(columns)


def _find_type(value: Any) -> ColumnType:
    if isinstance(value, list):
        return ListType(_find_type(value[0]))
    # bool before int, of which it is a kind
    types = {bool: "bool", int: "int64", float: "float64", str: "string"}
    return types[type(value)]


def encode_tasks(tasks: Sequence[str]) -> bytes:
    """`meta/tasks.parquet`: a data frame whose index is the task, as pandas marks it in a Parquet file."""
    pandas = {
        "index_columns": ["task"],
        "column_indexes": [],
        "columns": [
            {
                "name": name,
                "field_name": name,
                "pandas_type": pandas_type,
                "numpy_type": numpy_type,
                "metadata": None,
            }
            for name, pandas_type, numpy_type in (
                ("task_index", "int64", "int64"),
                ("task", "unicode", "object"),
            )
        ],
        "pandas_version": "2.0.0",
    }
    columns = {
        "task_index": TypedColumn("int64", list(range(len(tasks)))),
        "task": TypedColumn("string", tasks),
    }
    return encode_parquet(columns, metadata={"pandas": json.dumps(pandas)})
