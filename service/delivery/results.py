"""Jobs as clients receive them; manifests are read from the artefacts through a bounded cache."""

import json
import threading
import time
from collections import OrderedDict
from datetime import UTC, datetime

from maquette.contract import Job, Manifest

from storage.artefacts import ArtefactStore
from storage.ledger import JobRow

# bytes of JSON whose manifests stay parsed; chosen, not measured
CACHE_BYTES = 64 << 20
# a manifest that another gateway has deleted is served for this long at most
CACHE_SECONDS = 60.0


class ResultCache:
    """Manifests by hash; they never change, but may be deleted: each is read again after CACHE_SECONDS."""

    def __init__(self, store: ArtefactStore) -> None:
        self._store = store
        # by hash: when it was read, the bytes of its JSON, and what it says
        self._known: OrderedDict[str, tuple[float, int, Manifest]] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def get_manifest(self, sha256: str) -> Manifest:
        """A manifest; raises ArtefactMissing."""
        with self._lock:
            self._discard_old()
            if sha256 in self._known:
                return self._known[sha256][2]
        data = self._store.get(sha256)
        manifest = Manifest.model_validate_json(data)
        with self._lock:
            if sha256 not in self._known:
                self._known[sha256] = (time.monotonic(), len(data), manifest)
                self._bytes += len(data)
            while self._bytes > CACHE_BYTES and len(self._known) > 1:
                self._bytes -= self._known.popitem(last=False)[1][1]
        return manifest

    def discard(self, sha256: str) -> None:
        """Forget a manifest that was deleted."""
        with self._lock:
            known = self._known.pop(sha256, None)
            self._bytes -= 0 if known is None else known[1]

    def _discard_old(self) -> None:
        """Forget what was read too long ago; the oldest stands first."""
        oldest = time.monotonic() - CACHE_SECONDS
        while self._known and next(iter(self._known.values()))[0] < oldest:
            self._bytes -= self._known.popitem(last=False)[1][1]


def to_job(row: JobRow, results: ResultCache | None = None) -> Job:
    """A row as a job; with `results` it includes its request and its result."""
    return Job.model_validate(
        {
            "id": row.id,
            "kind": row.kind,
            "state": row.state,
            "engine": row.engine,
            "created_at": to_datetime(row.created_at),
            "started_at": to_datetime(row.started_at),
            "finished_at": to_datetime(row.finished_at),
            "attempt": row.attempt,
            "cancel_requested": row.cancel_requested_at is not None,
            "progress": row.progress,
            "problem": row.problem,
            "result_sha256": row.manifest_sha256,
            "result": results.get_manifest(row.manifest_sha256) if results and row.manifest_sha256 else None,
            "request": None if results is None else json.loads(row.request),
        }
    )


def to_datetime(seconds: float | None) -> datetime | None:
    """Seconds since the epoch as UTC."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
