"""`maquette-server storage` and `tenants`, on a ledger and a folder."""

import json
from pathlib import Path

import pytest

from storage.artefacts.local import LocalStore
from storage.ledger import Database, Submission, files, jobs, keys
from tests.service.test_operator_commands import run


@pytest.fixture(autouse=True)
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MAQUETTE_DATABASE_URL", raising=False)
    monkeypatch.setenv("MAQUETTE_COLLECT_GRACE_SECONDS", "-1")
    ledger = Database("sqlite:///.maquette/ledger.db")
    ledger.migrate()
    ledger.close()


@pytest.fixture
def store() -> LocalStore:
    return LocalStore(Path(".maquette/artefacts"))


def open_ledger() -> Database:
    return Database("sqlite:///.maquette/ledger.db")


def test_unknown_files_are_found_repaired_and_collected(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sha256 = store.put(b"stray")
    words = ("storage", "check", "--min-age-hours", "0")
    status, out, _ = run(monkeypatch, capsys, *words)
    assert status == 3 and f"unknown_file  {sha256}  5 bytes" in out and "1 unknown_file" in out
    status, out, _ = run(monkeypatch, capsys, *words, "--repair")
    assert status == 0 and "1 unknown_file, repaired" in out
    status, out, _ = run(monkeypatch, capsys, "storage", "collect")
    assert status == 0 and "files 1" in out
    assert not store.has(sha256)
    assert run(monkeypatch, capsys, *words)[0] == 0


def test_an_operator_erases_a_tenant_and_its_keys(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ledger = open_ledger()
    for name in ("acme", "globex"):
        keys.create(ledger, name, "laptop")
        files.add_media(ledger, name, store.put(name.encode()), {"bytes": 4})
    row, _ = jobs.submit(ledger, Submission("acme", "segment", "auto", "default", "{}", "h", 60))
    status, out, _ = run(monkeypatch, capsys, "tenants", "erase", "acme", "--yes")
    assert status == 0 and out == "1 jobs, 1 uploads, 0 sessions deleted\n"
    assert jobs.get(ledger, "acme", row.id) is None
    assert [key.tenant for key in keys.list_open(ledger)] == ["globex"]
    run(monkeypatch, capsys, "storage", "collect")
    assert [file.bytes for file in store.list_files("")] == [len("globex")]
    ledger.close()


def test_what_is_set_for_a_tenant(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _, out, _ = run(monkeypatch, capsys, "tenants", "set", "acme", "--keep-uploads-days", "7")
    assert out == "keep_uploads_days=7\n"
    keys.create(open_ledger(), "acme", "laptop")
    assert run(monkeypatch, capsys, "tenants", "list")[1] == "acme  keep_uploads_days=7\n"
    assert run(monkeypatch, capsys, "tenants", "set", "acme", "--unset", "keep_uploads_days")[1] == ""
    assert run(monkeypatch, capsys, "tenants", "set", "acme", "--unset", "nothing")[0] == 2
    _, out, _ = run(monkeypatch, capsys, "tenants", "set", "acme", "--max-stored-bytes", str(10**12))
    assert out == "max_stored_bytes=1000000000000\n"


def test_deletions_and_acts_of_operators_are_in_the_audit_log(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    ledger = open_ledger()
    for name in ("acme", "globex"):
        files.add_media(ledger, name, store.put(name.encode()), {"bytes": 4, "codec": "secret"})
    run(monkeypatch, capsys, "keys", "create", "acme", "laptop")
    run(monkeypatch, capsys, "tenants", "set", "acme", "--keep-results-days", "9")
    run(monkeypatch, capsys, "tenants", "erase", "acme", "--yes")
    store.put(b"stray")
    run(monkeypatch, capsys, "storage", "check", "--repair", "--min-age-hours", "0")
    status, out, _ = run(monkeypatch, capsys, "audit", "export")
    acts = [json.loads(line) for line in out.splitlines()]
    assert status == 0 and [act["action"] for act in acts] == [
        *("key.create", "tenant.set", "key.revoke", "tenant.erase", "upload.delete", "storage.repair")
    ]
    assert all(act["actor"].startswith("operator:") and act["address"] for act in acts)
    assert acts[1]["detail"] == {"keep_results_days": 9.0}
    assert "secret" not in out
    run(monkeypatch, capsys, "audit", "export", "--tenant", "acme", "--out", "log.jsonl")
    assert len((tmp_path / "log.jsonl").read_text().splitlines()) == 5
    assert run(monkeypatch, capsys, "audit", "export", "--until", "2020-01-01T00:00:00")[1] == ""
    ledger.close()


def test_a_backup_is_restored_elsewhere(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    ledger = open_ledger()
    sha256 = store.put(b"an image")
    files.add_media(ledger, "acme", sha256, {"bytes": 8})
    status, out, _ = run(monkeypatch, capsys, "backup", "backup")
    assert status == 0 and out.endswith("1 files, 8 bytes in backup\n")
    monkeypatch.setenv("MAQUETTE_DATABASE_URL", "sqlite:///new.db")
    monkeypatch.setenv("MAQUETTE_ARTEFACTS", str(tmp_path / "new"))
    assert run(monkeypatch, capsys, "restore", "backup")[0] == 0
    assert LocalStore(tmp_path / "new").get(sha256) == b"an image"
    status, _, err = run(monkeypatch, capsys, "restore", "backup")
    assert status == 1 and "not empty" in err and err.count("\n") == 1
    assert run(monkeypatch, capsys, "storage", "check", "--min-age-hours", "0")[0] == 0
    acts = [json.loads(line) for line in run(monkeypatch, capsys, "audit", "export")[1].splitlines()]
    assert acts[-1]["action"] == "storage.restore"
    ledger.close()
