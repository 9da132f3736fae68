"""A Redis transport for processes that only publish: it reuses its client for all messages."""

from typing import Any

from kombu.transport import redis


class Channel(redis.Channel):
    """Kombu builds a client for each message, which costs a quarter of a publish."""

    _kept: Any = None

    # the stubs of kombu do not know this method
    def _create_client(self, asynchronous: bool = False) -> Any:
        if asynchronous:
            return super()._create_client(asynchronous=True)  # type: ignore[misc]
        # a new pool means that the connection was lost
        if self._kept is None or self._kept.connection_pool is not self.pool:
            self._kept = super()._create_client()  # type: ignore[misc]
        return self._kept


class Transport(redis.Transport):
    """Redis with reused clients."""

    Channel = Channel
