"""What a container says is not believed where the frames differ: edit lists, cuts, streams, times, pixels."""

import io
import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.stream import Disposition
from PIL import Image

from media.containers import is_truncated
from media.errors import MediaError
from media.sandbox import Sandbox
from media.video import next_pts
from tests.support.media_files import flat_frames, frame_color, write_clip, write_frames, write_video

FASTSTART = {"movflags": "faststart"}


def test_an_edit_list_hides_frames(tmp_path: Path, sandbox: Sandbox) -> None:
    path = write_frames(tmp_path / "clip.mp4", flat_frames(20), codec="mpeg4")
    data = bytearray(path.read_bytes())
    at = data.index(b"elst")
    struct.pack_into(">I", data, at + 12, struct.unpack_from(">I", data, at + 12)[0] * 12 // 20)
    path.write_bytes(data)
    assert sandbox.probe(path)["frames"] is None
    frames = list(sandbox.frames(path).frames)
    assert len(frames) == 12
    for frame in frames:
        assert np.abs(frame.pixels[40, 60].astype(int) - frame_color(frame.index)).max() < 12


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.35, 0.6, 0.9])
@pytest.mark.parametrize("name", ["mp4", "mkv", "webm", "avi", "ts", "flv"])
def test_cut_videos_give_what_is_left_and_a_flag(
    name: str, share: float, tmp_path: Path, sandbox: Sandbox
) -> None:
    options = FASTSTART if name == "mp4" else None
    codec = {"avi": "mpeg4", "webm": "libvpx", "flv": "flv"}.get(name, "libx264")
    noise = np.random.default_rng(0).integers(0, 255, (60, 48, 64, 3), np.uint8)
    path = write_frames(tmp_path / f"clip.{name}", noise, codec=codec, gop=10, container_options=options)
    data = path.read_bytes()
    # no multiple of 188, the size of an MPEG-TS packet
    path.write_bytes(data[: int(len(data) * share) // 188 * 188 + 100])
    info = sandbox.probe(path)
    assert "file_truncated" in info["flags"]
    assert info["frames"] is None
    video = sandbox.frames(path)
    frames = list(video.frames)
    assert 60 * share - 15 < len(frames) <= 60
    assert len(frames) < 60 or name == "avi"  # its index lies behind the frames
    assert "file_truncated" in video.flags
    # MPEG-TS promises nothing, and a frame that was cut cannot always be decoded
    if len(frames) < 59 and name != "ts":
        assert "frames_missing" in video.flags
    assert [frame.index for frame in frames] == list(range(len(frames)))


def test_a_whole_video_has_no_flags(tmp_path: Path, sandbox: Sandbox) -> None:
    codecs = {
        "mp4": "libx264",
        "mkv": "libx264",
        "avi": "mpeg4",
        "webm": "libvpx",
        "ts": "libx264",
        "flv": "flv",
    }
    for name, codec in codecs.items():
        path = write_video(tmp_path / f"clip.{name}", 12, codec=codec)
        video = sandbox.frames(path)
        assert len(list(video.frames)) == 12
        assert video.flags == []
        assert sandbox.probe(path)["flags"] == []


def test_an_mp4_cut_before_its_index_says_so(tmp_path: Path, sandbox: Sandbox) -> None:
    path = write_video(tmp_path / "clip.mp4", 12)
    path.write_bytes(path.read_bytes()[:-400])
    with pytest.raises(MediaError) as error:
        sandbox.probe(path)
    assert error.value.code == "video_broken"
    assert "cut" in error.value.detail


def test_every_cut_of_an_image_is_refused_and_the_decoder_lives(tmp_path: Path, sandbox: Sandbox) -> None:
    frames = [Image.fromarray(pixels) for pixels in flat_frames(3, (24, 16))]
    sandbox.start()
    child = sandbox._child
    for format in ("GIF", "PNG", "WEBP", "TIFF", "JPEG", "BMP"):
        out = io.BytesIO()
        options = {} if format in ("JPEG", "BMP") else {"save_all": True, "append_images": frames[1:]}
        frames[0].save(out, format, **options)
        data = out.getvalue()
        path = tmp_path / "cut"
        for length in range(1, len(data) - 1, max(1, len(data) // 50)):
            path.write_bytes(data[:length])
            try:
                sandbox.probe(path)
                sandbox.image(path)
            except MediaError as error:
                # the first bytes must name the format
                assert error.code == "image_broken" or length < 12 or format == "BMP"
            else:
                assert "file_truncated" in sandbox.probe(path)["flags"] or format == "TIFF"
    assert sandbox._child is child and child is not None and child.is_alive()


def test_a_gif_cut_between_two_frames_is_flagged(tmp_path: Path, sandbox: Sandbox) -> None:
    frames = [Image.fromarray(pixels) for pixels in flat_frames(3, (24, 16))]
    path = tmp_path / "clip.gif"
    frames[0].save(path, save_all=True, append_images=frames[1:])
    assert sandbox.probe(path)["flags"] == []
    data = path.read_bytes()
    # the graphic control extension that precedes the last frame (GIF89a, 23)
    path.write_bytes(data[: data.rindex(b"\x21\xf9\x04")])
    probe = sandbox.probe(path)
    assert (probe["frames"], probe["flags"]) == (2, ["file_truncated"])


@pytest.mark.parametrize("backward", [False, True])
@pytest.mark.parametrize("share", [0.35, 0.6, 0.8, 0.97])
@pytest.mark.parametrize("name", ["gif", "png"])
def test_cut_animations_give_what_is_left_and_a_flag(
    name: str, share: float, backward: bool, tmp_path: Path, sandbox: Sandbox
) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (10, 48, 64, 3), np.uint8)
    frames = [Image.fromarray(pixels).quantize(64) for pixels in noise]
    path = tmp_path / f"clip.{name}"
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=100)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    assert "file_truncated" in sandbox.probe(path)["flags"]
    video = sandbox.frames(path, animated=True, backward=backward)
    left = {frame.index: frame.pixels for frame in video.frames}
    assert 10 * share - 2 < len(left) < 10
    assert sorted(left) == list(range(len(left)))
    for index, pixels in left.items():
        assert np.array_equal(pixels, np.asarray(frames[index].convert("RGB")))
    if not backward:
        assert {"file_truncated", "frames_missing"} <= set(video.flags)


@pytest.mark.parametrize("name", ["webm", "mkv", "avi", "flv"])
def test_a_video_cut_in_its_header_is_broken(name: str, tmp_path: Path, sandbox: Sandbox) -> None:
    codec = {"webm": "libvpx", "mkv": "libx264", "avi": "mpeg4", "flv": "flv"}[name]
    path = write_video(tmp_path / f"clip.{name}", 4, codec=codec)
    path.write_bytes(path.read_bytes()[:24])
    with pytest.raises(MediaError) as error:
        sandbox.probe(path)
    assert error.value.code in ("video_broken", "video_empty")


def test_the_default_stream_is_shown(tmp_path: Path, sandbox: Sandbox) -> None:
    path = tmp_path / "two.mkv"
    with av.open(str(path), "w") as container:
        streams = []
        for default in (False, True):
            stream = container.add_stream("mpeg4", rate=25)
            stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
            stream.disposition = Disposition.default if default else Disposition.dub
            streams.append(stream)
        for index, pixels in enumerate(flat_frames(5)):
            for stream, image in zip(streams, (np.zeros_like(pixels), pixels), strict=True):
                frame = av.VideoFrame.from_ndarray(image, format="rgb24")
                frame.pts, frame.time_base = index, Fraction(1, 25)
                container.mux(stream.encode(frame))
        for stream in streams:
            container.mux(stream.encode())
    frames = list(sandbox.frames(path).frames)
    assert len(frames) == 5
    assert np.abs(frames[0].pixels[40, 60].astype(int) - frame_color(0)).max() < 12


def test_cover_art_is_no_video(tmp_path: Path, sandbox: Sandbox) -> None:
    path = tmp_path / "song.mp4"
    cover = io.BytesIO()
    Image.fromarray(next(flat_frames(1))).save(cover, "JPEG")
    with av.open(str(path), "w") as container:
        sound = container.add_stream("aac", rate=44100)
        image = container.add_stream("mjpeg", rate=1)
        image.width, image.height, image.pix_fmt = 64, 48, "yuvj420p"
        image.disposition = Disposition.attached_pic
        packet = av.Packet(cover.getvalue())
        packet.stream, packet.pts, packet.dts = image, 0, 0
        container.mux(packet)
        silence = av.AudioFrame.from_ndarray(np.zeros((2, 1024), np.float32), format="fltp", layout="stereo")
        silence.sample_rate = 44100
        container.mux(sound.encode(silence))
        container.mux(sound.encode())
    with pytest.raises(MediaError) as error:
        sandbox.probe(path)
    assert error.value.code == "video_empty"


@pytest.mark.parametrize(
    ("aspect", "size"), [(Fraction(2), (128, 48)), (Fraction(1, 2), (64, 96)), (Fraction(1), (64, 48))]
)
def test_pixels_are_made_square(
    aspect: Fraction, size: tuple[int, int], tmp_path: Path, sandbox: Sandbox
) -> None:
    path = write_frames(tmp_path / "clip.mp4", flat_frames(3), pixel_aspect=aspect)
    info = sandbox.probe(path)
    assert (info["width"], info["height"]) == size
    assert info["flags"] == ([] if aspect == 1 else ["pixels_made_square"])
    frame = next(iter(list(sandbox.frames(path).frames)))
    assert frame.pixels.shape == (size[1], size[0], 3)


def test_times_may_begin_below_zero() -> None:
    shown, last = [], None
    for pts in (-3, -2, None, -1, 5):
        last = next_pts(pts, last)
        shown.append(last)
    assert shown == [-3, -2, -1, 0, 5]


def test_pages_of_two_sizes_are_no_animation(tmp_path: Path, sandbox: Sandbox) -> None:
    path = tmp_path / "pages.tif"
    first, second = (Image.new("RGB", size, (90, 90, 90)) for size in ((64, 48), (48, 64)))
    first.save(path, save_all=True, append_images=[second])
    with pytest.raises(MediaError) as error:
        list(sandbox.frames(path, animated=True).frames)
    assert error.value.code == "video_size_changes"


@pytest.mark.parametrize("stated", [1, 7, 400])
def test_a_wrong_number_of_frames_is_not_believed(stated: int, tmp_path: Path, sandbox: Sandbox) -> None:
    path = write_clip(tmp_path / "clip.avi", flat_frames(6), rate=25)
    assert sandbox.probe(path)["frames"] == 6
    data = bytearray(path.read_bytes())
    # dwTotalFrames of `avih`, dwLength of `strh`
    for name, offset in ((b"avih", 16), (b"strh", 32)):
        struct.pack_into("<I", data, data.index(name) + 8 + offset, stated)
    path.write_bytes(data)
    assert sandbox.probe(path)["frames"] is None
    assert len(list(sandbox.frames(path).frames)) == 6


def test_a_riff_of_unknown_size_is_not_cut(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.avi", 4, codec="mpeg4")
    data = bytearray(path.read_bytes())
    struct.pack_into("<I", data, 4, 0xFFFFFFFF)
    path.write_bytes(data)
    assert not is_truncated(str(path))


def test_a_few_bytes_are_no_cut_container(tmp_path: Path) -> None:
    for data in (b"", b"abc", b"RIFF", b"\x1a\x45\xdf\xa3", b"\0\0\0\0ftyp"):
        path = tmp_path / "bytes"
        path.write_bytes(data)
        assert not is_truncated(str(path))


@pytest.mark.parametrize("suffix", ["mkv", "webm", "mp4", "avi"])
def test_a_video_that_is_cut_before_its_first_frame_is_broken(
    tmp_path: Path, sandbox: Sandbox, suffix: str
) -> None:
    """Empty is a video that was complete and has no frame: sending it again would not help."""
    codec = "libvpx-vp9" if suffix == "webm" else "libx264"
    whole = write_video(tmp_path / f"whole.{suffix}", frames=20, size=(320, 240), codec=codec)
    data = whole.read_bytes()
    for share in range(1, 100, 3):
        whole.write_bytes(data[: len(data) * share // 100])
        try:
            assert "file_truncated" in sandbox.probe(whole)["flags"]
        except MediaError as error:
            # the first bytes must name the format
            assert error.code == "video_broken" or len(data) * share // 100 < 300, (share, error.code)
