"""Names of files from foreign text: safe on every system, and no two alike."""

import json
import unicodedata
from hashlib import sha256
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from maquette import Maquette
from maquette.names import LONGEST_BYTES, UniqueNames, split_suffix, to_safe_name

KINDS = {
    "absolute": "/etc/passwd",
    "parent": "../../x",
    "only dots": "..",
    "current folder": ".",
    "hidden": ".bashrc",
    "backslashes": "..\\..\\x",
    "drive": "C:\\x",
    "stream": "x:y",
    "device": "con",
    "device with suffix": "NUL.txt",
    "numbered device": "LPT1",
    "zero byte": "a\0b",
    "newline": "a\nb",
    "escape": "\x1b[31mred",
    "right to left": "gpj.\u202eexe",
    "surrogate": "a\udcffb",
    "trailing dot": "a.",
    "trailing space": "a ",
    "wildcards": 'a<b>"c|d?e*',
    "empty": "",
    "blank": "   ",
    "long": "x" * 5000,
    "long in UTF-8": "猫" * 300,
}


@pytest.mark.parametrize("text", KINDS.values(), ids=KINDS)
def test_every_kind_of_name_becomes_safe(text: str) -> None:
    check_is_safe(to_safe_name(text))
    check_is_safe(UniqueNames().add(text, ".png"))


@given(st.text())
def test_any_text_becomes_safe(text: str) -> None:
    check_is_safe(to_safe_name(text))


@given(st.lists(st.text(max_size=4) | st.sampled_from(["a", "A", "é", "e\u0301", "x" * 300])))
def test_no_two_names_are_alike(texts: list[str]) -> None:
    names = UniqueNames()
    folded = {unicodedata.normalize("NFC", names.add(text).casefold()) for text in texts}
    assert len(folded) == len(texts)


def test_ordinary_names_are_kept() -> None:
    for name in ("img", "Title [dQw4w9WgXcQ]", "object-000", "naïve 猫", "v1.2", "a-b_c (1)"):
        assert to_safe_name(name) == name
    assert [UniqueNames(["result.json"]).add(*split_suffix(name)) for name in ("result.json", "a.png")] == [
        "result-2.json",
        "a.png",
    ]


def test_a_counter_comes_before_the_suffix() -> None:
    names = UniqueNames()
    assert [names.add("img", ".png") for _ in range(3)] == ["img.png", "img-2.png", "img-3.png"]
    assert names.add("IMG", ".PNG") == "IMG-4.PNG"


def test_results_are_saved_inside_their_folder_and_lose_no_file(tmp_path: Path) -> None:
    names = ["../../evil.png", "/etc/x.png", "a.png", "A.png", "a.png", "result.json", "..", "nul.txt"]
    contents = {
        sha256(str(number).encode()).hexdigest(): str(number).encode() for number in range(len(names))
    }
    artefacts = [
        {"name": name, "sha256": sha, "role": "mask", "media_type": "image/png", "bytes": 1}
        for name, sha in zip(names, contents, strict=True)
    ]
    provenance = {"code_version": "1", "engines": [], "seed": 0, "parameters": {}, "sources": []}
    result = {"kind": "segment", "width": 8, "height": 8, "instances": []}
    job: dict[str, Any] = {"id": "job_" + "a" * 28, "kind": "segment", "state": "succeeded", "engine": "auto"}
    job |= {"created_at": "2026-01-01T00:00:00Z"}
    manifest = {"result": result, "artefacts": artefacts, "provenance": provenance}

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.startswith("/v1/artefacts/"):
            return httpx.Response(200, content=contents[request.url.path.rsplit("/", 1)[1]])
        return httpx.Response(200, json={**job, "result": manifest})

    out = tmp_path / "deep" / "out"
    with Maquette("http://service", transport=httpx.MockTransport(answer), retries=0) as mq:
        mq.job(str(job["id"])).wait().save(out)
        mq.job(str(job["id"])).wait().save(out)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [
        path for path in out.iterdir() if path.is_file()
    ]
    saved = sorted(path.read_bytes() for path in out.iterdir() if path.name != "result.json")
    assert saved == sorted(contents.values())
    assert json.loads((out / "result.json").read_text())["artefacts"][0]["name"] == names[0]


def check_is_safe(name: str) -> None:
    assert PurePosixPath(name).name == name == PureWindowsPath(name).name
    assert not PureWindowsPath(name).is_reserved() and not PureWindowsPath(name).drive
    assert name not in ("", ".", "..") and not name.startswith(".") and not name.endswith((".", " "))
    assert len(name.encode()) <= LONGEST_BYTES + len("_")
    assert not set(name) & set('<>:"|?*\\/') and name == unicodedata.normalize("NFC", name)
    assert all(unicodedata.category(char) not in ("Cc", "Cf", "Cs", "Zl", "Zp") for char in name)
