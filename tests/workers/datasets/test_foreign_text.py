"""Text of submitters in what people open: cards, reports, tables and simulation files."""

import csv
import io
import re
import zipfile
from html.parser import HTMLParser
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
import trimesh
import yaml
from markdown_it import MarkdownIt

from workers.datasets.documents.card import render_card
from workers.datasets.documents.markdown import choose_licence, escape_markdown
from workers.datasets.documents.report import render_report
from workers.datasets.documents.track_images import ClipOpener
from workers.datasets.exporters.shared.csv_table import encode_csv
from workers.datasets.manifest import DatasetManifest
from workers.datasets.schema import ConceptRow, SourceRow
from workers.datasets.version import DatasetVersion
from workers.formats.simulation.package import write_simulation_zip
from workers.geometry.meshes import Mesh

HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "[click](javascript:alert(1))",
    "![x](https://evil.example/a.png)",
    "a|b|c",
    "two\nlines\r\n| of | a table |",
    "`code` **bold** _italic_ ~~struck~~",
    "\" onmouseover='x'",
    "a & b < c",
    "\\| escaped",
    "=1+1",
    "# heading",
]


class PageReader(HTMLParser):
    """What a browser would see in a page: its tags, the names of attributes, and the text."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.cells: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag in ("td", "th", "p"):
            self.cells.append("")

    def handle_data(self, data: str) -> None:
        if self.cells:
            self.cells[-1] += data


def make_version(text: str) -> DatasetVersion:
    source = SourceRow(
        source="0" * 64, name=text, width=8, height=8, frames=1, frame_rate=None, time_base_numerator=1,
        time_base_denominator=25, licence=text, consent=text, attribution=text, session=text,
        split_group="0", split="train", shots=1, flags=(),
    )  # fmt: skip
    concept = ConceptRow(clip="0" * 20, phrase=text, found=1, kept=1, engine="oracle")
    names = ("clips", "seconds", "frames", "sources", "tracks", "observations", "assets", "bytes")
    rows: dict[str, list[Any]] = {name: [] for name in ("clips", "tracks", "captions", "decisions", "scores")}
    rows |= {"sources": [source], "concepts": [concept]}
    manifest = DatasetManifest(
        tables={}, totals=dict.fromkeys(names, 1.0), policy="default 1", unreadable={text: "video_broken"}
    )
    return DatasetVersion(manifest, rows, (), signed=False)


@pytest.mark.parametrize("text", HOSTILE)
def test_the_card_shows_text_as_it_is(text: str) -> None:
    head, body = render_card(make_version(text)).removeprefix("---\n").split("---\n", 1)
    assert yaml.safe_load(head)["license"] == "other"
    page = PageReader(MarkdownIt("commonmark", {"html": True}).enable("table").render(body))
    shown = " ".join(text.split())
    assert [cell.strip() for cell in page.cells].count(shown) == 7
    assert not page.tags & {"script", "img", "a", "em", "strong", "del"} and not page.attributes


@pytest.mark.parametrize("text", HOSTILE)
def test_the_report_shows_text_as_it_is(text: str) -> None:
    version = make_version(text)
    page = PageReader(render_report(version, b"", ClipOpener(version, lambda _digest: b"")))
    shown = [" ".join(cell.split()) for cell in page.cells]
    assert sum(" ".join(text.split()) in cell for cell in shown) == 5
    assert not page.tags & {"script", "a"} and not any(name.startswith("on") for name in page.attributes)


@pytest.mark.parametrize("text", HOSTILE)
def test_an_escaped_line_is_plain_text(text: str) -> None:
    page = PageReader(MarkdownIt("commonmark", {"html": True}).render(f"Licence: {escape_markdown(text)}."))
    assert page.cells == [f"Licence: {' '.join(text.split())}.\n"] and page.tags == {"p"}


@pytest.mark.parametrize(
    ("licences", "chosen"),
    [
        (set(), "unknown"),
        ({None}, "unknown"),
        ({"CC-BY-4.0"}, "cc-by-4.0"),
        ({"mit", "apache-2.0"}, "other"),
        ({"mit\nconfigs: []"}, "other"),
        ({"mit", None}, "other"),
    ],
)
def test_only_a_name_of_a_licence_gets_into_the_head(licences: set[str | None], chosen: str) -> None:
    assert choose_licence(licences) == chosen


@pytest.mark.parametrize(
    "text", ["=1+1", "+1+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "  =1+1", '=cmd|"/c calc"!A0', "＝1"]
)
def test_formulas_in_tables_are_text(text: str) -> None:
    [head, row] = csv.reader(io.StringIO(encode_csv([{"licence": text, "fps": -1.5}])))
    assert head == ["licence", "fps"] and row == [f"'{text}".replace("\r", "\n"), "-1.5"]


def test_ordinary_cells_are_not_escaped() -> None:
    cells = {"a": "CC-BY-4.0", "b": "1-2", "c": None, "d": 'say "x", y', "e": "two\nlines"}
    [row] = csv.DictReader(io.StringIO(encode_csv([cells])))
    assert row == {**cells, "c": ""}
    assert encode_csv([]) == ""


@pytest.mark.slow
@pytest.mark.parametrize("text", [" ".join(HOSTILE), "---", "--> <x/>\0\x1b[31m\ufffe quo\"te's"])
def test_simulation_files_stay_well_formed(text: str) -> None:
    box = trimesh.creation.box()
    mesh = Mesh(np.asarray(box.vertices), np.asarray(box.faces))
    data = write_simulation_zip(mesh, text, scale=1.0, density=1000.0, notes={"label": text})
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        robot = ElementTree.fromstring(archive.read("object.urdf"))
        model = ElementTree.fromstring(archive.read("object.xml"))
    shown = re.sub("[\0\x1b\ufffe]", "_", text)
    assert robot.attrib["name"] == model.attrib["model"] == shown
