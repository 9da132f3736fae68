"""The Parquet tables of a LeRobot dataset: steps, episodes and tasks."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workers.datasets.exporters.lerobot.layout import CAMERA, EPISODES_PER_CHUNK, get_task
from workers.datasets.exporters.shared.action_space import ActionSpace
from workers.datasets.exporters.shared.typed_parquet import ColumnType, ListType, TypedColumn, encode_parquet
from workers.datasets.scene_clip import SceneClip

# what pandas calls the index of a data frame that has no name
PANDAS_INDEX = "__index_level_0__"


def build_steps(
    clips: Sequence[SceneClip], tasks: Sequence[str], actions: ActionSpace | None, rate: float
) -> dict[str, TypedColumn]:
    """The columns of every step of every episode."""
    lengths = [len(clip) for clip in clips]
    frames = np.concatenate([np.arange(length) for length in lengths])
    columns: dict[str, TypedColumn] = {}
    if actions is not None:
        rows = np.concatenate([actions.matrix(clip) for clip in clips])
        columns["action"] = TypedColumn(ListType("float32"), rows.tolist())
    columns["timestamp"] = TypedColumn("float32", (frames / rate).astype(np.float32).tolist())
    indices: dict[str, NDArray[np.int64]] = {
        "frame_index": frames,
        "episode_index": np.repeat(np.arange(len(clips)), lengths),
        "index": np.arange(len(frames)),
        "task_index": np.repeat([tasks.index(get_task(clip)) for clip in clips], lengths),
    }
    return columns | {name: TypedColumn("int64", values.tolist()) for name, values in indices.items()}


def build_episode(clip: SceneClip, number: int, first_step: int, rate: float) -> dict[str, Any]:
    """The row of an episode; `clip` is a column of ours."""
    chunk, file = divmod(number, EPISODES_PER_CHUNK)
    return {
        "episode_index": number,
        "tasks": [get_task(clip)],
        "length": len(clip),
        "data/chunk_index": chunk,
        "data/file_index": 0,
        "dataset_from_index": first_step,
        "dataset_to_index": first_step + len(clip),
        f"videos/{CAMERA}/chunk_index": chunk,
        f"videos/{CAMERA}/file_index": file,
        f"videos/{CAMERA}/from_timestamp": 0.0,
        f"videos/{CAMERA}/to_timestamp": len(clip) / rate,
        "meta/episodes/chunk_index": 0,
        "meta/episodes/file_index": 0,
        "clip": clip.id,
    }


def encode_episodes(episodes: Sequence[dict[str, Any]]) -> bytes:
    """`meta/episodes`: one row per episode."""
    types: dict[type, ColumnType] = {
        int: "int64",
        float: "float64",
        str: "string",
        list: ListType("string"),
    }
    return encode_parquet(
        {
            name: TypedColumn(types[type(value)], [episode[name] for episode in episodes])
            for name, value in episodes[0].items()
        }
    )


def encode_tasks(tasks: Sequence[str]) -> bytes:
    """`meta/tasks.parquet`: a data frame whose index is the task, as pandas marks it in a Parquet file."""
    column_types = [("task_index", "task_index", "int64", "int64"), (None, PANDAS_INDEX, "unicode", "object")]
    pandas = {
        "index_columns": [PANDAS_INDEX],
        "column_indexes": [],
        "columns": [
            {
                "name": name,
                "field_name": field,
                "pandas_type": pandas_type,
                "numpy_type": numpy_type,
                "metadata": None,
            }
            for name, field, pandas_type, numpy_type in column_types
        ],
        "pandas_version": "2.0.0",
    }
    columns = {
        "task_index": TypedColumn("int64", list(range(len(tasks)))),
        PANDAS_INDEX: TypedColumn("string", tasks),
    }
    return encode_parquet(columns, metadata={"pandas": json.dumps(pandas)})
