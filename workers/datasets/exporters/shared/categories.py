"""Names of tracks as the categories of a format."""

from workers.datasets.exporters.export_writer import ExportWriter
from workers.datasets.scene_clip import SceneClip
from workers.datasets.schema import TrackRow


def get_category_name(track: TrackRow) -> str:
    """The category of a track: its phrase, else the label of the engine."""
    return track.concept or track.label or "object"


def index_tracks(clip: SceneClip) -> dict[int, TrackRow]:
    """The kept tracks of a clip by id."""
    return {track.track: track for track in clip.tracks}


def number_categories(writer: ExportWriter) -> dict[str, int]:
    """Every category of a track and every phrase of a job, numbered from 1 in alphabetical order."""
    names = {get_category_name(track) for clip in writer.clips() for track in clip.tracks}
    names |= {row.phrase for clip in writer.clips() for row in clip.concepts}
    return {name: number for number, name in enumerate(sorted(names), 1)}
