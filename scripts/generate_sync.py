"""Generate `maquette._sync`, the blocking client, from `maquette._async` with unasync; ruff formats it.

python -m scripts.generate_sync            write clients/python/maquette/_sync
python -m scripts.generate_sync --check    exit with 1 if the files there are not up to date
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import unasync

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "clients/python/maquette/_async"
TARGET = ROOT / "clients/python/maquette/_sync"
HEADER = "# Generated from maquette/_async/{name} by scripts/generate_sync.py: do not edit.\n"
# tokens of the asynchronous sources and what stands for them in the blocking ones, besides unasync's own
REPLACEMENTS = {
    "_async": "_sync",
    "AsyncHttpClient": "HttpClient",
    "AsyncJob": "Job",
    "AsyncJobSubmitter": "JobSubmitter",
    "AsyncMaquette": "Maquette",
    "AsyncVersionSubmitter": "VersionSubmitter",
    "AsyncVideoSession": "VideoSession",
    # httpx
    "AsyncBaseTransport": "BaseTransport",
    "AsyncClient": "Client",
    "aclose": "close",
    "aiter_bytes": "iter_bytes",
    "aiter_lines": "iter_lines",
    "aread": "read",
    # asyncio.sleep
    "asyncio": "time",
}
# lint rules that the blocking code breaks and ruff fixes: import order, and loops that are `yield from`
RULES = "I,UP028"


def generate() -> dict[str, str]:
    """Return the text of each blocking module by its file name."""
    rule = unasync.Rule("/_async/", "/_sync/", REPLACEMENTS)
    modules = {}
    with tempfile.TemporaryDirectory() as scratch:
        copies, generated = Path(scratch) / "_async", Path(scratch) / "_sync"
        copies.mkdir()
        for source in sorted(SOURCE.glob("*.py")):
            copy = copies / source.name
            copy.write_text(source.read_text())
            unasync.unasync_files([str(copy)], [rule])
            text = HEADER.format(name=source.name) + (generated / source.name).read_text()
            target = TARGET / source.name
            text = _run_ruff(text, target, "check", "--select", RULES, "--fix", "--unsafe-fixes")
            modules[source.name] = _run_ruff(text, target, "format")
    return modules


def find_outdated(modules: dict[str, str]) -> list[str]:
    """Return the names of files that differ from what is generated, are missing, or are left over."""
    current = {path.name: path.read_text() for path in TARGET.glob("*.py")}
    return sorted(name for name in modules.keys() | current.keys() if modules.get(name) != current.get(name))


def _run_ruff(text: str, target: Path, *arguments: str) -> str:
    """Return a module's text after ruff, whose settings depend on the module's place."""
    command = [sys.executable, "-m", "ruff", *arguments, "--quiet", "--stdin-filename", str(target), "-"]
    completed = subprocess.run(command, input=text, capture_output=True, text=True, check=True, cwd=ROOT)
    return completed.stdout


def main() -> None:
    """Write the blocking modules, or check them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="only compare, do not write")
    check = parser.parse_args().check
    modules = generate()
    outdated = find_outdated(modules)
    if check:
        if outdated:
            sys.exit(f"not up to date: {', '.join(outdated)}; run `make generate`")
        return
    TARGET.mkdir(exist_ok=True)
    for name in outdated:
        if name in modules:
            (TARGET / name).write_text(modules[name])
        else:
            (TARGET / name).unlink()


if __name__ == "__main__":
    main()
