"""Inputs of commands: names with brackets, globs, and lists of files from any editor."""

import codecs
from pathlib import Path

import pytest
from maquette import MaquetteError
from maquette.dataset_plan import read_plan
from maquette.sources.globs import choose_name, expand_globs
from maquette.sources.text_files import read_text

ODD_NAMES = ["Title [dQw4w9WgXcQ].jpg", "a*.jpg", "what?.jpg", "[ab].jpg", "@list.txt", "{x}.jpg", "[!a].jpg"]


@pytest.mark.parametrize("name", ODD_NAMES)
def test_a_file_of_that_name_comes_before_a_pattern(name: str, tmp_path: Path) -> None:
    for other in (name, "a1.jpg", "whatX.jpg", "b.jpg"):
        (tmp_path / other).touch()
    assert expand_globs([str(tmp_path / name)]) == [tmp_path / name]


def test_patterns_and_addresses_are_expanded(tmp_path: Path) -> None:
    for name in ("b.jpg", "a.jpg", "c.png", "x [1].jpg"):
        (tmp_path / name).touch()
    assert [Path(path).name for path in expand_globs([f"{tmp_path}/*.jpg"])] == [
        "a.jpg",
        "b.jpg",
        "x [1].jpg",
    ]
    assert [Path(path).name for path in expand_globs([f"{tmp_path}/[ab].jpg"])] == ["a.jpg", "b.jpg"]
    assert expand_globs(["https://example.com/[a]*.jpg"]) == ["https://example.com/[a]*.jpg"]
    with pytest.raises(FileNotFoundError, match="no file matches"):
        expand_globs([f"{tmp_path}/[qz].jpg"])


@pytest.mark.parametrize("mark", [b"", codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE])
@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_lists_of_any_editor_are_read(mark: bytes, ending: str, tmp_path: Path) -> None:
    encoding = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}.get(mark, "utf-8")
    names = ["a.mp4", "two words.mp4", "na\u00efve \u732b.mp4", "line\u2028separator.mp4", "x [1].mp4"]
    text = ending.join(["", names[0], "", "  ", *names[1:-1], f"\t{names[-1]}  ", ""])
    (tmp_path / "list.txt").write_bytes(mark + text.encode(encoding))
    for name in names:
        (tmp_path / name).touch()
    (tmp_path / "here.txt").write_text("\n".join(str(tmp_path / name) for name in names), encoding="utf-8")
    assert [Path(path).name for path in expand_globs([f"@{tmp_path}/here.txt"])] == names
    assert read_text(tmp_path / "list.txt").split("\n")[1] == "a.mp4"


def test_a_list_that_is_not_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_bytes(b"caf\xe9.mp4")
    with pytest.raises(MaquetteError, match=r"list\.txt is not text in UTF-8.*byte 3"):
        expand_globs([f"@{tmp_path}/list.txt"])
    with pytest.raises(FileNotFoundError):
        expand_globs([f"@{tmp_path}/nowhere.txt"])


def test_a_plan_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    plan = '\ufefftext = "cup"\r\n[input]\r\nvideos = ["@clip.mp4", "@list.txt"]\r\n'
    (tmp_path / "plan.toml").write_bytes(plan.encode())
    (tmp_path / "@clip.mp4").touch()
    videos = read_plan(tmp_path / "plan.toml").input.videos
    assert videos == [str(tmp_path / "@clip.mp4"), f"@{tmp_path / 'list.txt'}"]


@pytest.mark.parametrize(
    ("medium", "name"),
    [
        (Path("a/img.jpg"), "img"),
        (Path("a/Title [x].tar.gz"), "Title [x].tar"),
        ("https://example.com/a/img%20one.jpg?key=b/c.png#d", "img one"),
        ("https://example.com", "example.com"),
    ],
)
def test_results_are_named_after_their_inputs(medium: Path | str, name: str) -> None:
    assert choose_name(medium) == name
