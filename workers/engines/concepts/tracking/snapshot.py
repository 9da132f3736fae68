"""The tracker's state as npz bytes and back: one JSON header and plain arrays, no pickle."""

import io
import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workers.engines.concepts.tracking.identity_snapshot import dump_identities, load_identities
from workers.engines.concepts.tracking.state import Track, TrackerState

FORMAT = 4
_SCALARS = (
    *("id", "strand", "prompt", "label", "score", "area", "velocity", "missed", "lost_at"),
    *("corrected_at", "interval"),
    *("twin", "in_contact", "rival", "entry_velocity", "frames_apart"),
)
_VECTORS = ("velocity", "entry_velocity")


def dump_state(state: TrackerState, prompts: dict[str, Any]) -> bytes:
    """The state as bytes; `prompts` is the signature of the prompts that the tracker was started with."""
    identities, identity_arrays = dump_identities(state.identities, state.held)
    header = {
        "format": FORMAT,
        "prompts": prompts,
        "frames": state.frames,
        "keyframe": state.last_key_frame,
        "next_id": state.next_id,
        "size": list(state.size),
        "removed": state.removed,
        "tracks": [{name: getattr(track, name) for name in _SCALARS} for track in state.tracks],
        "identities": identities,
    }
    arrays: dict[str, NDArray[Any]] = {
        "header": np.frombuffer(json.dumps(header).encode(), np.uint8),
        "small": state.flow_image,
        **identity_arrays,
    }
    for index, track in enumerate(state.tracks):
        arrays[f"soft{index}"] = track.amodal
        arrays[f"visible{index}"] = track.visible
        arrays[f"look{index}"] = track.histogram
    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays)  # type: ignore[arg-type]
    return stream.getvalue()


def load_state(data: bytes, prompts: dict[str, Any]) -> TrackerState:
    """The state of `dump_state`; raises ValueError for other bytes and for a snapshot of other prompts."""
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            header = json.loads(arrays["header"].tobytes())
            if header["format"] != FORMAT:
                raise ValueError(f"format {header['format']} is not {FORMAT}")
            state = _read_state(header, arrays)
    except Exception as error:
        raise ValueError(f"not a snapshot of this tracker: {error}") from error
    if header["prompts"] != prompts:
        raise ValueError("the snapshot was made with other prompts")
    return state


def _read_scalars(scalars: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if name in _VECTORS else value for name, value in scalars.items()}


def _read_state(header: dict[str, Any], arrays: Any) -> TrackerState:
    tracks = [
        Track(
            amodal=arrays[f"soft{index}"],
            visible=arrays[f"visible{index}"],
            histogram=arrays[f"look{index}"],
            **_read_scalars(scalars),
        )
        for index, scalars in enumerate(header["tracks"])
    ]
    height, width = header["size"]
    identities, held = load_identities(header["identities"], arrays)
    return TrackerState(
        frames=header["frames"],
        last_key_frame=header["keyframe"],
        next_id=header["next_id"],
        size=(height, width),
        flow_image=arrays["small"],
        tracks=tracks,
        removed=header["removed"],
        identities=identities,
        held=held,
    )
