"""Bodies of JSON requests are limited while they are read."""

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class BodyLimit:
    """Ends a request with 413 once its body passes `limit` bytes, except under the paths in `free`."""

    def __init__(self, app: ASGIApp, limit: int, free: tuple[str, ...]) -> None:
        self._app = app
        self._limit = limit
        self._free = free

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST" or scope["path"] in self._free:
            await self._app(scope, receive, send)
            return
        received = 0

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._limit:
                # FastAPI passes an HTTPException on from reading the body, and nothing else
                detail = f"the body is larger than {self._limit:,} bytes: upload media with POST /v1/uploads"
                raise HTTPException(413, detail)
            return message

        await self._app(scope, counted, send)
