"""The table of formats covers the contract, and the documentation covers the table."""

from typing import get_args

import pytest
from maquette.contract.formats import AssetFormat, BodyFormat, ObjectFormat, SceneFormat

from tests.support.paths import REPOSITORY
from tests.support.splats import random_splat
from workers.formats import usdz
from workers.formats.convert import FormatMismatch, convert_asset, detect
from workers.formats.registry import (
    BODY_FORMATS,
    MESH_WRITERS,
    SPLAT_CODECS,
    SPLAT_WRITERS,
    TEXTURED_FORMATS,
    check_installed,
)


def test_every_format_of_the_contract_has_a_row() -> None:
    assets = {*SPLAT_WRITERS, *MESH_WRITERS}
    assert assets == set(get_args(AssetFormat))
    assert {*assets, *TEXTURED_FORMATS} == set(get_args(ObjectFormat))
    assert {"glb", *SPLAT_WRITERS} == set(get_args(SceneFormat))
    assert BODY_FORMATS.keys() == set(get_args(BodyFormat))


def test_every_row_is_documented() -> None:
    text = (REPOSITORY / "docs/formats.md").read_text()
    for name in (*SPLAT_WRITERS, *MESH_WRITERS, *TEXTURED_FORMATS):
        assert f"`{name}`" in text, name


def test_a_splat_does_not_become_a_format_of_meshes() -> None:
    data = SPLAT_CODECS["ply"].write(random_splat(3))
    assert detect(convert_asset(data, "sog")) == ("splat", "sog")
    for target in ("obj", "usdz", "nonsense"):
        with pytest.raises(FormatMismatch, match="ply, spz, sog, khr_glb"):
            convert_asset(data, target)


def test_a_missing_library_is_reported_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usdz.importlib.util, "find_spec", lambda name: None)
    check_installed([*SPLAT_CODECS.values(), TEXTURED_FORMATS["textured_glb"]])
    with pytest.raises(ImportError, match=r"maquette-server\[usd\]"):
        check_installed(TEXTURED_FORMATS.values())
