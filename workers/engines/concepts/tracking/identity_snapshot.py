"""Who is who, and the results that wait for it, as JSON and plain arrays and back."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workers.engines.concepts.identity.link_odds import End, Moment
from workers.engines.concepts.tracking.identity_state import (
    Ending,
    HeldFrame,
    HeldObject,
    IdentityState,
    Strand,
    Stretch,
)

Arrays = dict[str, NDArray[Any]]
# what of an object that waits is stored in arrays
_ARRAYS = ("halves", "packed", "soft")
_VECTORS = ("center", "velocity")


def dump_identities(state: IdentityState, held: Sequence[HeldFrame]) -> tuple[dict[str, Any], Arrays]:
    """JSON and arrays of a state between two frames, when all masks that wait are packed."""
    arrays: Arrays = {}
    strands = [
        {
            "number": number,
            **{name: getattr(strand, name) for name in ("prompt", "seen_at", "measured_at")},
            **{name: getattr(strand, name) for name in ("is_certain", "since")},
            "stretch": _dump_stretch(strand.stretch, f"stretch{number}", arrays),
            "before": _dump_ending(strand.before, f"before{number}", arrays),
        }
        for number, strand in state.strands.items()
    ]
    arrays |= {f"halves{number}": strand.halves for number, strand in state.strands.items()}
    endings = [_dump_ending(item, f"ending{place}", arrays) for place, item in enumerate(state.endings)]
    frames = []
    for place, frame in enumerate(held):
        objects = [
            {name.name: getattr(item, name.name) for name in fields(item) if name.name not in _ARRAYS}
            | {"bytes": len(item.packed), "has_halves": item.halves is not None}
            for item in frame.objects
        ]
        frames.append(
            {name: getattr(frame, name) for name in ("index", "pts", "clock", "removed", "shape")}
            | {"objects": objects}
        )
        packed = b"".join(item.packed for item in frame.objects)
        arrays[f"packed{place}"] = np.frombuffer(packed, np.uint8)
        known = [item.halves for item in frame.objects if item.halves is not None]
        arrays[f"colors{place}"] = np.stack(known) if known else np.zeros((0, 0), np.float16)
    header = {"clock": state.clock, "time": state.time, "interval": state.interval}
    return header | {"strands": strands, "endings": endings, "held": frames}, arrays


def load_identities(
    header: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]
) -> tuple[IdentityState, list[HeldFrame]]:
    """What `dump_identities` was given."""
    strands = {}
    for item in header["strands"]:
        number = item.pop("number")
        stretch = _load_stretch(item.pop("stretch"), f"stretch{number}", arrays)
        before = _load_ending(item.pop("before"), f"before{number}", arrays)
        halves = arrays[f"halves{number}"]
        strands[number] = Strand(halves=halves, stretch=stretch, before=before, **item)
    endings = [_load_ending(item, f"ending{place}", arrays) for place, item in enumerate(header["endings"])]
    state = IdentityState(
        clock=header["clock"],
        time=header["time"],
        interval=header["interval"],
        strands=strands,
        endings=[item for item in endings if item is not None],
    )
    return state, [_load_frame(item, place, arrays) for place, item in enumerate(header["held"])]


def _load_frame(item: Mapping[str, Any], place: int, arrays: Mapping[str, NDArray[Any]]) -> HeldFrame:
    packed, colors = arrays[f"packed{place}"].tobytes(), iter(arrays[f"colors{place}"])
    objects, start = [], 0
    for stored in item["objects"]:
        stop = start + stored.pop("bytes")
        halves = next(colors) if stored.pop("has_halves") else None
        stored["flags"], stored["extent"] = tuple(stored["flags"]), tuple(stored["extent"])
        objects.append(HeldObject(packed=packed[start:stop], halves=halves, **stored))
        start = stop
    height, width = item["shape"]
    rest = {name: item[name] for name in ("index", "pts", "clock", "removed")}
    return HeldFrame(shape=(height, width), objects=objects, **rest)


def _dump_stretch(stretch: Stretch | None, name: str, arrays: Arrays) -> dict[str, Any] | None:
    if stretch is None:
        return None
    arrays[name] = stretch.colors
    return {
        "opening": stretch.opening,
        "recent": stretch.recent,
        "pixels": stretch.pixels,
        "is_settled": stretch.is_settled,
    }


def _load_stretch(
    item: dict[str, Any] | None, name: str, arrays: Mapping[str, NDArray[Any]]
) -> Stretch | None:
    if item is None:
        return None
    opening, recent = ([Moment(*values) for values in item.pop(key)] for key in ("opening", "recent"))
    return Stretch(colors=arrays[name], opening=opening, recent=recent, **item)


def _dump_ending(ending: Ending | None, name: str, arrays: Arrays) -> dict[str, Any] | None:
    if ending is None:
        return None
    arrays[name] = ending.look
    end = {
        key: value.tolist() if key in ("center", "velocity") else value for key, value in _items(ending.end)
    }
    return {"id": ending.id, "prompt": ending.prompt, "end": end}


def _items(end: End) -> list[tuple[str, Any]]:
    return [(item.name, getattr(end, item.name)) for item in fields(end)]


def _load_ending(item: dict[str, Any] | None, name: str, arrays: Mapping[str, NDArray[Any]]) -> Ending | None:
    if item is None:
        return None
    vectors = {key: np.array(item["end"][key], np.float64) for key in ("center", "velocity")}
    return Ending(
        id=item["id"], prompt=item["prompt"], end=End(**{**item["end"], **vectors}), look=arrays[name]
    )
