"""Artefacts of results: read them, or save them to files."""

from pathlib import Path

from maquette._async.http import AsyncHttpClient
from maquette.contract import Artefact, Manifest
from maquette.errors import Gone, MaquetteError, artefacts_gone
from maquette.hashing import sha256
from maquette.http import HttpRequest
from maquette.names import UniqueNames, split_suffix

MANIFEST_FILE = "result.json"


async def read_artefact(http: AsyncHttpClient, artefact: Artefact) -> bytes:
    """Return the bytes of an artefact."""
    response = await http.send(HttpRequest(method="GET", path=f"/v1/artefacts/{artefact.sha256}"))
    return response.content


async def save_artefact(http: AsyncHttpClient, artefact: Artefact, target: Path) -> Path:
    """Save an artefact to a file, unless it is there; raises MaquetteError for a wrong hash."""
    if target.is_file() and sha256(target).hex() == artefact.sha256:
        return target
    await http.send(HttpRequest(method="GET", path=f"/v1/artefacts/{artefact.sha256}", save_to=target))
    if sha256(target).hex() != artefact.sha256:
        target.unlink()
        raise MaquetteError(f"{artefact.name} arrived damaged: save again")
    return target


async def save_result(http: AsyncHttpClient, manifest: Manifest, folder: Path) -> Path:
    """Save every artefact under its name, and the manifest as `result.json`; returns the folder.

    A name that is not safe on this machine, or that another artefact has, is changed. Raises Gone, once all
    others are saved, where the service has lost files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    names = UniqueNames([MANIFEST_FILE])
    lost: list[str] = []
    for artefact in manifest.artefacts:
        try:
            await save_artefact(http, artefact, folder / names.add(*split_suffix(artefact.name)))
        except Gone:
            lost.append(artefact.name)
    (folder / MANIFEST_FILE).write_text(manifest.model_dump_json(indent=1) + "\n", encoding="utf-8")
    if lost:
        raise artefacts_gone(lost, folder)
    return folder


async def delete_artefact(http: AsyncHttpClient, artefact: Artefact | str) -> None:
    """Delete an artefact."""
    digest = artefact if isinstance(artefact, str) else artefact.sha256
    await http.send(HttpRequest(method="DELETE", path=f"/v1/artefacts/{digest}"))
