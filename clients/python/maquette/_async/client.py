"""The client of a Maquette service."""

from collections.abc import AsyncIterator, Iterable
from typing import Any, Self

import httpx

from maquette._async import artefacts, jobs, keys, sessions, tenants, uploads
from maquette._async.http import AsyncHttpClient
from maquette._async.job_methods import AsyncJobSubmitter
from maquette._async.jobs import AsyncJob
from maquette._async.sessions import AsyncVideoSession
from maquette.contract import Artefact, AuditEntry, Engine, Engines, Erasure, Key, Media, MediaRef, Usage
from maquette.contract.defaults import KEY, LINK, ROTATION, SESSION
from maquette.http import HttpRequest
from maquette.inputs import MediaInput, Phrases
from maquette.progress import UploadCallback
from maquette.settings import ClientSettings


class AsyncMaquette(AsyncJobSubmitter):
    """Client of a Maquette service; close it, or use it as a context manager.

    `url` and `api_key` default to MAQUETTE_URL and MAQUETTE_API_KEY. Failed requests are repeated up to
    `retries` times. With `join_running`, a request that has a queued or running job already returns that job
    instead of starting a second one. Further keyword arguments of the methods that submit jobs are fields of
    the request, such as `engine`, `seed` and `timeout_seconds`. Raises the exceptions of `maquette.errors`.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        api_key: str | None = None,
        retries: int = 4,
        join_running: bool = False,
        on_upload: UploadCallback | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        settings = ClientSettings.load(url, api_key, join_running=join_running)
        super().__init__(AsyncHttpClient(settings, retries, transport, on_upload))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()

    async def upload(self, source: MediaInput) -> MediaRef:
        """Upload a medium unless the service has it; any number of jobs may use the reference.

        A file above 16 MiB goes on where a connection was cut, and where an earlier process was stopped.
        """
        return await uploads.upload(self._http, source)

    async def media(self, ref: MediaRef) -> Media | None:
        """Return what the service knows of an upload; None for an address, which it has not fetched yet."""
        return await uploads.describe(self._http, ref)

    async def session(
        self,
        video: MediaInput,
        *,
        text: Phrases | None = None,
        threshold: float | None = None,
        engine: str = SESSION.engine,
        ttl_seconds: int = SESSION.ttl_seconds,
    ) -> AsyncVideoSession:
        """Open a session for annotating a video: prompt any frame, preview, propagate, correct."""
        return await sessions.open_session(
            self._http, video, text=text, threshold=threshold, engine=engine, ttl_seconds=ttl_seconds
        )

    async def resume_session(self, session_id: str) -> AsyncVideoSession:
        """Return an open session by its id."""
        return AsyncVideoSession(await sessions.get_session(self._http, session_id), self._http)

    async def job(self, job_id: str) -> AsyncJob[Any]:
        """Return a job by its id."""
        return AsyncJob(await jobs.get_job(self._http, job_id), self._http)

    def jobs(
        self, *, kind: str | None = None, state: str | None = None, prefix: str | None = None
    ) -> AsyncIterator[AsyncJob[Any]]:
        """Iterate over all your jobs, newest first; pages are fetched as they are needed.

        `prefix` is how their ids start.
        """
        return jobs.list_jobs(self._http, kind, state, prefix)

    async def link(self, artefact: Artefact | str, *, expires_seconds: int = LINK.expires_seconds) -> str:
        """Return an address at which anybody can read a file of results until it expires, a week at most.

        It ends sooner when the API key is revoked.
        """
        return await artefacts.link_artefact(self._http, artefact, expires_seconds)

    async def delete_job(self, job_id: str) -> None:
        """Delete a job that has ended, with its events and its result; raises NotFound or Conflict."""
        await jobs.delete_job(self._http, job_id)

    async def delete_upload(
        self, upload: MediaRef | str, *, with_jobs: bool = False, take_down: bool = False
    ) -> None:
        """Delete an upload by its reference or hash.

        Results made from it are kept, unless the jobs that name it, and those that continue them, go as well
        (`with_jobs`), or the files about it in datasets, as their `takedown.json` lists them (`take_down`).
        Raises NotFound, or Conflict while a job or a session needs it.
        """
        await uploads.delete_upload(self._http, upload, with_jobs=with_jobs, take_down=take_down)

    async def delete_artefact(self, artefact: Artefact | str) -> None:
        """Delete a file of results by itself or its hash; its jobs are kept, and reading it raises Gone.

        Raises NotFound, or Conflict while a job needs it.
        """
        await artefacts.delete_artefact(self._http, artefact)

    async def keys(self) -> list[Key]:
        """Return the valid keys of the tenant, oldest first; needs a key with the scope `admin`, as below."""
        return await keys.list_keys(self._http)

    async def create_key(
        self, name: str, *, scopes: Iterable[str] = KEY.scopes, expires_days: float | None = None
    ) -> str:
        """Create a key of the tenant and return its secret, which is not stored.

        Scopes are `read`, `write` and `admin`.
        """
        return await keys.create_key(self._http, name, scopes, expires_days)

    async def rotate_key(self, key_id: str, *, overlap_seconds: float = ROTATION.overlap_seconds) -> str:
        """Create a key in place of another one, which expires after the overlap; returns the new secret."""
        return await keys.rotate_key(self._http, key_id, overlap_seconds)

    async def revoke_key(self, key_id: str) -> None:
        """Revoke a key, and with it the links that it has made; raises NotFound."""
        await keys.revoke_key(self._http, key_id)

    async def audit(self) -> list[AuditEntry]:
        """Return who deleted or changed what of the tenant, oldest first; never contents."""
        return await keys.list_acts(self._http)

    async def usage(self) -> Usage:
        """Return what the tenant uses and may use, and for how long things are kept."""
        return await tenants.get_usage(self._http)

    async def erase(self) -> Erasure:
        """Delete all jobs, results, uploads and sessions of the tenant; returns how many there were.

        Raises Conflict while jobs have not ended.
        """
        return await tenants.erase(self._http)

    async def engines(self) -> list[Engine]:
        """Return all engines, with the reason why some cannot run."""
        response = await self._http.send(HttpRequest(method="GET", path="/v1/engines"))
        return Engines.model_validate_json(response.content).engines

    async def read(self, artefact: Artefact) -> bytes:
        """Return the bytes of an artefact."""
        return await artefacts.read_artefact(self._http, artefact)
