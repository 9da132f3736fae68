"""Names and paths of a LeRobot v3.0 folder."""

from typing import Any

from workers.datasets.exporters.shared.action_space import ActionSpace
from workers.datasets.scene_clip import SceneClip

CAMERA = "observation.images.main"
EPISODES_PER_CHUNK = 1000
DATA_PATH = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
VIDEO_PATH = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"


def locate_data_file(chunk: int) -> list[str]:
    """The path of the Parquet file of a chunk of episodes, by its parts."""
    return DATA_PATH.format(chunk_index=chunk, file_index=0).split("/")


def locate_video(episode: int) -> list[str]:
    """The path of the video of an episode, by its parts."""
    chunk, file = divmod(episode, EPISODES_PER_CHUNK)
    return VIDEO_PATH.format(video_key=CAMERA, chunk_index=chunk, file_index=file).split("/")


def get_task(clip: SceneClip) -> str:
    """The task of an episode: the caption of its clip, or an empty string."""
    return clip.caption or ""


def build_info(
    clips_by_split: dict[str, list[SceneClip]],
    *,
    tasks: int,
    frames: int,
    rate: float,
    side: int,
    actions: ActionSpace | None,
) -> dict[str, Any]:
    """`meta/info.json`; episodes are numbered through the splits in order."""
    splits, first = {}, 0
    for split, clips in clips_by_split.items():
        if clips:
            splits[split] = f"{first}:{first + len(clips)}"
        first += len(clips)
    fps = int(rate) if float(rate).is_integer() else rate
    return {
        "codebase_version": "v3.0",
        "robot_type": None,
        "total_episodes": first,
        "total_frames": frames,
        "total_tasks": tasks,
        "chunks_size": EPISODES_PER_CHUNK,
        "data_files_size_in_mb": 100,
        "video_files_size_in_mb": 200,
        "fps": fps,
        "splits": splits,
        "data_path": DATA_PATH,
        "video_path": VIDEO_PATH,
        "features": _build_features(fps, side, actions),
    }


def _build_features(fps: float, side: int, actions: ActionSpace | None) -> dict[str, Any]:
    features: dict[str, Any] = {
        CAMERA: {
            "dtype": "video",
            "shape": [side, side, 3],
            "names": ["height", "width", "channels"],
            "info": {
                "video.fps": fps,
                "video.height": side,
                "video.width": side,
                "video.channels": 3,
                "video.codec": "h264",
                "video.pix_fmt": "yuv420p",
                "video.is_depth_map": False,
                "has_audio": False,
            },
        }
    }
    if actions is not None:
        shape = [len(actions.names)]
        features["action"] = {"dtype": "float32", "shape": shape, "names": list(actions.names)}
    features["timestamp"] = {"dtype": "float32", "shape": [1], "names": None}
    for name in ("frame_index", "episode_index", "index", "task_index"):
        features[name] = {"dtype": "int64", "shape": [1], "names": None}
    return features
