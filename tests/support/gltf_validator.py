"""Runs the Khronos glTF validator (npm `gltf-validator`) on GLB bytes, or skips with the reason."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support.paths import REPOSITORY

SCRIPT = """
const validator = require(process.argv[1]);
const chunks = [];
process.stdin.on('data', c => chunks.push(c));
process.stdin.on('end', () =>
  validator.validateBytes(new Uint8Array(Buffer.concat(chunks)), {maxIssues: 50})
    .then(r => process.stdout.write(JSON.stringify(r)))
    .catch(e => { console.error(e); process.exit(1); }));
"""


def _package(node: str) -> Path | None:
    folders = []
    if named := os.environ.get("MAQUETTE_GLTF_VALIDATOR"):
        folders.append(Path(named))
    folders.append(REPOSITORY / "tests" / "node_modules")
    if npm := shutil.which("npm"):
        root = subprocess.run([npm, "root", "-g"], capture_output=True, text=True, check=False).stdout.strip()
        if root:
            folders.append(Path(root))
    for folder in folders:
        package = folder if folder.name == "gltf-validator" else folder / "gltf-validator"
        if (package / "package.json").is_file():
            return package.resolve()
    return None


def validate(glb: bytes) -> dict[str, Any]:
    """The validator's report; `issues` holds numErrors, numWarnings and messages."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("Node is not installed: the Khronos glTF validator cannot run")
    package = _package(node)
    if package is None:
        pytest.skip("npm gltf-validator not found: set MAQUETTE_GLTF_VALIDATOR to its node_modules folder")
    completed = subprocess.run(
        [node, "-e", SCRIPT, str(package)], input=glb, capture_output=True, check=False
    )
    assert completed.returncode == 0, completed.stderr.decode()
    report: dict[str, Any] = json.loads(completed.stdout)
    return report


def assert_valid(glb: bytes, *, warnings: int = 0) -> dict[str, Any]:
    """Fail unless the file has no errors and at most `warnings` warnings."""
    report = validate(glb)
    issues = report["issues"]
    assert issues["numErrors"] == 0, issues["messages"]
    assert issues["numWarnings"] <= warnings, issues["messages"]
    return report
