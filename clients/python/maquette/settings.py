"""The client's settings: the only module of this package that reads the environment."""

import os
from dataclasses import dataclass, field

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
        """Take the arguments, else MAQUETTE_URL and MAQUETTE_API_KEY, else the embedded stack's address."""
        base = url or os.environ.get(URL_VARIABLE) or DEFAULT_URL
        return cls(base.rstrip("/"), api_key or os.environ.get(API_KEY_VARIABLE) or None, join_running)

    def headers(self) -> dict[str, str]:
        """Return the headers of every request."""
        headers = {"User-Agent": "maquette-python"}
        if self.api_key:
            headers["Authorization"] = f"Bearer {self.api_key}"
        return headers
