"""Artefacts of results: read them, or save them to files."""

from pathlib import Path

from maquette._async.http import AsyncHttpClient
from maquette.contract import Artefact, Manifest
from maquette.errors import MaquetteError
from maquette.hashing import sha256
from maquette.http import HttpRequest


async def read_artefact(http: AsyncHttpClient, artefact: Artefact) -> bytes:
    """Return the bytes of an artefact."""
    response = await http.send(HttpRequest(method="GET", path=f"/v1/artefacts/{artefact.sha256}"))
    return response.content


async def save_artefact(http: AsyncHttpClient, artefact: Artefact, folder: Path) -> Path:
    """Save an artefact under its name, unless it is there; raises MaquetteError for a wrong hash."""
    target = folder / Path(artefact.name).name
    if target.is_file() and sha256(target).hex() == artefact.sha256:
        return target
    await http.send(HttpRequest(method="GET", path=f"/v1/artefacts/{artefact.sha256}", save_to=target))
    if sha256(target).hex() != artefact.sha256:
        target.unlink()
        raise MaquetteError(f"{artefact.name} arrived damaged: save again")
    return target


async def save_result(http: AsyncHttpClient, manifest: Manifest, folder: Path) -> Path:
    """Save every artefact, and the manifest as `result.json`; returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for artefact in manifest.artefacts:
        await save_artefact(http, artefact, folder)
    (folder / "result.json").write_text(manifest.model_dump_json(indent=1) + "\n")
    return folder
