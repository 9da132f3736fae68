"""Keys as they were looked up lately: what is revoked still works for as long as they are kept."""

import time
from contextlib import suppress

from sqlalchemy.exc import OperationalError

from storage.ledger import ApiKey, Database, keys

CACHE_SIZE = 10_000


class KeyRing:
    """Looks keys up, and caches open ones for a short while."""

    def __init__(self, db: Database, cache_seconds: float) -> None:
        self._db = db
        self._seconds = cache_seconds
        self._known: dict[str, tuple[float, ApiKey]] = {}

    def get_cached(self, secret: str) -> ApiKey | None:
        """A key that was looked up recently."""
        return self._get_known(keys.hash_key(secret))

    def find(self, secret: str) -> ApiKey | None:
        """A key by its secret, from the ledger."""
        key = keys.find(self._db, secret)
        if key is not None:
            self._keep(keys.hash_key(secret), key)
            with suppress(OperationalError):
                # a locked ledger must not keep anybody out
                keys.record_use(self._db, key)
        return key

    def find_by_id(self, key_id: str) -> ApiKey | None:
        """A key by its id, for the links that it has made."""
        key = self._get_known(key_id)
        if key is None:
            key = keys.find_by_id(self._db, key_id)
            if key is not None:
                self._keep(key_id, key)
        return key

    def discard(self, key_id: str) -> None:
        """Forget a key that was revoked here; other gateways keep it for as long as they keep keys."""
        self._known = {name: known for name, known in self._known.items() if known[1].id != key_id}

    def _get_known(self, name: str) -> ApiKey | None:
        known = self._known.get(name)
        return known[1] if known and known[0] > time.monotonic() else None

    def _keep(self, name: str, key: ApiKey) -> None:
        if len(self._known) >= CACHE_SIZE:
            self._known.clear()
        left = self._seconds if key.remaining_seconds is None else key.remaining_seconds
        self._known[name] = (time.monotonic() + min(self._seconds, left), key)
