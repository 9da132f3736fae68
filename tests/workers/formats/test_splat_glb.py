"""KHR_gaussian_splatting: the document and its numbers by a parser written here, nodes, hostile files."""

import json
import struct

import numpy as np
import pytest

from tests.support.gltf_validator import validate
from tests.support.splats import compute_covariances, largest_rotation, make_signpost, random_splat
from workers.formats.color import srgb_to_linear
from workers.formats.glb_accessors import GlbError
from workers.formats.glb_container import pack_glb
from workers.formats.glb_nodes import MAX_NODES
from workers.formats.glb_reader import read_glb
from workers.formats.splat_glb import read_splat_glb, write_splat_glb
from workers.geometry.gaussians import sanitize

NAME = "KHR_gaussian_splatting"
OWN = {f"{NAME}:{part}" for part in ("ROTATION", "SCALE", "OPACITY", "SH_DEGREE_0_COEF_0")}


def parse(data):
    """The document, and each attribute as an array, without the reader under test."""
    size = struct.unpack_from("<I", data, 12)[0]
    document = json.loads(data[20 : 20 + size])
    binary = data[28 + size :]
    arrays = {}
    for name, index in document["meshes"][0]["primitives"][0]["attributes"].items():
        accessor = document["accessors"][index]
        view = document["bufferViews"][accessor["bufferView"]]
        kind = {5126: "<f4", 5123: "<u2"}[accessor["componentType"]]
        values = np.frombuffer(binary[view["byteOffset"] :][: view["byteLength"]], kind)
        arrays[name] = values.reshape(accessor["count"], -1)
    return document, arrays


def change_document(change, splat=None):
    """A GLB whose document went through `change`."""
    glb = read_glb(write_splat_glb(splat or random_splat(10)))
    document = json.loads(json.dumps(glb.document))
    document.pop("buffers")
    change(document)
    return pack_glb(document, glb.binary)


def primitive(document):
    return document["meshes"][0]["primitives"][0]


def test_document_follows_the_extension():
    document, _ = parse(write_splat_glb(random_splat(10), "mug", {"unit": "metre"}))
    assert document["extensionsUsed"] == [NAME]
    assert "extensionsRequired" not in document
    assert document["nodes"] == [{"name": "mug", "mesh": 0, "extras": {"unit": "metre"}}]
    assert primitive(document)["mode"] == 0
    assert primitive(document)["extensions"][NAME] == {
        "kernel": "ellipse",
        "colorSpace": "srgb_rec709_display",
        "projection": "perspective",
        "sortingMethod": "cameraDistance",
    }
    assert set(primitive(document)["attributes"]) == {"POSITION", "COLOR_0", *OWN}


def test_numbers_are_xyzw_linear_and_y_up():
    post = sanitize(make_signpost())
    document, arrays = parse(write_splat_glb(post))
    np.testing.assert_array_equal(arrays["POSITION"], post.means)
    np.testing.assert_array_equal(arrays[f"{NAME}:ROTATION"], post.rotations[:, [1, 2, 3, 0]])
    np.testing.assert_array_equal(arrays[f"{NAME}:SCALE"], post.scales)
    np.testing.assert_array_equal(arrays[f"{NAME}:OPACITY"][:, 0], post.opacities)
    rgb = 0.5 + 0.28209479 * arrays[f"{NAME}:SH_DEGREE_0_COEF_0"]
    np.testing.assert_allclose(rgb, post.colors, atol=1e-6)
    linear = srgb_to_linear(post.colors.astype(np.float64))
    np.testing.assert_allclose(arrays["COLOR_0"][:, :3] / 65535, linear, atol=1e-5)
    np.testing.assert_allclose(arrays["COLOR_0"][:, 3] / 65535, post.opacities, atol=1e-5)
    position = document["accessors"][primitive(document)["attributes"]["POSITION"]]
    assert position["min"] == post.means.min(axis=0).tolist()
    assert position["max"] == post.means.max(axis=0).tolist()


def test_round_trip_is_exact_but_for_the_last_bit_of_colours():
    splat = sanitize(random_splat(300, seed=1))
    again = read_splat_glb(write_splat_glb(splat))
    for field in ("means", "scales", "opacities"):
        np.testing.assert_array_equal(getattr(again, field), getattr(splat, field))
    np.testing.assert_allclose(again.colors, splat.colors, atol=1e-6)
    assert largest_rotation(again, splat) < 1e-4
    assert write_splat_glb(splat) == write_splat_glb(splat)


def test_the_validator_reports_only_the_unknown_attribute_names():
    data = write_splat_glb(random_splat(20))
    issues = validate(data)["issues"]
    errors = [message for message in issues["messages"] if message["severity"] == 0]
    assert {message["code"] for message in errors} <= {"MESH_PRIMITIVE_INVALID_ATTRIBUTE"}
    assert {message["pointer"].rsplit("/", 1)[1] for message in errors} <= OWN
    assert issues["numWarnings"] == 0


def test_the_validator_reports_nothing_with_underscored_names():
    def rename(document):
        attributes = primitive(document)["attributes"]
        for name in OWN:
            attributes["_" + name.split(":")[1]] = attributes.pop(name)

    issues = validate(change_document(rename))["issues"]
    assert (issues["numErrors"], issues["numWarnings"]) == (0, 0)


def test_nodes_move_rotate_and_scale():
    half = 0.5**0.5

    def place(document):
        document["nodes"][0] |= {"rotation": [0, 0, half, half], "scale": [2, 2, 2], "translation": [1, 2, 3]}

    post = sanitize(make_signpost())
    moved = read_splat_glb(change_document(place, post))
    # A quarter turn about z takes x to y and y to -x.
    turn = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
    np.testing.assert_allclose(moved.means, 2 * post.means @ turn.T + [1, 2, 3], atol=1e-6)
    np.testing.assert_allclose(
        compute_covariances(moved), 4 * turn @ compute_covariances(post) @ turn.T, atol=1e-7
    )


def test_quantised_attributes_and_linear_colours_are_read():
    splat = sanitize(random_splat(40, seed=2))
    shorts = np.rint(splat.rotations[:, [1, 2, 3, 0]] * 32767).astype("<i2").tobytes()
    octets = np.rint(splat.opacities * 255).astype(np.uint8).tobytes()
    glb = read_glb(write_splat_glb(splat))
    document = glb.document
    for name, data, kind in (("ROTATION", shorts, 5122), ("OPACITY", octets, 5121)):
        index = primitive(document)["attributes"][f"{NAME}:{name}"]
        document["bufferViews"].append({"buffer": 0, "byteOffset": len(glb.binary), "byteLength": len(data)})
        document["accessors"][index] |= {
            "bufferView": len(document["bufferViews"]) - 1,
            "componentType": kind,
            "normalized": True,
        }
        glb = type(glb)(document, glb.binary + data)
    primitive(document)["extensions"][NAME]["colorSpace"] = "lin_rec709_display"
    document.pop("buffers")
    again = read_splat_glb(pack_glb(document, glb.binary))
    assert largest_rotation(again, splat) < 0.01
    np.testing.assert_allclose(again.opacities, splat.opacities, atol=1 / 500)
    back = srgb_to_linear(again.colors.astype(np.float64))
    np.testing.assert_allclose(back, splat.colors, atol=0.005)


def test_two_nodes_hold_two_splats():
    def twice(document):
        document["nodes"].append({"mesh": 0, "translation": [5, 0, 0]})
        document["scenes"][0]["nodes"].append(1)

    splat = sanitize(random_splat(10))
    both = read_splat_glb(change_document(twice, splat))
    np.testing.assert_allclose(both.means[10:] - both.means[:10], np.tile([5.0, 0, 0], (10, 1)), atol=1e-6)


def make_loop(document):
    document["nodes"] = [{"mesh": 0, "children": [1]}, {"children": [0]}]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: primitive(d)["extensions"].clear(), "no node"),
        (lambda d: d["nodes"].clear(), "does not exist"),
        (lambda d: d.pop("meshes"), "malformed"),
        (lambda d: d.update(nodes=5), "malformed"),
        (lambda d: d.update(nodes=[[]]), "malformed|no node"),
        (lambda d: d.update(nodes=[{"mesh": "x"}]), "malformed"),
        (lambda d: d.update(nodes=[{"mesh": 0}] * (MAX_NODES + 1)), "nodes"),
        (make_loop, "cycle"),
        (lambda d: d["nodes"][0].update(scale=[1, 2, 1]), "unevenly"),
        (lambda d: d["nodes"][0].update(scale=[-1, 1, 1]), "mirrors"),
        (lambda d: d["nodes"][0].update(scale=[0, 0, 0]), "shears"),
        (lambda d: d["nodes"][0].update(rotation=["a", 0, 0, 1]), "malformed"),
        (lambda d: primitive(d)["extensions"][NAME].update(kernel="cube"), "ellipse"),
        (lambda d: primitive(d)["extensions"][NAME].pop("colorSpace"), "colorSpace"),
        (lambda d: primitive(d).update(mode=4), "POINTS"),
        (lambda d: primitive(d)["attributes"].pop(f"{NAME}:SCALE"), "SCALE"),
        (lambda d: d["accessors"][0].update(count=10**9), "the most that are supported"),
        (lambda d: d["accessors"][0].update(count=11), "outside|length"),
        (lambda d: d["accessors"][2].update(count=10**15), "outside"),
        (lambda d: d["accessors"][2].update(type="VEC3"), "components"),
        (lambda d: d["accessors"][2].update(componentType=99), "malformed"),
        (lambda d: d["accessors"][2].update(sparse={}), "malformed"),
        (lambda d: d["accessors"][4].update(count=9), "length"),
        (lambda d: d["bufferViews"][2].update(byteOffset=-4), "before"),
    ],
)
def test_broken_documents_are_refused(change, words):
    with pytest.raises(GlbError, match=words):
        read_splat_glb(change_document(change))


def test_every_truncation_is_refused():
    data = write_splat_glb(random_splat(3))
    for end in range(0, len(data), 3):
        with pytest.raises(GlbError):
            read_splat_glb(data[:end])


def test_deep_json_is_refused():
    text = b"[" * 200_000
    data = struct.pack("<4sIIII", b"glTF", 2, 20 + len(text), len(text), 0x4E4F534A) + text
    with pytest.raises(GlbError, match="JSON"):
        read_splat_glb(data)


def test_a_chain_of_nodes_is_traversed_once():
    def chain(document):
        document["nodes"] = [{"children": [i + 1], "translation": [1, 0, 0]} for i in range(5000)]
        document["nodes"].append({"mesh": 0})

    splat = random_splat(4)
    moved = read_splat_glb(change_document(chain, splat))
    np.testing.assert_allclose(moved.means[:, 0], sanitize(splat).means[:, 0] + 5000, atol=1e-3)


def test_an_empty_splat_is_refused():
    with pytest.raises(GlbError, match="at least one"):
        write_splat_glb(random_splat(0))
