# Generated from maquette/_async/client.py by scripts/generate_sync.py: do not edit.
"""The client of a Maquette service."""

from collections.abc import Iterable, Iterator
from typing import Any, Self

import httpx

from maquette._sync import artefacts, jobs, keys, sessions, tenants, uploads
from maquette._sync.http import HttpClient
from maquette._sync.job_methods import JobSubmitter
from maquette._sync.jobs import Job
from maquette._sync.sessions import VideoSession
from maquette.contract import Artefact, AuditEntry, Engine, Engines, Erasure, Key, Media, MediaRef, Usage
from maquette.contract.defaults import KEY, LINK, ROTATION, SESSION
from maquette.http import HttpRequest
from maquette.inputs import MediaInput, Phrases
from maquette.progress import UploadCallback
from maquette.settings import ClientSettings


class Maquette(JobSubmitter):
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
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        settings = ClientSettings.load(url, api_key, join_running=join_running)
        super().__init__(HttpClient(settings, retries, transport, on_upload))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def upload(self, source: MediaInput) -> MediaRef:
        """Upload a medium unless the service has it; any number of jobs may use the reference.

        A file above 16 MiB goes on where a connection was cut, and where an earlier process was stopped.
        """
        return uploads.upload(self._http, source)

    def media(self, ref: MediaRef) -> Media | None:
        """Return what the service knows of an upload; None for an address, which it has not fetched yet."""
        return uploads.describe(self._http, ref)

    def session(
        self,
        video: MediaInput,
        *,
        text: Phrases | None = None,
        threshold: float | None = None,
        engine: str = SESSION.engine,
        ttl_seconds: int = SESSION.ttl_seconds,
    ) -> VideoSession:
        """Open a session for annotating a video: prompt any frame, preview, propagate, correct."""
        return sessions.open_session(
            self._http, video, text=text, threshold=threshold, engine=engine, ttl_seconds=ttl_seconds
        )

    def resume_session(self, session_id: str) -> VideoSession:
        """Return an open session by its id."""
        return VideoSession(sessions.get_session(self._http, session_id), self._http)

    def job(self, job_id: str) -> Job[Any]:
        """Return a job by its id."""
        return Job(jobs.get_job(self._http, job_id), self._http)

    def jobs(
        self, *, kind: str | None = None, state: str | None = None, prefix: str | None = None
    ) -> Iterator[Job[Any]]:
        """Iterate over all your jobs, newest first; pages are fetched as they are needed.

        `prefix` is how their ids start.
        """
        return jobs.list_jobs(self._http, kind, state, prefix)

    def link(self, artefact: Artefact | str, *, expires_seconds: int = LINK.expires_seconds) -> str:
        """Return an address at which anybody can read a file of results until it expires, a week at most.

        It ends sooner when the API key is revoked.
        """
        return artefacts.link_artefact(self._http, artefact, expires_seconds)

    def delete_job(self, job_id: str) -> None:
        """Delete a job that has ended, with its events and its result; raises NotFound or Conflict."""
        jobs.delete_job(self._http, job_id)

    def delete_upload(
        self, upload: MediaRef | str, *, with_jobs: bool = False, take_down: bool = False
    ) -> None:
        """Delete an upload by its reference or hash.

        Results made from it are kept, unless the jobs that name it, and those that continue them, go as well
        (`with_jobs`), or the files about it in datasets, as their `takedown.json` lists them (`take_down`).
        Raises NotFound, or Conflict while a job or a session needs it.
        """
        uploads.delete_upload(self._http, upload, with_jobs=with_jobs, take_down=take_down)

    def delete_artefact(self, artefact: Artefact | str) -> None:
        """Delete a file of results by itself or its hash; its jobs are kept, and reading it raises Gone.

        Raises NotFound, or Conflict while a job needs it.
        """
        artefacts.delete_artefact(self._http, artefact)

    def keys(self) -> list[Key]:
        """Return the valid keys of the tenant, oldest first; needs a key with the scope `admin`, as below."""
        return keys.list_keys(self._http)

    def create_key(
        self, name: str, *, scopes: Iterable[str] = KEY.scopes, expires_days: float | None = None
    ) -> str:
        """Create a key of the tenant and return its secret, which is not stored.

        Scopes are `read`, `write` and `admin`.
        """
        return keys.create_key(self._http, name, scopes, expires_days)

    def rotate_key(self, key_id: str, *, overlap_seconds: float = ROTATION.overlap_seconds) -> str:
        """Create a key in place of another one, which expires after the overlap; returns the new secret."""
        return keys.rotate_key(self._http, key_id, overlap_seconds)

    def revoke_key(self, key_id: str) -> None:
        """Revoke a key, and with it the links that it has made; raises NotFound."""
        keys.revoke_key(self._http, key_id)

    def audit(self) -> list[AuditEntry]:
        """Return who deleted or changed what of the tenant, oldest first; never contents."""
        return keys.list_acts(self._http)

    def usage(self) -> Usage:
        """Return what the tenant uses and may use, and for how long things are kept."""
        return tenants.get_usage(self._http)

    def erase(self) -> Erasure:
        """Delete all jobs, results, uploads and sessions of the tenant; returns how many there were.

        Raises Conflict while jobs have not ended.
        """
        return tenants.erase(self._http)

    def engines(self) -> list[Engine]:
        """Return all engines, with the reason why some cannot run."""
        response = self._http.send(HttpRequest(method="GET", path="/v1/engines"))
        return Engines.model_validate_json(response.content).engines

    def read(self, artefact: Artefact) -> bytes:
        """Return the bytes of an artefact."""
        return artefacts.read_artefact(self._http, artefact)
