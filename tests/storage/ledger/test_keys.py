"""Keys that end: expiry, rotation with an overlap, scopes, last use; on SQLite and on Postgres."""

import pytest
from sqlalchemy import update

from storage.ledger import Database, audit, keys
from storage.ledger.tables import api_keys


def age(db: Database, seconds: float) -> None:
    """Let time pass for all keys."""
    with db.write() as connection:
        names = ("created_at", "expires_at", "last_used_at")
        moved = {name: api_keys.c[name] - seconds for name in names}
        connection.execute(update(api_keys).values(moved))


def test_a_key_expires(db: Database) -> None:
    secret = keys.create(db, "acme", "laptop", expires_days=2)
    found = keys.find(db, secret)
    assert found is not None and 1.9 * 86_400 < (found.remaining_seconds or 0) <= 2 * 86_400
    age(db, 2 * 86_400 + 1)
    assert keys.find(db, secret) is None and keys.list_open(db) == []


def test_a_rotated_key_is_valid_for_the_overlap(db: Database) -> None:
    old = keys.create(db, "acme", "laptop", scopes=["read"], expires_days=10)
    [known] = keys.list_open(db)
    new = keys.rotate(db, known.id, 3600)
    assert new is not None and new != old
    first, second = keys.find(db, old), keys.find(db, new)
    assert first is not None and second is not None
    assert (second.tenant, second.name, second.scopes) == ("acme", "laptop", frozenset({"read"}))
    # the new key lives as long as the old one was to
    assert (second.remaining_seconds or 0) > 9.9 * 86_400
    age(db, 3601)
    assert keys.find(db, old) is None and keys.find(db, new) is not None
    assert keys.rotate(db, known.id, 3600) is None
    assert [act.action for act in audit.list_acts(db)] == ["key.create", "key.create", "key.rotate"]


def test_a_rotation_does_not_prolong_a_key(db: Database) -> None:
    secret = keys.create(db, "acme", "laptop", expires_days=0.01)
    keys.rotate(db, keys.list_open(db)[0].id, 86_400)
    age(db, 0.01 * 86_400 + 1)
    assert keys.find(db, secret) is None


def test_the_last_use_is_known_to_the_minute(db: Database) -> None:
    secret = keys.create(db, "acme", "laptop")
    [known] = keys.list_open(db)
    assert known.last_used_at is None
    keys.record_use(db, known)
    first = keys.find(db, secret)
    assert first is not None and first.last_used_at is not None
    keys.record_use(db, known)
    assert keys.find(db, secret) == first
    age(db, 61)
    keys.record_use(db, known)
    later = keys.find(db, secret)
    assert later is not None and (later.last_used_at or 0) >= first.last_used_at


@pytest.mark.parametrize("name", ["", " ", "a\nb", "x" * 201, "\x1b[31m"])
def test_names_that_cannot_be_printed_are_refused(db: Database, name: str) -> None:
    with pytest.raises(keys.InvalidKey, match="no name of a key"):
        keys.create(db, "acme", name)


def test_unknown_scopes_and_past_times_are_refused(db: Database) -> None:
    for scopes in ([], ["root"], ["read", "everything"]):
        with pytest.raises(keys.InvalidKey, match="read, write, admin"):
            keys.create(db, "acme", "laptop", scopes=scopes)
    with pytest.raises(keys.InvalidKey, match="future"):
        keys.create(db, "acme", "laptop", expires_days=0)
    assert keys.list_open(db) == []


def test_the_operators_key_has_every_scope_also_where_it_had_not(db: Database) -> None:
    keys.add(db, "default", "operator", "mq_chosen")
    assert keys.ensure(db, "default", "operator", "mq_chosen")
    found = keys.find(db, "mq_chosen")
    assert found is not None and found.scopes == frozenset(keys.SCOPES)
