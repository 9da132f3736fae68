"""Where the parts of a target come from: the hub, GitHub, a plain address, or a copy made elsewhere."""

import fnmatch
import json
import shutil
import tarfile
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path, PurePosixPath
from typing import Any

from storage.buckets import BucketUnknown, open_address
from workers.engines.bodies.mhr import assets as mhr
from workers.engines.model_catalog import (
    Component,
    HubFiles,
    MhrAssets,
    ModelTarget,
    PinnedFile,
    SourceCode,
)
from workers.engines.weights import WeightsError, WeightsMissing

CHUNK, TIMEOUT_SECONDS = 1 << 22, 60
MODELSCOPE = "modelscope:"
# the record of a pull, in its folder
RECORD = "weights.json"
SKIPPED = (RECORD, f"{RECORD}.part")
Say = Callable[[str], object]


@dataclass(frozen=True, slots=True)
class FileState:
    """What a source states about a file; None where it states nothing."""

    size: int | None = None
    sha256: str | None = None


@dataclass(kw_only=True)
class Origin:
    """One source and what it delivers: `files` are paths in the target's folder."""

    name: str
    fetch: Callable[[Path, Say], None]
    files: Mapping[str, FileState] = field(default_factory=dict)
    revisions: Mapping[str, str] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """The bytes that it states."""
        return sum(state.size or 0 for state in self.files.values())

    def count_missing_bytes(self, folder: Path) -> int:
        """The stated bytes of the files that are not complete in a folder."""
        return sum(
            state.size or 0
            for path, state in self.files.items()
            if not _is_complete(folder / path, state.size)
        )


def open_origin(target: ModelTarget, source: str | None, revisions: Mapping[str, str]) -> Iterator[Origin]:
    """The sources of a target; raises WeightsMissing when one cannot be asked."""
    if source is not None and not source.startswith(MODELSCOPE):
        if target.name == "mhr" and source.endswith(".zip"):
            yield Origin(name=source, fetch=lambda folder, _: _pull_mhr(folder, source))
        else:
            yield _open_copy(target, source)
        return
    for component in target.components:
        if isinstance(component, HubFiles):
            if source is not None and component.repository.startswith("facebook/"):
                yield _open_modelscope(component, source.removeprefix(MODELSCOPE))
            else:
                yield _open_hub(component, revisions.get(component.repository))
        elif isinstance(component, SourceCode):
            yield _open_code(component)
        elif isinstance(component, PinnedFile):
            yield _open_file(component)
        else:
            yield _open_mhr(component)


def _open_hub(component: HubFiles, revision: str | None) -> Origin:
    try:
        hub: Any = import_module("huggingface_hub")
    except ImportError as error:
        raise WeightsError("the hub is asked by huggingface_hub: pip install huggingface_hub") from error
    repository = component.repository
    try:
        info = hub.HfApi().model_info(repository, revision=revision, files_metadata=True)
    except Exception as error:
        raise WeightsMissing(_explain_hub(repository, error)) from error
    commit = str(info.sha)
    folder = component.folder
    if component.is_cached:
        folder = f"{folder}/models--{repository.replace('/', '--')}/snapshots/{commit}"
    files = {}
    for sibling in info.siblings:
        if any(fnmatch.fnmatch(sibling.rfilename, pattern) for pattern in component.patterns):
            lfs = getattr(sibling, "lfs", None)
            state = FileState(sibling.size, getattr(lfs, "sha256", None))
            files[str(PurePosixPath(folder, sibling.rfilename))] = state
    if not files:
        raise WeightsMissing(f"{repository} at {commit[:12]} has none of {', '.join(component.patterns)}")

    def fetch(root: Path, _say: Say) -> None:
        try:
            # resumes what was interrupted, and shows its progress
            hub.snapshot_download(
                repository,
                revision=commit,
                allow_patterns=list(component.patterns),
                local_dir=root / folder,
            )
        except Exception as error:
            raise WeightsMissing(_explain_hub(repository, error)) from error
        if component.is_cached:
            refs = root / folder / "../../refs"
            refs.mkdir(parents=True, exist_ok=True)
            (refs / "main").write_text(commit)

    return Origin(
        name=f"{repository}@{commit[:12]}", fetch=fetch, files=files, revisions={repository: commit}
    )


def _explain_hub(repository: str, error: Exception) -> str:
    """What to do about an error of the hub's client, by its name and the status of the answer."""
    page = f"https://huggingface.co/{repository}"
    status = getattr(getattr(error, "response", None), "status_code", None)
    reason = (str(error).splitlines() or [""])[0]
    is_gated = type(error).__name__ == "GatedRepoError"
    if is_gated and status == 403:
        what = (
            f"the account of HF_TOKEN has no access to {repository}: accept the licence on {page} and wait "
            "until it is granted; a fine-grained token also needs the right to read gated repositories"
        )
    elif is_gated:
        what = f"{repository} is gated: get access on {page}, then set HF_TOKEN to a token of that account"
    elif status == 401:
        what = f"the hub knows no {repository} for HF_TOKEN: is the token whole, and not revoked? ({reason})"
    else:
        what = f"the hub does not give {repository} ({type(error).__name__}: {reason})"
    return f"{what}. Without a network, give a copy with --source"


def _open_modelscope(component: HubFiles, name: str) -> Origin:
    try:
        modelscope: Any = import_module("modelscope")
    except ImportError as error:
        raise WeightsError("ModelScope is asked by its own package: pip install modelscope") from error

    def fetch(root: Path, _say: Say) -> None:
        try:
            modelscope.snapshot_download(
                name, local_dir=str(root / component.folder), allow_patterns=list(component.patterns)
            )
        except Exception as error:
            raise WeightsMissing(f"ModelScope does not give {name}: {error}") from error

    return Origin(name=f"{MODELSCOPE}{name}", fetch=fetch)


def _open_code(component: SourceCode) -> Origin:
    marker = f"{component.folder}/hubconf.py"

    def fetch(root: Path, _say: Say) -> None:
        folder = root / component.folder
        # torch.hub asks whom it may trust, and creates this file where it is missing: the folder is read-only
        (folder.parent).mkdir(parents=True, exist_ok=True)
        (folder.parent / "trusted_list").touch()
        if (folder / "hubconf.py").is_file():
            return
        url = f"https://codeload.github.com/{component.repository}/tar.gz/{component.commit}"
        with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
            archive = _download(url, Path(scratch) / "code.tar.gz")
            with tarfile.open(archive) as opened:
                opened.extractall(Path(scratch) / "code", filter="data")
            (inner,) = (Path(scratch) / "code").iterdir()
            shutil.rmtree(folder, ignore_errors=True)
            inner.replace(folder)

    name = f"{component.repository}@{component.commit[:12]}"
    return Origin(
        name=name,
        fetch=fetch,
        files={marker: FileState()},
        revisions={component.repository: component.commit},
    )


def _open_file(component: PinnedFile) -> Origin:
    def fetch(root: Path, _say: Say) -> None:
        if not (root / component.path).is_file():
            _download(component.url, root / component.path)

    return Origin(name=component.url, fetch=fetch, files={component.path: FileState()})


def _open_mhr(component: MhrAssets) -> Origin:
    files = {str(PurePosixPath(component.folder, name)): FileState() for name in mhr.REQUIRED}
    return Origin(
        name="MHR v1.0.1", fetch=lambda root, _: _pull_mhr(root / component.folder, None), files=files
    )


def _pull_mhr(folder: Path, source: str | None) -> None:
    if source is None and (folder / mhr.RECORD).is_file():
        mhr.verify(folder)
        return
    mhr.pull(folder, source)


def _open_copy(target: ModelTarget, source: str) -> Origin:
    """A folder or a bucket with what was pulled elsewhere; its record says what every file has to be."""
    try:
        system, root = open_address(source)
        entries = system.find(root, detail=True)
    except (OSError, BucketUnknown) as error:
        raise WeightsMissing(f"{source} cannot be read: {error}") from error
    prefix = root.rstrip("/") + "/"
    found = {str(path).removeprefix(prefix): int(entry["size"]) for path, entry in entries.items()}
    files = {
        path: FileState(size)
        for path, size in sorted(found.items())
        if path not in SKIPPED and ".cache" not in PurePosixPath(path).parts
    }
    if not files:
        raise WeightsMissing(f"{source} is no folder or bucket with weights, or is empty")
    lacking = [what for what in map(_name_missing(files), target.components) if what]
    if lacking:
        raise WeightsMissing(f"{source} has no {', no '.join(lacking)}: pull {target.name} again there")
    revisions: dict[str, str] = {}
    if RECORD in found:
        try:
            record = json.loads(system.cat_file(prefix + RECORD))
            revisions, recorded = dict(record["revisions"]), dict(record["files"])
        except (ValueError, TypeError, KeyError) as error:
            raise WeightsMissing(f"{source}/{RECORD} cannot be read: {error}") from error
        if not recorded:
            raise WeightsMissing(f"the pull into {source} was interrupted: finish it there")
        if absent := sorted(recorded.keys() - files.keys()):
            raise WeightsMissing(f"{source} lacks {absent[0]}, which was pulled there")
        files = {path: FileState(state.size, recorded.get(path)) for path, state in files.items()}

    def fetch(folder: Path, say: Say) -> None:
        for path, state in files.items():
            target = folder / path
            if _is_complete(target, state.size):
                continue
            say(f"  {path}")
            target.parent.mkdir(parents=True, exist_ok=True)
            draft = target.with_name(f"{target.name}.part")
            with system.open(prefix + path, "rb") as stream, draft.open("wb") as out:
                shutil.copyfileobj(stream, out, CHUNK)
            draft.replace(target)

    return Origin(name=source, fetch=fetch, files=files, revisions=revisions)


def _name_missing(files: Mapping[str, FileState]) -> Callable[[Component], str | None]:
    """Names a component of which a copy has nothing, else None."""

    def name(component: Component) -> str | None:
        if isinstance(component, SourceCode):
            wanted, what = f"{component.folder}/hubconf.py", component.repository
        elif isinstance(component, PinnedFile):
            wanted, what = component.path, component.path
        elif isinstance(component, HubFiles):
            below = component.folder
            if component.is_cached:
                below += f"/models--{component.repository.replace('/', '--')}/snapshots/*"
            wanted, what = str(PurePosixPath(below, component.patterns[0])), component.repository
        else:
            wanted, what = str(PurePosixPath(component.folder, mhr.REQUIRED[0])), "MHR"
        return None if any(fnmatch.fnmatch(path, wanted) for path in files) else what

    return name


def _download(url: str, target: Path) -> Path:
    """A file by https; what a broken connection left is continued."""
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f"{target.name}.part")
    start = draft.stat().st_size if draft.is_file() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={start}-"} if start else {})
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as response:
            continued = response.status == 206
            with draft.open("ab" if continued else "wb") as out:
                shutil.copyfileobj(response, out, CHUNK)
    except (urllib.error.URLError, OSError) as error:
        raise WeightsMissing(f"{url} cannot be fetched ({error}); pull again, or give --source") from error
    draft.replace(target)
    return target


def _is_complete(path: Path, size: int | None) -> bool:
    return path.is_file() and size is not None and path.stat().st_size == size
