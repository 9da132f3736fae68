"""HTML viewers in a real browser, whose images are compared with those of the service's own renderers."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.support.browsers import Tab, open_tab
from tests.support.raw_glb import CORNERS, FACES
from tests.support.splats import make_signpost, random_splat
from tests.support.viewer_pages import PageReader
from workers.formats.color import linear_to_srgb, srgb_to_linear
from workers.formats.html_viewer.writers import write_mesh_html, write_splat_html
from workers.formats.images import encode_png
from workers.geometry.cameras import Camera
from workers.geometry.mesh_renderer import render_mesh
from workers.geometry.meshes import Mesh, TextureMaterial, Texturing
from workers.geometry.poses import Similarity, look_at
from workers.geometry.splat_renderer import render_splat

# a browser takes seconds to start
pytestmark = pytest.mark.slow
SIDE = 400
# what title, buttons, axes and scale leave free
MIDDLE = (slice(60, 300), slice(20, 380))
# how bright the viewer shows a coloured surface that is seen edge-on
AMBIENT = 0.45
Show = Callable[[bytes], NDArray[np.uint8]]
RED, GREEN, BLUE, GREY = (200, 30, 40), (20, 180, 60), (40, 60, 220), (188, 188, 188)


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    with open_tab(tmp_path_factory.mktemp("browser"), SIDE) as item:
        yield item


@pytest.fixture
def show(tab: Tab, tmp_path: Path) -> Iterator[Show]:
    """Shows a page and returns its image; nothing may go wrong in the page until the test ends."""

    def show(page: bytes) -> NDArray[np.uint8]:
        file = tmp_path / "page.html"
        file.write_bytes(page)
        tab.resize(SIDE, SIDE)
        assert tab.open(file) == "shown"
        return tab.photograph()

    yield show
    assert tab.complaints == []


def choose_camera(page: bytes) -> tuple[Camera, Similarity]:
    """The camera of the first view, from the numbers in the page."""
    fields = PageReader(page).fields
    half = fields["field_of_view"] / 2
    distance = fields["margin"] * fields["radius"] / math.sin(half)
    yaw, pitch = fields["yaw"], fields["pitch"]
    away = (math.sin(yaw) * math.cos(pitch), math.sin(pitch), math.cos(yaw) * math.cos(pitch))
    eye = np.asarray(fields["centre"]) + distance * np.asarray(away)
    focal = SIDE / 2 / math.tan(half)
    return Camera(SIDE, SIDE, focal, focal, SIDE / 2, SIDE / 2), look_at(eye, fields["centre"])


def measure_difference(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> float:
    """The mean difference of the middles of two images, in grey levels."""
    return float(np.abs(first[MIDDLE].astype(float) - second[MIDDLE].astype(float)).mean())


@dataclass(frozen=True)
class Spot:
    """The red pixels of an image: how many pixels, and their centre as x and y."""

    pixels: int
    centre: NDArray[np.float64]


def locate(image: NDArray[np.uint8]) -> Spot:
    """What a page shows of a red card."""
    red = (image[..., 0] > 100) & (image[..., 1] < 90)
    rows, columns = np.nonzero(red)
    return Spot(len(rows), np.array([columns.mean(), rows.mean()]))


def make_card(colors: NDArray[np.uint8] | None, image: NDArray[np.uint8] | None = None) -> Mesh:
    """A square that faces +z, two units wide, with its first pixel at the top left."""
    corners = np.array([[-1.0, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]])
    faces = np.array([[0, 1, 2], [0, 2, 3]])
    if image is None:
        return Mesh(corners, faces, colors)
    uvs = np.array([[0.0, 1], [1, 1], [1, 0], [0, 0]])
    material = TextureMaterial(image=encode_png(image), media_type="image/png", wrap=("clamp", "clamp"))
    return Mesh(corners, faces, colors, texturing=Texturing(uvs, np.zeros(2, np.int64), (material,)))


@pytest.mark.parametrize("name", ["signpost", "random"])
def test_a_splat_looks_as_our_own_renderer_shows_it(show: Show, name: str) -> None:
    splat = make_signpost() if name == "signpost" else random_splat(400)
    page = write_splat_html(splat)
    shown, expected = show(page), render_splat(splat, *choose_camera(page))
    assert measure_difference(shown, expected) < 1.0
    # the measure would notice a mirror, and Gaussians in another order
    assert measure_difference(shown, expected[:, ::-1]) > 5


def test_without_workers_the_page_sorts_by_itself(tab: Tab, show: Show) -> None:
    page = write_splat_html(random_splat(400))
    expected = show(page)
    with tab.preloaded("window.Worker = class { constructor() { throw new Error('none'); } };"):
        np.testing.assert_array_equal(show(page), expected)


def test_colours_of_vertices_are_shown_as_srgb(show: Show) -> None:
    page = write_mesh_html(make_card(np.full((4, 3), GREY, np.uint8)))
    camera, pose = choose_camera(page)
    # the lamp is at the camera: its light falls on the middle at the angle of the first view
    lamp = -float(pose.rotation_matrix()[2, 2])
    shade = AMBIENT + (1 - AMBIENT) * lamp
    expected = linear_to_srgb(srgb_to_linear(np.array(GREY, np.uint8)) * shade)
    middle = show(page)[SIDE // 2, SIDE // 2].astype(int)
    np.testing.assert_allclose(middle, expected, atol=2)
    assert camera.width == SIDE


def test_a_texture_is_neither_mirrored_nor_upside_down(show: Show) -> None:
    image = np.array([[RED, GREEN], [BLUE, GREY]], np.uint8).repeat(32, 0).repeat(32, 1)
    page = write_mesh_html(make_card(None, image))
    camera, pose = choose_camera(page)
    shown = show(page)
    places = np.array([[-0.5, 0.5, 0], [0.5, 0.5, 0], [-0.5, -0.5, 0], [0.5, -0.5, 0]])
    x, y, z = pose.apply(places).T
    columns, rows = (camera.fx * x / z + camera.cx).astype(int), (camera.fy * y / z + camera.cy).astype(int)
    seen = shown[rows, columns].astype(float)
    assert (np.abs(seen - np.array([RED, GREEN, BLUE, GREY])) < 20).all()


@pytest.mark.parametrize("turned", [False, True])
def test_the_nearer_face_hides_the_other_from_both_sides(tab: Tab, show: Show, turned: bool) -> None:
    card = make_card(None)
    vertices = np.concatenate([card.vertices + np.array([0, 0, z]) for z in (-0.3, 0.3)])
    colors = np.repeat(np.array([RED, BLUE], np.uint8), 4, axis=0)
    shown = show(write_mesh_html(Mesh(vertices, np.concatenate([card.faces, card.faces + 4]), colors)))
    if turned:
        tab.press("ArrowRight", times=31)
        shown = tab.photograph()
    middle = shown[SIDE // 2, SIDE // 2]
    assert np.argmax(middle) == (0 if turned else 2)


def test_a_mesh_covers_the_pixels_that_our_own_renderer_covers(show: Show) -> None:
    mesh = Mesh(CORNERS + np.array([3.0, -2.0, 7.0]), FACES.astype(np.int64))
    page = write_mesh_html(mesh)
    shown = (show(page) != 255).any(axis=2)[MIDDLE]
    _, depth = render_mesh(mesh.vertices, mesh.faces, None, *choose_camera(page))
    expected = np.isfinite(depth)[MIDDLE]
    assert (shown & expected).sum() / (shown | expected).sum() > 0.99


def test_people_orbit_pan_zoom_and_reset(tab: Tab, show: Show) -> None:
    before = show(write_mesh_html(make_card(np.full((4, 3), RED, np.uint8))))
    start = locate(before)
    tab.drag((200, 200), (240, 200), "right")
    panned = locate(tab.photograph())
    np.testing.assert_allclose(panned.centre - start.centre, (40, 0), atol=2)
    tab.press("r")
    np.testing.assert_array_equal(tab.photograph()[MIDDLE], before[MIDDLE])
    tab.turn_wheel(300)
    assert locate(tab.photograph()).pixels < 0.6 * start.pixels
    tab.press("Home")
    tab.drag((200, 200), (100, 200))
    assert locate(tab.photograph()).pixels < 0.8 * start.pixels
    tab.evaluate("document.getElementById('reset').click()")
    np.testing.assert_array_equal(tab.photograph()[MIDDLE], before[MIDDLE])
    tab.press("b")
    assert before[200, 5].min() == 255 and tab.photograph()[200, 5].max() < 40


def test_fingers_orbit_pan_and_zoom(tab: Tab, show: Show) -> None:
    start = locate(show(write_mesh_html(make_card(np.full((4, 3), RED, np.uint8)))))
    tab.touch([(180, 200), (220, 200)], [(180, 230), (220, 230)])
    panned = locate(tab.photograph())
    np.testing.assert_allclose(panned.centre - start.centre, (0, 30), atol=2)
    # the tilted card is seen a little more obliquely
    assert panned.pixels == pytest.approx(start.pixels, rel=0.05)
    tab.press("r")
    tab.touch([(140, 200), (260, 200)], [(170, 200), (230, 200)])
    # half as far apart, twice as far away
    assert locate(tab.photograph()).pixels == pytest.approx(start.pixels / 4, rel=0.1)
    tab.press("r")
    tab.touch([(200, 200)], [(100, 200)])
    assert locate(tab.photograph()).pixels < 0.8 * start.pixels


def test_a_page_asks_for_nothing_and_is_sharp_on_every_screen(tab: Tab, show: Show) -> None:
    show(write_splat_html(make_signpost()))
    assert {request.partition(":")[0] for request in tab.requests} <= {"file", "blob"}
    tab.resize(300, 200, ratio=2)
    tab.photograph()
    assert tab.evaluate("[view.width, view.height]") == [600, 400]
    assert tab.evaluate("document.getElementById('length').textContent").endswith(("unit", "units"))


def test_a_browser_without_webgl_is_named(tab: Tab, tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    file.write_bytes(write_splat_html(make_signpost()))
    with tab.preloaded("HTMLCanvasElement.prototype.getContext = () => null;"):
        assert tab.open(file) == "failed"
    message = tab.evaluate("document.getElementById('message').innerText")
    assert "WebGL 2" in message
