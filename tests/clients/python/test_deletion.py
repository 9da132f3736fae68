"""`maquette delete` and `erase`, and the methods of the client, against a gateway without workers."""

import hashlib
import json
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from maquette import Conflict, Forbidden, Maquette, NotFound
from maquette.contract import MediaRef
from sqlalchemy import update

from service.state import State
from storage.ledger.tables import api_keys
from tests.support.gateway import application, gateway, state, tenant
from tests.support.gateway_cli import Run, finish_job, list_jobs, run

__all__ = ["application", "gateway", "run", "state", "tenant"]


@pytest.fixture
def mq(gateway: TestClient) -> Maquette:
    key = str(gateway.headers["Authorization"]).removeprefix("Bearer ")
    return Maquette("http://gateway", api_key=key, transport=gateway._transport)


def test_the_client_deletes_what_it_has_made(
    mq: Maquette, run: Run, gateway: TestClient, state: State, tenant: str, tmp_path: Path
) -> None:
    ref = mq.upload(tmp_path / "red.png")
    job = mq.segment(ref, text="person")
    with pytest.raises(Conflict, match="still_needed"):
        job.delete()
    with pytest.raises(Conflict, match=job.id):
        mq.delete_upload(ref)
    finish_job(state, tenant, job.id, {"a.png": b"first"})
    [artefact] = job.result().artefacts
    job.delete()
    with pytest.raises(NotFound):
        job.refresh()
    mq.delete_job(job.id)
    mq.delete_artefact(artefact)
    mq.delete_upload(ref)
    with pytest.raises(NotFound):
        mq.delete_upload(MediaRef(id="0" * 64))
    with pytest.raises(Forbidden, match="admin"):
        mq.erase()


def test_the_command_line_deletes_and_names_what_is_still_needed(
    run: Run, gateway: TestClient, state: State, tenant: str, tmp_path: Path
) -> None:
    run("segment", "red.png", "--text", "person")
    run("segment", "blue.png", "--text", "person")
    newest, oldest = (job["id"] for job in list_jobs(gateway))
    finish_job(state, tenant, newest, {})
    outcome = run("delete", oldest, newest)
    assert outcome.status == 3 and outcome.stdout == f"{newest} is deleted\n"
    assert f"{oldest}: still_needed" in outcome.stderr
    assert [job["id"] for job in list_jobs(gateway)] == [oldest]
    blue = hashlib.sha256((tmp_path / "blue.png").read_bytes()).hexdigest()
    assert gateway.get(f"/v1/uploads/{blue}").status_code == 200
    assert run("delete", "--upload", "blue.png", "--with-jobs").status == 0
    assert gateway.get(f"/v1/uploads/{blue}").status_code == 404
    assert run("delete").status == 2
    assert run("delete", "--artefact", "0" * 64).stderr.startswith("artefact_unknown: ")


def test_the_command_line_erases_a_tenant(run: Run, gateway: TestClient, state: State, tenant: str) -> None:
    run("segment", "red.png", "--text", "person")
    [job] = list_jobs(gateway)
    assert run("erase", "--yes").stderr.startswith("scope_missing: ")
    with state.db.write() as connection:
        connection.execute(
            update(api_keys).where(api_keys.c.tenant == tenant).values(scopes="read,write,admin")
        )
    state.keys._known.clear()
    assert run("erase", "--yes").stderr.startswith("still_needed: ")
    run("cancel", job["id"])
    erased = json.loads(run("--json", "erase", "--yes").stdout)
    assert erased == {"jobs": 1, "uploads": 1, "sessions": 0, "complete": True}
    assert list_jobs(gateway) == []
    secret = run("keys", "create", "viewer", "--scope", "read", "--expires-days", "2").stdout.strip()
    assert secret.startswith("mq_")
    listed = json.loads(run("--json", "keys", "list").stdout)
    assert [key["scopes"] for key in listed] == [["read", "write", "admin"], ["read"]]
    assert "viewer" in run("keys", "list").stdout
    assert json.loads(run("--json", "keys", "rotate", listed[1]["id"]).stdout)["secret"] != secret
    assert run("keys", "revoke", listed[1]["id"]).status == 0
    assert run("keys", "revoke", listed[1]["id"]).stderr.startswith("key_unknown: ")
    actions = [json.loads(line)["action"] for line in run("audit").stdout.splitlines()]
    assert actions[-4:] == ["key.create", "key.create", "key.rotate", "key.revoke"]


def test_the_usage_is_shown(run: Run, mq: Maquette, gateway: TestClient, tmp_path: Path) -> None:
    mq.upload(tmp_path / "red.png")
    used = mq.usage()
    assert used.stored_bytes.used == (tmp_path / "red.png").stat().st_size
    assert used.kept_days.uploads == 30 and used.running_jobs.limit is None
    assert json.loads(run("--json", "usage").stdout) == used.model_dump(mode="json")
    lines = run("usage").stdout
    assert f"{used.stored_bytes.used:,}" in lines and "days that uploads are kept" in lines


def test_links_to_the_files_of_a_job(
    run: Run, mq: Maquette, gateway: TestClient, state: State, tenant: str
) -> None:
    run("segment", "red.png", "--text", "person")
    [job] = list_jobs(gateway)
    finish_job(state, tenant, job["id"], {"a.png": b"first", "z.png": b"last"})
    links = json.loads(run("--json", "link", job["id"]).stdout)
    assert list(links) == ["a.png", "z.png"]
    assert run("link", job["id"], "none.png").status == 2
    assert run("link", job["id"], "z.png", "--expires", "60").stdout.startswith("z.png  http://gateway/v1/")
    del gateway.headers["Authorization"]
    assert gateway.get(links["a.png"].removeprefix("http://gateway")).content == b"first"
