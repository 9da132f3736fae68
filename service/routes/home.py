"""The page at `/`: where things are, for people who open the address in a browser."""

from importlib.metadata import version

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

router = APIRouter(include_in_schema=False)
PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Maquette</title>
<style>
  body { font: 16px/1.5 system-ui, sans-serif; max-width: 40rem; margin: 3rem auto; padding: 0 1rem; }
  code { background: #8883; padding: .1em .3em; border-radius: .2em; }
</style>
<h1>Maquette VERSION</h1>
<p>Segmentation to 3D, as a service. This is the gateway; requests need an API key.</p>
<ul>
  <li><a href="docs">API reference</a> and its <a href="openapi.json">OpenAPI document</a></li>
  <li><a href="readyz">Is it ready?</a></li>
  <li>Python: <code>pip install maquette</code>, then <code>Maquette("ADDRESS", api_key="mq_…")</code></li>
  <li>Command line: <code>maquette segment photo.jpg --text person --out out</code></li>
</ul>
</html>
"""


@router.get("/", response_class=HTMLResponse)
async def home() -> HTMLResponse:
    """A page with links to the reference."""
    policy = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'"
    page = PAGE.replace("VERSION", version("maquette-server"))
    return HTMLResponse(page, headers={"Content-Security-Policy": policy})
