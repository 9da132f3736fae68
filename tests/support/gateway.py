"""Fixtures of a gateway alone: no worker, and a queue that cannot be reached, which must not matter to it."""

import secrets
from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient

from service.app import create_app
from service.settings import ServiceSettings
from service.state import State
from storage.ledger import fleet, keys


@pytest.fixture(scope="session")
def application(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    folder = tmp_path_factory.mktemp("gateway")
    settings = ServiceSettings(
        database_url=f"sqlite:///{folder / 'ledger.db'}",
        broker_url="redis://127.0.0.1:1/0",
        artefacts=str(folder / "artefacts"),
        probe_processes=1,
        max_upload_bytes=8 << 20,
    )
    with TestClient(create_app(settings)) as client:
        yield client


@pytest.fixture
def state(application: TestClient) -> State:
    """The gateway's state, without the workers that earlier tests connected: they decide what is refused."""
    current: State = application.app.state.maquette  # type: ignore[attr-defined]
    for worker in fleet.list_alive(current.db, 1e9):
        fleet.leave(current.db, worker.id)
    current.router._until = 0.0
    return current


@pytest.fixture
def tenant() -> str:
    """A tenant that no other test has."""
    return f"tenant-{secrets.token_hex(4)}"


@pytest.fixture
def gateway(application: TestClient, state: State, tenant: str) -> TestClient:
    """A client of the gateway with the tenant's own key."""
    application.headers["Authorization"] = f"Bearer {keys.create(state.db, tenant, 'test')}"
    return application


@pytest.fixture
def stranger(state: State) -> dict[str, str]:
    """Headers of another tenant."""
    return {"Authorization": f"Bearer {keys.create(state.db, 'other', 'stranger')}"}
