"""What the model of a random history knows of a job, and the manifest that the job leaves."""

import json
from dataclasses import dataclass, field

from storage.ledger import JobRow


@dataclass(slots=True)
class ModelJob:
    """What is known of a job; `made` is in the store, `shown` are its artefacts.

    `kept` is what its manifest names.
    """

    row: JobRow
    reads: set[str]
    source: str | None = None
    made: set[str] = field(default_factory=set)
    shown: set[str] = field(default_factory=set)
    kept: set[str] = field(default_factory=set)
    is_open: bool = True
    age: float = 0.0


def build_manifest(hashes: set[str], job_id: str) -> bytes:
    """The manifest of a segment job with artefacts of these hashes."""
    content = {
        "result": {"kind": "segment", "width": 4, "height": 4, "instances": []},
        "artefacts": [
            {"name": sha256[:8], "role": "masks", "sha256": sha256, "media_type": "a/b", "bytes": 9}
            for sha256 in sorted(hashes)
        ],
        "provenance": {"code_version": "0", "engines": [], "seed": 0, "parameters": {}, "sources": []},
        "reason": job_id,
    }
    return json.dumps(content).encode()
