"""HTML viewers hold the asset, all that they need, and a policy that lets nothing else run."""

import base64
import hashlib
import io
import tomllib
from fnmatch import fnmatch

import numpy as np
import pytest
import trimesh

from tests.support.paths import REPOSITORY
from tests.support.splats import compute_covariances, make_signpost, random_splat
from tests.support.viewer_pages import PageReader
from workers.formats.convert import ConvertError, load_asset, write_asset
from workers.formats.html_viewer.writers import write_mesh_html, write_splat_html
from workers.formats.images import encode_png
from workers.formats.mesh_writers import write_mesh_glb
from workers.formats.splat_ply import write_splat_ply
from workers.geometry.gaussians import Gaussians
from workers.geometry.meshes import Mesh, TextureMaterial, Texturing

SQUARE = Mesh(
    np.array([[0.0, 0, 0], [1, 0, 0], [1, 2, 0], [0, 2, 0]]),
    np.array([[0, 1, 2], [0, 2, 3]]),
    np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [188, 188, 188]], np.uint8),
)


def decode_splat(page: PageReader) -> Gaussians:
    """Gaussians from the rows, by the layout that the shader decodes."""
    words = np.frombuffer(page.payload, "<u4").reshape(-1, 8)
    bytes_, fields = words.view(np.uint8).reshape(-1, 32), page.fields
    turns = words[:, 4:6].copy().view(np.int16).astype(np.float64) / 32767
    shares = words[:, 6:8].copy().view(np.uint16)[:, :3] / 65535
    low, high = fields["scale_low"], fields["scale_high"]
    parts = (
        words[:, :3].copy().view(np.float32),
        turns / np.linalg.norm(turns, axis=1, keepdims=True),
        np.exp(low + shares * (high - low)),
        bytes_[:, 15] / 255,
        bytes_[:, 12:15] / 255,
    )
    return Gaussians(*(part.astype(np.float32) for part in parts))


@pytest.mark.parametrize("side", [1e-3, 1.0, 1e4])
def test_a_splat_is_held_with_the_stated_precision(side: float) -> None:
    splat = random_splat(300, side=side)
    again = decode_splat(PageReader(write_splat_html(splat)))
    np.testing.assert_array_equal(again.means, splat.means)
    np.testing.assert_allclose(again.colors, splat.colors, atol=0.5 / 255 + 1e-6)
    np.testing.assert_allclose(again.opacities, splat.opacities, atol=0.5 / 255 + 1e-6)
    np.testing.assert_allclose(again.scales, splat.scales, rtol=2e-4)
    spread = compute_covariances(splat)
    largest = np.abs(spread).max(axis=(1, 2), keepdims=True)
    assert (np.abs(compute_covariances(again) - spread) / largest).max() < 1e-3


def test_gaussians_of_one_size_are_held() -> None:
    splat = random_splat(1)
    alike = Gaussians(
        splat.means, splat.rotations, np.full_like(splat.scales, 0.25), splat.opacities, splat.colors
    )
    np.testing.assert_allclose(decode_splat(PageReader(write_splat_html(alike))).scales, 0.25, rtol=1e-5)


def test_the_first_view_leaves_strays_out() -> None:
    splat = random_splat(1000)
    stray = Gaussians(*(values.copy() for values in splat.arrays().values()))
    stray.means[:5] = 1000.0
    near, far = (PageReader(write_splat_html(item)).fields for item in (splat, stray))
    np.testing.assert_allclose(far["centre"], near["centre"], atol=0.02)
    assert near["radius"] * 0.9 < far["radius"] < 1.1 * near["radius"]
    # every Gaussian is in front of the far plane
    assert far["reach"] > 1700 > 2 > near["reach"]


def test_gaussians_without_end_leave_finite_numbers() -> None:
    splat = random_splat(300)
    splat.means[0], splat.scales[1] = 3e38, 3e38
    fields = PageReader(write_splat_html(splat)).fields
    assert fields["radius"] < 5 and np.isfinite(fields["reach"])


def test_a_mesh_is_held_as_the_glb_with_its_colours() -> None:
    page = PageReader(write_mesh_html(SQUARE))
    assert page.payload == write_mesh_glb(SQUARE)
    scene = trimesh.load_scene(io.BytesIO(page.payload), file_type="glb")
    (mesh,) = scene.geometry.values()
    np.testing.assert_allclose(mesh.vertices, SQUARE.vertices)
    np.testing.assert_allclose(page.fields["centre"], [0.5, 1, 0])
    assert page.fields["radius"] == pytest.approx(np.hypot(0.5, 1))


def test_a_texture_is_held_unchanged() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    image = encode_png(pixels)
    uvs = np.array([[0.0, 1], [1, 1], [1, 0], [0, 0]])
    texturing = Texturing(uvs, np.zeros(2, np.int64), (TextureMaterial(image=image, media_type="image/png"),))
    page = PageReader(write_mesh_html(Mesh(SQUARE.vertices, SQUARE.faces, texturing=texturing)))
    assert image in page.payload
    (mesh,) = trimesh.load_scene(io.BytesIO(page.payload), file_type="glb").geometry.values()
    held = np.asarray(mesh.visual.material.baseColorTexture.convert("RGB"))
    np.testing.assert_array_equal(held, pixels)


@pytest.mark.parametrize("kind", ["splat", "mesh"])
def test_a_page_runs_its_own_script_and_nothing_else(kind: str) -> None:
    data = write_splat_html(make_signpost()) if kind == "splat" else write_mesh_html(SQUARE)
    page = PageReader(data)
    scripts = [values for tag, values in page.tags if tag == "script"]
    assert [values.get("type") for values in scripts] == [
        "application/json",
        "application/octet-stream",
        None,
    ]
    policy = page.policy
    assert policy["default-src"] == ["'none'"] and policy["worker-src"] == ["blob:"]
    for directive, name in (("script-src", "script"), ("style-src", "style")):
        digest = hashlib.sha256(page.texts[name].encode()).digest()
        assert policy[directive] == [f"'sha256-{base64.b64encode(digest).decode()}'"]
    # neither an address nor an attribute that loads or runs anything
    assert b"://" not in data
    loading = {"src", "href", "srcset", "style"}
    assert not [name for _, values in page.tags for name in values if name in loading or name[:2] == "on"]


def test_the_same_asset_gives_the_same_bytes() -> None:
    assert write_splat_html(random_splat(50)) == write_splat_html(random_splat(50))
    assert write_mesh_html(SQUARE) == write_mesh_html(SQUARE)


def test_titles_are_text() -> None:
    title = '</title><script>alert("1")</script>'
    page = PageReader(write_mesh_html(SQUARE, title=title))
    assert page.texts["h1"] == title
    assert len([tag for tag, _ in page.tags if tag == "script"]) == 3
    (canvas,) = [values for _, values in page.tags if values.get("id") == "view"]
    assert title in (canvas["aria-label"] or "") and canvas["tabindex"] == "0"


@pytest.mark.parametrize(("metres", "held"), [(None, None), (0.25, 0.25)])
def test_an_unknown_scale_stays_unknown(metres: float | None, held: float | None) -> None:
    for data in (
        write_mesh_html(SQUARE, metres_per_unit=metres),
        write_splat_html(make_signpost(), metres_per_unit=metres),
    ):
        assert PageReader(data).fields["metres_per_unit"] == held


def test_a_splat_with_the_axes_of_training_is_shown_upright() -> None:
    data = write_splat_ply(make_signpost())
    page = PageReader(write_asset(load_asset(data), "html", y_down=True).data)
    np.testing.assert_allclose(decode_splat(page).means, np.diag([0.5, -0.4, -0.3]), atol=1e-6)


def test_a_splat_without_gaussians_is_refused() -> None:
    data = write_splat_ply(random_splat(1))
    with pytest.raises(ConvertError, match="at least one"):
        write_asset(load_asset(data[:-4] + np.float32(np.nan).tobytes()), "html")


def test_a_wheel_carries_the_parts_of_the_page() -> None:
    settings = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["setuptools"]
    patterns = settings["package-data"]["workers.formats.html_viewer"]
    folder = REPOSITORY / "workers/formats/html_viewer"
    parts = [path.name for path in folder.iterdir() if path.is_file() and path.suffix != ".py"]
    assert parts and all(any(fnmatch(name, pattern) for pattern in patterns) for name in parts)
