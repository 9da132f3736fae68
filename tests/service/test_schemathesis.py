"""The OpenAPI document against the running gateway, as schemathesis generates requests from it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from service.openapi import METHODS
from tests.support.paths import REPOSITORY
from tests.support.stacks import running_stack

CONFIG = Path(__file__).with_name("schemathesis.toml")
HOOKS = Path(__file__).with_name("schemathesis_hooks.py")
# requests per operation and phase; the coverage phase adds one per declared bound and type
EXAMPLES = 2
# what ends the key of the test, and with it all that follows
ENDING = ("/v1/tenant", "/v1/keys/{key_id}", "/v1/keys/{key_id}/rotate")


@pytest.mark.slow
def test_every_operation_answers_as_the_document_says(tmp_path: Path) -> None:
    with running_stack(tmp_path / "stack", workers=0) as stack:
        command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(CONFIG)]
        command += ["run", f"{stack.url}/openapi.json", "--checks", "all", "--max-examples", str(EXAMPLES)]
        for path in ENDING:
            command += ["--exclude-path", path]
        command += ["--header", f"Authorization: Bearer {stack.api_key}", "--seed", "1", "--no-color"]
        environment = {**os.environ, "SCHEMATHESIS_HOOKS": str(HOOKS)}
        completed = subprocess.run(
            command, capture_output=True, text=True, cwd=tmp_path, env=environment, timeout=240
        )
    assert completed.returncode == 0, completed.stdout[-6000:] + completed.stderr[-2000:]
    document = json.loads((REPOSITORY / "docs" / "openapi.json").read_text())
    paths = [content for path, content in document["paths"].items() if path not in ENDING]
    operations = sum(method in METHODS for path in paths for method in path)
    assert f"Tested: {operations}" in completed.stdout, completed.stdout[-3000:]
