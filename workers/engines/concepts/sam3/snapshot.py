"""Nested state with tensors as safetensors bytes: no pickle is written or read.

Plain values go into the file's header as JSON. Containers other than lists are marked, so that sets, tuples
and dictionaries with number or tuple keys come back as they were; tensors that are one object stay one.
"""

import json
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors

from workers.engines.concepts.sam3.json_tree import pack, unpack

FORMAT = "maquette-sam3-video-3"


def dump_snapshot(state: Any, signature: dict[str, Any]) -> bytes:
    """The state as bytes; `signature` is JSON that a tracker must share to resume from it."""
    tensors: dict[str, Any] = {}
    names: dict[int, str] = {}

    def keep(value: Any) -> str:
        name = names.get(id(value))
        if name is None:
            name = names[id(value)] = f"t{len(tensors)}"
            tensors[name] = value.detach().cpu().clone(memory_format=torch.contiguous_format)
        return name

    tree = pack(state, torch.Tensor, keep)
    # one entry: the order of several in the file is not fixed, and equal states have equal bytes
    head = json.dumps({"format": FORMAT, "signature": signature, "tree": tree}, sort_keys=True)
    return bytes(save_tensors(tensors or {"none": torch.zeros(1)}, metadata={"state": head}))


def load_snapshot(data: bytes, signature: dict[str, Any], device: Any) -> Any:
    """The state of `dump_snapshot`, tensors on the device.

    Raises ValueError for other bytes or another signature.
    """
    try:
        length = int.from_bytes(data[:8], "little")
        head = json.loads(json.loads(data[8 : 8 + length])["__metadata__"]["state"])
        tensors = {name: value.to(device) for name, value in load_tensors(data).items()}
    except (SafetensorError, KeyError, TypeError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError("these bytes are not a snapshot of a SAM 3 tracker") from error
    if head["format"] != FORMAT:
        raise ValueError(f"the snapshot is {head['format']}, not {FORMAT}")
    if head["signature"] != json.loads(json.dumps(signature)):
        raise ValueError("the snapshot was made by another model, or for other prompts")
    return unpack(head["tree"], tensors)


def count_tensor_bytes(state: Any) -> int:
    """The bytes of all tensor storages in a nested state, each counted once however often it is shared."""
    storages: dict[int, int] = {}

    def count(value: Any) -> str:
        storage = value.untyped_storage()
        storages[storage.data_ptr()] = storage.nbytes()
        return ""

    pack(state, torch.Tensor, count)
    return sum(storages.values())
