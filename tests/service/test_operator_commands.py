"""The commands of operators: where there is no ledger, they say so and create nothing."""

from pathlib import Path

import pytest

from service import main

NO_LEDGER = [
    ("keys", "list"),
    ("keys", "create", "acme", "laptop"),
    ("keys", "revoke", "0123"),
    ("migrate",),
]


def run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str
) -> tuple[int, str, str]:
    monkeypatch.setattr("sys.argv", ["maquette-server", *words])
    with pytest.raises(SystemExit) as ended:
        main.main()
    captured = capsys.readouterr()
    return int(ended.value.code or 0), captured.out, captured.err


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MAQUETTE_DATABASE_URL", raising=False)


@pytest.mark.parametrize("words", NO_LEDGER, ids=" ".join)
def test_without_a_ledger_nothing_is_created(
    words: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    status, out, err = run(monkeypatch, capsys, *words)
    assert (status, out) == (1, "")
    assert err.startswith("error: no ledger here") and err.count("\n") == 1
    assert str(tmp_path / ".maquette" / "ledger.db") in err
    assert list(tmp_path.iterdir()) == []


def test_a_ledger_that_was_never_migrated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "other.db").touch()
    monkeypatch.setenv("MAQUETTE_DATABASE_URL", "sqlite:///other.db")
    status, _, err = run(monkeypatch, capsys, "keys", "list")
    assert status == 1 and "run maquette-server migrate" in err


def test_an_operator_creates_a_ledger_and_a_key(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, capsys, "migrate", "--create")[0] == 0
    status, secret, _ = run(monkeypatch, capsys, "keys", "create", "acme", "laptop")
    assert status == 0 and secret.startswith("mq_")
    status, listed, _ = run(monkeypatch, capsys, "keys", "list")
    key_id, tenant, name = listed.split()
    assert (tenant, name) == ("acme", "laptop")
    status, rotated, _ = run(monkeypatch, capsys, "keys", "rotate", key_id, "--overlap-hours", "1")
    assert status == 0 and rotated.startswith("mq_") and rotated != secret
    lines = run(monkeypatch, capsys, "keys", "list", "--long")[1].splitlines()
    assert "read,write  expires 2" in lines[0] and "read,write  expires never  used never" in lines[1]
    assert run(monkeypatch, capsys, "keys", "rotate", "0000")[0] == 2
    assert run(monkeypatch, capsys, "keys", "revoke", lines[1].split()[0])[0] == 0
    assert run(monkeypatch, capsys, "keys", "revoke", key_id)[0] == 0
    assert run(monkeypatch, capsys, "keys", "list")[1] == ""


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("keys", "create", "../etc", "x"), "no name of a tenant"),
        (("keys", "create", "acme", " "), "no name of a key"),
        (("keys", "create", "acme", "x", "--scope", "root"), "read, write, admin"),
        (("openapi", "no/such/folder.json"), "no/such"),
    ],
)
def test_command_errors_are_one_line(
    words: tuple[str, ...],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run(monkeypatch, capsys, "migrate", "--create")
    status, _, err = run(monkeypatch, capsys, *words)
    assert status == 1 and message in err and err.count("\n") == 1


def test_a_database_that_cannot_be_reached(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MAQUETTE_DATABASE_URL", "postgresql://user:secret@127.0.0.1:1/name")
    status, _, err = run(monkeypatch, capsys, "keys", "list")
    assert status == 1 and err.startswith("error: ") and "Traceback" not in err and "secret" not in err
