"""The Playground at `/`: the built page of `clients/web`, or a page that says that it is not built."""

import re
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Header, HTTPException, Request
from fastapi import Path as PathParameter
from fastapi.responses import FileResponse, HTMLResponse, Response

import service
from service.state import get_state

router = APIRouter(include_in_schema=False)
PACKAGED = Path(service.__file__).parent / "page"
FALLBACK = Path(__file__).with_name("page_missing.html")
# the build writes these beside each file; the first one that a browser takes is sent
ENCODINGS = {"br": ".br", "gzip": ".gz"}
REFUSED = re.compile(r"q=0(\.0{0,3})?")
MEDIA_TYPES = {
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".webp": "image/webp",
    ".mp4": "video/mp4",
    ".woff2": "font/woff2",
    ".wasm": "application/wasm",
}
# splats are sorted by WebAssembly in workers that are made from blobs; textures of meshes are blobs
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self' 'wasm-unsafe-eval'",
        "style-src 'self'",
        "img-src 'self' blob: data:",
        "media-src 'self' blob:",
        "font-src 'self'",
        "connect-src 'self' blob: data:",
        "worker-src 'self' blob:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
FALLBACK_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'"
HEADERS = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}


@router.get("/", response_class=HTMLResponse)
def get_page(http: Request) -> HTMLResponse:
    """The page; where it was not built, links to the reference and how to build it."""
    index = _find_folder(http) / "index.html"
    if index.is_file():
        headers = {**HEADERS, "Content-Security-Policy": POLICY, "Cache-Control": "no-cache"}
        return HTMLResponse(index.read_text(encoding="utf-8"), headers=headers)
    text = FALLBACK.read_text(encoding="utf-8").replace("VERSION", version("maquette-server"))
    return HTMLResponse(text, headers={**HEADERS, "Content-Security-Policy": FALLBACK_POLICY})


@router.get("/assets/{name}", response_class=FileResponse)
def get_asset(
    http: Request,
    name: Annotated[str, PathParameter(pattern=r"^[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}$")],
    accept_encoding: Annotated[str, Header()] = "",
) -> Response:
    """A script, a style or a picture of the page; its name contains its hash."""
    path = _find_folder(http) / "assets" / name
    media_type = MEDIA_TYPES.get(path.suffix)
    if media_type is None or not path.is_file():
        raise HTTPException(404)
    headers = {**HEADERS, "Cache-Control": "public, max-age=31536000, immutable", "Vary": "Accept-Encoding"}
    accepted = _list_accepted(accept_encoding)
    for encoding, suffix in ENCODINGS.items():
        packed = path.with_name(name + suffix)
        if encoding in accepted and packed.is_file():
            headers["Content-Encoding"] = encoding
            return FileResponse(packed, headers=headers, media_type=media_type)
    return FileResponse(path, headers=headers, media_type=media_type)


def _list_accepted(header: str) -> set[str]:
    """The encodings of an Accept-Encoding header but for those of weight zero (RFC 9110, 12.5.3)."""
    items = [item.partition(";") for item in header.split(",")]
    return {name.strip() for name, _, weight in items if not REFUSED.fullmatch(weight.strip())}


def _find_folder(http: Request) -> Path:
    return get_state(http).settings.page_folder or PACKAGED
