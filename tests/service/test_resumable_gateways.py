"""Several gateways take parts of one upload."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient

from service.app import create_app
from service.settings import ServiceSettings
from service.state import State
from storage.ledger import keys
from tests.support.media_files import encode_png
from tests.support.s3 import running_s3
from tests.support.tus import append, begin

IMAGE = encode_png(np.random.default_rng(16).integers(0, 256, (150, 200, 3), np.uint8))
ID = hashlib.sha256(IMAGE).hexdigest()


@pytest.mark.slow
def test_gateways_share_uploads_in_s3(tmp_path: Path) -> None:
    """Each request goes to another gateway, and each has a disk of its own."""
    with running_s3("uploads") as endpoint:
        folders = [tmp_path / "one", tmp_path / "two"]
        settings = [
            ServiceSettings(
                database_url=f"sqlite:///{tmp_path / 'ledger.db'}",
                broker_url="redis://127.0.0.1:1/0",
                artefacts="s3://uploads/store",
                s3_endpoint=endpoint,
                scratch=folder,
                probe_processes=1,
            )
            for folder in folders
        ]
        with TestClient(create_app(settings[0])) as one, TestClient(create_app(settings[1])) as two:
            state: State = one.app.state.maquette  # type: ignore[attr-defined]
            header = {"Authorization": f"Bearer {keys.create(state.db, 'acme', 'test')}"}
            path = begin(one, len(IMAGE), headers=header)
            assert append(two, path, 0, IMAGE[:40_000], **header).status_code == 204
            assert append(one, path, 40_000, IMAGE[40_000:60_000], **header).status_code == 204
            assert append(two, path, 60_000, IMAGE[60_000:], **header).status_code == 204
            assert one.get(f"/v1/uploads/{ID}/content", headers=header).content == IMAGE
        assert [file for folder in folders for file in folder.glob("tmp*")] == []
