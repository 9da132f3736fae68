"""Resumable uploads in the ledger."""

import threading

import pytest

from storage.ledger import Database, resumable


@pytest.mark.slow
def test_appends_of_several_threads_never_tear_an_upload(db: Database) -> None:
    """Each of several writers appends at the end that it knows; the ledger has one line of pieces."""
    row, _ = resumable.open_upload(db, "acme", 10_000, None, seconds=60)
    won: list[int] = []

    def write(number: int) -> None:
        for _ in range(8):
            known = resumable.get(db, "acme", row.id)
            assert known is not None
            try:
                resumable.add_piece(db, known, f"{number:064x}", 7, seconds=60)
                won.append(number)
            except resumable.OffsetMoved:
                continue

    writers = [threading.Thread(target=write, args=(number,)) for number in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    after = resumable.get(db, "acme", row.id)
    assert after is not None
    assert after.received == 7 * len(won)
    assert len(resumable.list_pieces(db, after)) == len(won)
