"""Names and paths of a LeRobot v3.0 folder."""

from collections.abc import Mapping
from typing import Any

from workers.datasets.scene_clip import SceneClip

CAMERA = "observation.images.main"
EPISODES_PER_CHUNK = 1000
DATA_PATH = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
EPISODES_PATH = "meta/episodes/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
VIDEO_PATH = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"


def locate_data_file(chunk: int) -> list[str]:
    """The path of the Parquet file of a chunk of episodes, by its parts."""
    return DATA_PATH.format(chunk_index=chunk, file_index=0).split("/")


def locate_episodes(chunk: int) -> list[str]:
    """The path of the table of a chunk of episodes, by its parts."""
    return EPISODES_PATH.format(chunk_index=chunk, file_index=0).split("/")


def locate_video(episode: int) -> list[str]:
    """The path of the video of an episode, by its parts."""
    chunk, file = divmod(episode, EPISODES_PER_CHUNK)
    return VIDEO_PATH.format(video_key=CAMERA, chunk_index=chunk, file_index=file).split("/")


def get_task(clip: SceneClip) -> str:
    """The task of an episode: the caption of its clip, or an empty string."""
    return clip.caption or ""


def number_splits(episodes: Mapping[str, int]) -> dict[str, str]:
    """The spans of the splits, from how many episodes each has; episodes are numbered through them."""
    splits, first = {}, 0
    for split, count in episodes.items():
        if count:
            splits[split] = f"{first}:{first + count}"
        first += count
    return splits


def build_info(
    episodes: int,
    frames: int,
    *,
    splits: Mapping[str, str],
    tasks: int,
    rate: float,
    features: Mapping[str, Any],
) -> dict[str, Any]:
    """`meta/info.json` of so many episodes and frames."""
    return {
        "codebase_version": "v3.0",
        "fps": to_fps(rate),
        "features": features,
        "total_episodes": episodes,
        "total_frames": frames,
        "total_tasks": tasks,
        "chunks_size": EPISODES_PER_CHUNK,
        "data_files_size_in_mb": 100,
        "video_files_size_in_mb": 200,
        "data_path": DATA_PATH,
        "video_path": VIDEO_PATH,
        "robot_type": None,
        "splits": splits,
    }


def to_fps(rate: float) -> float:
    """A rate as an integer where it is one, as LeRobot writes it."""
    return int(rate) if float(rate).is_integer() else rate


def describe_camera(side: int, rate: float) -> dict[str, Any]:
    """The feature of the images."""
    return {
        "dtype": "video",
        "shape": [side, side, 3],
        "names": ["height", "width", "channels"],
        "info": {
            "video.fps": to_fps(rate),
            "video.height": side,
            "video.width": side,
            "video.channels": 3,
            "video.codec": "h264",
            "video.pix_fmt": "yuv420p",
            "video.is_depth_map": False,
            "is_depth_map": False,
            "has_audio": False,
        },
    }
