"""What RFC 9110 says of every request, and the server and the framework leave out."""

from collections.abc import Sequence

from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

WHITESPACE = b" \t"
# a stream without an end has no headers to ask for
STREAMS = "/events"


def answers_head(routes: Sequence[BaseRoute], scope: Scope) -> bool:
    """Whether HEAD is answered for a path as GET is, because no route has an answer of its own."""
    if scope["path"].endswith(STREAMS):
        return False
    has_own, has_get = (
        any(route.matches({**scope, "method": method})[0] is Match.FULL for route in routes)
        for method in ("HEAD", "GET")
    )
    return has_get and not has_own


class HttpSemantics:
    """Drops whitespace around the values of fields (5.5), and answers HEAD as GET (9.3.2).

    The server sends no body in answer to HEAD.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope["headers"] = [(name, value.strip(WHITESPACE)) for name, value in scope["headers"]]
        method = scope["method"]
        as_get = method == "HEAD" and answers_head(scope["app"].routes, scope)
        inner = {**scope, "method": "GET" if as_get else method}

        async def send_known(message: Message) -> None:
            # the log and the metrics read what was found out, such as the route, when the answer begins
            scope.update(inner, method=method)
            await send(message)

        await self._app(inner, receive, send_known)
