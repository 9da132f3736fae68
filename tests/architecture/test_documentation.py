"""What the documentation names exists: terms of the glossary, folders, links, targets of make, benches."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.registry import BENCHES
from tests.architecture.sources import PRODUCT
from tests.support.documentation import PAGES, list_code, read
from tests.support.paths import REPOSITORY

# levels of folders that the overview names: an engine, an exporter or a migration may have more
LEVELS, CLIENT_LEVELS = 3, 5
# characters, tables and links of images aside
LONGEST_LINE = 120


def list_glossary_code() -> Iterator[str]:
    """Every name in the column "in code" of the glossary."""
    for line in read("docs/glossary.md").splitlines():
        cells = line.strip("|").split("|")
        if len(cells) == 4:
            yield from re.findall(r"`([^`]+)`", cells[2])


def list_product_paths() -> list[str]:
    return [
        path.relative_to(REPOSITORY).as_posix()
        for folder in PRODUCT
        for path in sorted((REPOSITORY / folder).rglob("*.py"))
    ]


def exists(term: str, words: set[str], paths: list[str]) -> bool:
    """A file when it ends in `.py`, a folder when it has a slash, else names that all occur."""
    if term.endswith(".py"):
        return any(f"/{path}".endswith(f"/{term}") for path in paths)
    if "/" in term:
        return any(f"/{term.strip('/')}" in f"/{path}" for path in paths)
    return set(re.findall(r"[A-Za-z_]\w*", term)) <= words


def test_names_of_the_glossary_exist_in_the_code() -> None:
    paths = list_product_paths()
    words = {word for path in paths for word in re.findall(r"[A-Za-z_]\w*", read(path))}
    terms = list(list_glossary_code())
    assert len(terms) > 100
    assert [term for term in terms if not exists(term, words, paths)] == []


def test_the_overview_names_every_folder_and_no_other() -> None:
    table = read("docs/overview.md").partition("## Folders")[2].partition("\n## ")[0]
    rows = [re.findall(r"`([^`]+)`", row) for row in table.splitlines()]
    folders = [row[0] for row in rows if row]
    assert [folder for folder in folders if not (REPOSITORY / folder).exists()] == []
    named = {part for row in rows for name in row for part in name.split("/")}
    packages = {Path(path).parent for path in list_product_paths()}
    outer = [
        package
        for package in sorted(packages)
        if len(package.parts) <= (CLIENT_LEVELS if package.parts[0] == "clients" else LEVELS)
    ]
    assert [str(package) for package in outer if package.name not in named] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(REPOSITORY).as_posix())
def test_links_lead_to_files(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8"))
    assert [link for link in links if "://" not in link and not (page.parent / link).exists()] == []


def test_paths_of_the_repository_exist() -> None:
    # written by `models`, by an exporter, or by the operator
    written = {"k8s/secret.yaml", "models/models_info.json"}
    tops = {folder.name for folder in REPOSITORY.iterdir() if folder.is_dir()} - {"build"}
    named = {(page, text.partition("::")[0]) for page, text in list_code() if text.partition("/")[0] in tops}
    paths = {(page, path) for page, path in named if re.fullmatch(r"[\w./-]+", path) and path not in written}
    assert len(paths) > 50
    assert [(page, path) for page, path in sorted(paths) if not (REPOSITORY / path).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(REPOSITORY).as_posix())
def test_prose_has_short_lines(page: Path) -> None:
    prose = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    lines = [line for line in prose.splitlines() if not line.startswith(("|", "!["))]
    assert [line for line in lines if len(line) >= LONGEST_LINE] == []


def test_targets_of_make_exist() -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):", read("Makefile"), re.MULTILINE))
    used = {(page, name) for page, text in list_code() for name in re.findall(r"^make ([a-z0-9-]+)", text)}
    assert len(used) > 10
    assert [(page, name) for page, name in sorted(used) if name not in targets] == []


def test_benches_exist() -> None:
    names = {bench.name for bench in BENCHES}
    used = {
        (page, name)
        for page, text in list_code()
        for name in re.findall(r"python -m bench run ([a-z0-9_.]+)", text)
    }
    assert len(used) > 10
    assert [(page, name) for page, name in sorted(used) if name not in names] == []


def test_the_changelog_has_one_list_per_heading() -> None:
    for release in read("CHANGELOG.md").split("\n## ")[1:]:
        headings = re.findall(r"^### (.+)$", release, re.MULTILINE)
        assert len(headings) == len(set(headings))
        assert not re.search(r"^(- |  ).*\n\n- ", release, re.MULTILINE), "a blank line inside a list"
