"""npm packages are pinned, and the lockfile names no registry."""

import json

from tests.support.paths import REPOSITORY

CLIENTS = REPOSITORY / "clients"


def test_the_lockfile_names_no_registry() -> None:
    packages = json.loads((CLIENTS / "package-lock.json").read_text())["packages"]
    assert len(packages) > 50
    elsewhere = {
        name: entry["resolved"] for name, entry in packages.items() if "://" in entry.get("resolved", "")
    }
    assert elsewhere == {}
    unchecked = [
        name
        for name, entry in packages.items()
        if name.startswith("node_modules/") and "version" in entry and "integrity" not in entry
    ]
    assert unchecked == []


def test_direct_dependencies_are_exact() -> None:
    for folder in ("typescript", "web"):
        package = json.loads((CLIENTS / folder / "package.json").read_text())
        versions = {**package.get("dependencies", {}), **package.get("devDependencies", {})}
        assert versions
        assert [name for name, version in versions.items() if not version[0].isdigit()] == []
