"""Artefacts of results: read them, or save them to files."""

from pathlib import Path

from maquette._async.http import AsyncHttpClient
from maquette.contract import Artefact, ArtefactLink, MakeLink, Manifest
from maquette.errors import Gone, MaquetteError, artefacts_gone, invalid_requests
from maquette.http import HttpRequest
from maquette.result_files import (
    MANIFEST_FILE,
    dump_manifest,
    holds_artefact,
    naming_unwritable,
    place_artefacts,
    writing_whole,
)


async def read_artefact(http: AsyncHttpClient, artefact: Artefact) -> bytes:
    """Return the bytes of an artefact."""
    response = await http.send(HttpRequest(method="GET", path=f"/v1/artefacts/{artefact.sha256}"))
    return response.content


async def save_artefact(http: AsyncHttpClient, artefact: Artefact, target: Path) -> Path:
    """Save an artefact to a file, unless it is there.

    Raises MaquetteError for a wrong hash, OutputNotWritten where the disk is full or read-only.
    """
    if holds_artefact(target, artefact):
        return target
    with writing_whole(target) as partial:
        await http.send(HttpRequest(method="GET", path=f"/v1/artefacts/{artefact.sha256}", save_to=partial))
        if not holds_artefact(partial, artefact):
            partial.unlink()
            raise MaquetteError(f"{artefact.name} arrived damaged: save again")
    return target


async def save_result(http: AsyncHttpClient, manifest: Manifest, folder: Path) -> Path:
    """Save every artefact under its name, and the manifest as `result.json`; returns the folder.

    A name that is not safe on this machine, or that another artefact has, is changed. Raises Gone, once all
    others are saved, where the service has lost files, and OutputNotWritten where the disk is full or
    read-only.
    """
    with naming_unwritable(folder):
        folder.mkdir(parents=True, exist_ok=True)
    lost: list[str] = []
    for artefact, file in place_artefacts(manifest, folder):
        try:
            await save_artefact(http, artefact, file)
        except Gone:
            lost.append(artefact.name)
    with writing_whole(folder / MANIFEST_FILE) as listing:
        listing.write_bytes(dump_manifest(manifest).encode())
    if lost:
        raise artefacts_gone(lost, folder)
    return folder


async def delete_artefact(http: AsyncHttpClient, artefact: Artefact | str) -> None:
    """Delete an artefact."""
    digest = artefact if isinstance(artefact, str) else artefact.sha256
    await http.send(HttpRequest(method="DELETE", path=f"/v1/artefacts/{digest}"))


async def link_artefact(http: AsyncHttpClient, artefact: Artefact | str, expires_seconds: int) -> str:
    """Make a link to an artefact and return its address."""
    digest = artefact if isinstance(artefact, str) else artefact.sha256
    with invalid_requests():
        request = MakeLink(expires_seconds=expires_seconds)
    response = await http.send(
        HttpRequest(
            method="POST",
            path=f"/v1/artefacts/{digest}/links",
            headers={"Content-Type": "application/json"},
            content=request.model_dump_json().encode(),
        )
    )
    return http.url + ArtefactLink.model_validate_json(response.content).path
