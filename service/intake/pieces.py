"""Uploads that are resumed: stored piece by piece as they arrive; the last one makes a medium of them."""

from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial

from fastapi.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from media.errors import MediaError
from service.guards.space import check_space
from service.intake.keeping import find_known, keep
from service.intake.receiving import batch, read_body
from service.problems import ServiceProblem
from service.state import State
from storage.artefacts import ArtefactMissing, ArtefactStore, ArtefactWriter
from storage.artefacts.base import CHUNK
from storage.ledger import blobs, resumable
from storage.ledger.resumable import OffsetMoved, ResumableRow, TooManyPieces

# what a gateway that is killed loses at most; a connection that is cut loses nothing
PIECE_BYTES = 16 << 20


class PieceReceiver:
    """Appends the body of one request to an upload; `row` is the upload as it is after the last piece."""

    def __init__(self, state: State, row: ResumableRow) -> None:
        self._state = state
        self.row = row

    async def receive(self, stream: AsyncIterator[bytes]) -> None:
        """Store what arrives; what had arrived before a problem or the end of a connection is kept.

        Raises ServiceProblem, LimitReached, MediaError and ClientDisconnect.
        """
        try:
            await self._append(stream)
        except OffsetMoved:
            row = await run_in_threadpool(resumable.get, self._state.db, self.row.tenant, self.row.id)
            raise explain_offset(require_open(row, self.row.id)) from None
        except TooManyPieces:
            detail = f"the upload has {resumable.MOST_PIECES:,} pieces: append more bytes at a time"
            raise ServiceProblem("upload_too_fragmented", 413, detail) from None

    async def _append(self, stream: AsyncIterator[bytes]) -> None:
        writer = self._state.store.writer()
        try:
            async for chunks in batch(read_body(stream, self._state)):
                if writer.bytes + sum(len(chunk) for chunk in chunks) > self._missing():
                    detail = f"the upload was announced with {self.row.bytes:,} bytes, and more were sent"
                    raise ServiceProblem("upload_too_large", 413, detail)
                await self._state.uploads.run(_write, writer, chunks)
                if PIECE_BYTES <= writer.bytes < self._missing():
                    full, writer = writer, self._state.store.writer()
                    await self._store(full)
            if writer.bytes == self._missing():
                await self._finish(writer)
            elif writer.bytes:
                await self._store(writer)
        except (ClientDisconnect, ServiceProblem):
            if 0 < writer.bytes < self._missing():
                await self._store(writer)
            raise
        finally:
            writer.discard()

    def _missing(self) -> int:
        return self.row.bytes - self.row.received

    async def _store(self, writer: ArtefactWriter) -> None:
        """Store a piece; until the upload refers to it, its row protects it."""
        state = self._state
        with writer:
            sha256 = await state.uploads.run(writer.commit, partial(blobs.reserve, state.db))
        self.row = await state.writes.run(
            resumable.add_piece,
            state.db,
            self.row,
            sha256,
            writer.bytes,
            seconds=state.settings.resumable_hours * 3600,
            max_bytes=state.limits.get(self.row.tenant).stored_bytes,
        )

    async def _finish(self, last: ArtefactWriter) -> None:
        """Make a medium of the pieces and the last one; content that cannot become one ends the upload."""
        state, row = self._state, self.row
        hashes = await run_in_threadpool(resumable.list_pieces, state.db, row)
        if hashes:
            check_space(state, row.bytes)
        with state.store.writer() if hashes else last as whole:
            try:
                if hashes:
                    await state.uploads.run(_join, state.store, hashes, last, whole)
                if row.sha256 not in (None, whole.sha256()):
                    detail = "the bytes do not match the digest of the upload: start again"
                    raise ServiceProblem("digest_mismatch", 400, detail)
                await self._keep(whole)
            except (MediaError, ArtefactMissing, ServiceProblem) as error:
                if isinstance(error, ServiceProblem) and error.problem.status >= 500:
                    # the last piece can be sent again
                    raise
                await state.writes.run(resumable.discard, state.db, row.tenant, row.id)
                if isinstance(error, ArtefactMissing):
                    raise upload_expired("a piece of this upload is lost") from error
                raise

    async def _keep(self, whole: ArtefactWriter) -> None:
        state, row = self._state, self.row
        seconds = state.settings.resumable_hours * 3600
        finish = partial(resumable.finish, state.db, row, seconds=seconds)
        known = await find_known(state, row.tenant, whole)
        if known is None:
            await keep(state, row.tenant, whole, finish)
        else:
            most = state.limits.get(row.tenant).stored_bytes
            await state.writes.run(finish, whole.sha256(), known, max_bytes=most)
        self.row = replace(row, received=row.bytes, media_sha256=whole.sha256())


def require_open(row: ResumableRow | None, upload_id: str) -> ResumableRow:
    """An upload that can be resumed or is finished; raises ServiceProblem."""
    if row is None:
        detail = f"no unfinished upload has the id {upload_id}: start again"
        raise ServiceProblem("upload_unknown", 404, detail)
    if row.is_expired:
        raise upload_expired("this upload could be resumed for some time, which is over")
    return row


def explain_offset(row: ResumableRow) -> ServiceProblem:
    """The problem of bytes that do not begin where the upload ends."""
    detail = f"{row.received:,} of {row.bytes:,} bytes have arrived: go on from there (Upload-Offset)"
    return ServiceProblem("upload_offset_mismatch", 409, detail, {"Upload-Offset": str(row.received)})


def upload_expired(reason: str) -> ServiceProblem:
    """The problem of an upload of which nothing is kept any more."""
    return ServiceProblem("upload_expired", 410, f"{reason}: start again")


def _write(writer: ArtefactWriter, chunks: list[bytes]) -> None:
    for chunk in chunks:
        writer.write(chunk)


def _join(store: ArtefactStore, hashes: list[str], last: ArtefactWriter, whole: ArtefactWriter) -> None:
    """Write stored pieces and the last one in their order; raises ArtefactMissing."""
    for sha256 in hashes:
        for chunk in store.read(sha256):
            whole.write(chunk)
    with last.flush().open("rb") as file:
        while chunk := file.read(CHUNK):
            whole.write(chunk)
