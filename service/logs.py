"""The gateway's log: text or JSON lines on standard error, with one line per request."""

import json
import logging
import time
from datetime import UTC, datetime
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

access = logging.getLogger("service.access")
# probes come every few seconds, all day: those that succeed are logged for debugging alone
PROBES = frozenset({"/healthz", "/readyz"})
# what a response that never started counts as: the server answers 500 in its place
FAILED = 500
TEXT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


class JsonFormatter(logging.Formatter):
    """One JSON object per line: time (UTC), level, logger, message, and the fields of requests."""

    def format(self, record: logging.LogRecord) -> str:
        """Return a record as one line."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "request", {}),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


class AccessLogMiddleware:
    """Logs each request once it has been answered: who, what, status, bytes and milliseconds.

    Neither queries nor headers are logged: they may hold secrets.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start, status, sent = time.perf_counter(), FAILED, 0

        async def send_counted(message: Message) -> None:
            nonlocal status, sent
            if message["type"] == "http.response.start":
                status = message["status"]
            sent += len(message.get("body", b""))
            await send(message)

        try:
            await self._app(scope, receive, send_counted)
        finally:
            _log_request(scope, status, sent, time.perf_counter() - start)


def _log_request(scope: Scope, status: int, sent: int, seconds: float) -> None:
    level = logging.DEBUG if scope["path"] in PROBES and status < 400 else logging.INFO
    if not access.isEnabledFor(level):
        return
    key = scope.get("maquette.key")
    # as it was sent: what is encoded in it cannot forge a line
    path = (scope.get("raw_path") or scope["path"].encode()).decode("ascii", "backslashreplace")
    request = {
        "client": scope["client"][0] if scope.get("client") else None,
        "tenant": key.tenant if key else None,
        "method": scope["method"],
        "path": path,
        "status": status,
        "bytes": sent,
        "milliseconds": round(1e3 * seconds, 1),
    }
    text = "{client} {tenant} {method} {path} {status} {bytes} B {milliseconds} ms"
    shown = {name: "-" if value is None else value for name, value in request.items()}
    access.log(level, text.format(**shown), extra={"request": request})


def build_log_config(*, as_json: bool, level: str) -> dict[str, Any]:
    """Return the configuration of all loggers, for `logging.config.dictConfig`."""
    formatter = {"()": JsonFormatter} if as_json else {"format": TEXT}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": formatter},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
        "root": {"level": level.upper(), "handlers": ["stderr"]},
        # queries of the HTTP client and steps of migrations are of no interest to operators
        "loggers": {name: {"level": "WARNING"} for name in ("httpx", "httpcore", "alembic", "botocore")},
    }
