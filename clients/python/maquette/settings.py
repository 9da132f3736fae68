"""The client's settings: the only module of this package that reads the environment."""

import os
from dataclasses import dataclass, field
from urllib.parse import urlsplit

URL_VARIABLE = "MAQUETTE_URL"
API_KEY_VARIABLE = "MAQUETTE_API_KEY"
DEFAULT_PORT = 8700
DEFAULT_URL = f"http://127.0.0.1:{DEFAULT_PORT}"


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """Where the service is, which key opens it, and whether a request joins the job that it already has."""

    url: str
    api_key: str | None = field(default=None, repr=False)
    join_running: bool = False

    @classmethod
    def load(
        cls, url: str | None = None, api_key: str | None = None, *, join_running: bool = False
    ) -> "ClientSettings":
        """Take the arguments, else MAQUETTE_URL and MAQUETTE_API_KEY, else the embedded stack's address.

        Raises ConnectionFailed for what is no address, MaquetteError for what no key can be.
        """
        base = (url or os.environ.get(URL_VARIABLE) or DEFAULT_URL).strip().rstrip("/")
        _check_url(base)
        # a file or a terminal adds line ends
        key = (api_key or os.environ.get(API_KEY_VARIABLE) or "").strip()
        if not (key.isascii() and key.isprintable()) or " " in key:
            from maquette.errors import MaquetteError

            raise MaquetteError("the API key holds characters that no key has: copy it again")
        return cls(base, key or None, join_running)

    def headers(self) -> dict[str, str]:
        """Return the headers of every request."""
        headers = {"User-Agent": "maquette-python"}
        if self.api_key:
            headers["Authorization"] = f"Bearer {self.api_key}"
        return headers


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        # the port is read when it is asked for
        is_usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_usable = False
    if not is_usable or not url.isprintable() or " " in url:
        # errors import httpx, which a command that only prints help does not need
        from maquette.errors import ConnectionFailed

        raise ConnectionFailed(f"{url!r} is not the address of a service, such as {DEFAULT_URL}")
