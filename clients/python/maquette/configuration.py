"""Where the service is, from arguments or the environment."""

import os

DEFAULT_URL = "http://127.0.0.1:8700"


def resolve(url: str | None, api_key: str | None) -> tuple[str, dict[str, str]]:
    """The base address and the headers of every request."""
    base = url or os.environ.get("MAQUETTE_URL") or DEFAULT_URL
    key = api_key or os.environ.get("MAQUETTE_API_KEY")
    headers = {"User-Agent": "maquette-python"}
    if key:
        headers["Authorization"] = f"Bearer {key}"
    return base.rstrip("/"), headers
