"""Reading and writing video: correct frames and times, sound in sync, clear errors, no partial files.

Every clip is encoded here, by PyAV directly where `VideoWriter` could hide its own errors.
"""

import errno
import gc
import os
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.audio.frame import AudioFrame
from av.video.frame import VideoFrame

from dancenow.errors import UserError
from dancenow.media.audio import _resampled
from dancenow.media.sink import MaskWriter, VideoWriter
from dancenow.media.source import probe, read_frames, read_frames_at, read_masks
from dancenow.types import ImageRGB

RED, GREEN, BLUE, TAN = (230, 20, 25), (20, 220, 30), (25, 30, 225), (200, 150, 110)
RATES = [Fraction(24), Fraction(30000, 1001), Fraction(60), Fraction(120), Fraction(112, 5)]


def quadrants(width: int = 64, height: int = 48) -> ImageRGB:
    """Red, green over blue, tan: an image that shows color errors, rotations and mirroring."""
    image = np.zeros((height, width, 3), np.uint8)
    image[: height // 2, : width // 2], image[: height // 2, width // 2 :] = RED, GREEN
    image[height // 2 :, : width // 2], image[height // 2 :, width // 2 :] = BLUE, TAN
    return image


def write(path: Path, times_s: Sequence[Fraction], image: ImageRGB | None = None, **options: Any) -> Path:
    """Write a clip with `VideoWriter`: the same image at each time, with a brightness that encodes the frame number."""
    image = quadrants() if image is None else image
    options.setdefault("fps", Fraction(30))
    with VideoWriter(path, image.shape[1], image.shape[0], **options) as writer:
        for time_s in times_s:
            writer.write(image, time_s)
    return path


def flash_and_click(
    path: Path, codec: str, *, at_s: float = 1.0, sound_late_s: float = 0.0, container: str | None = None, rate: int = 48000
) -> Path:
    """3 s at 30 fps: white frames and noise in the sound, both from `at_s` on."""
    with av.open(str(path), "w", format=container) as output:
        video: Any = output.add_stream("libx264", rate=30, options={"crf": "20", "preset": "ultrafast"})
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        audio: Any = output.add_stream(codec, rate=rate, layout="mono")
        late = round(sound_late_s * rate)
        noise = np.random.default_rng(0).uniform(-0.5, 0.5, (1, 3 * rate - late)).astype(np.float32)
        noise[:, : round(at_s * rate) - late] = 0
        for i in range(90):
            frame = VideoFrame.from_ndarray(np.full((48, 64, 3), 255 * (i / 30 >= at_s), np.uint8), format="rgb24")
            frame.pts, frame.time_base = i, Fraction(1, 30)
            output.mux(video.encode(frame))
            chunk = noise[:, i * rate // 30 : (i + 1) * rate // 30]
            if chunk.size:
                sound = AudioFrame.from_ndarray(chunk, "fltp", "mono")
                if codec in ("pcm_s16le", "flac"):
                    sound = AudioFrame.from_ndarray((chunk * 32767).astype(np.int16), "s16", "mono")
                sound.sample_rate, sound.pts, sound.time_base = rate, late + i * rate // 30, Fraction(1, rate)
                output.mux(audio.encode(sound))
        output.mux(video.encode(None))
        output.mux(audio.encode(None))
    return path


def click_time_s(path: Path) -> float:
    """The time when the sound becomes loud, relative to the first frame."""
    with av.open(str(path)) as container:
        zero_s = next(container.decode(video=0)).time
    with av.open(str(path)) as container:
        for frame in container.decode(audio=0):
            samples = np.abs(frame.to_ndarray().astype(np.float32)).max(axis=0)
            loud = np.flatnonzero(samples > 0.1 * (32767 if frame.format.name.startswith("s16") else 1))
            if loud.size:
                return float(frame.time or 0) + float(loud[0]) / frame.sample_rate - zero_s
    raise AssertionError("no click")


@pytest.mark.parametrize("fps", RATES, ids=str)
def test_a_constant_frame_rate_is_preserved_exactly(tmp_path: Path, fps: Fraction) -> None:
    times = [i / fps for i in range(50)]
    path = write(tmp_path / "out.mp4", times, fps=fps)
    assert [frame.time_s for frame in read_frames(path)] == times
    info = probe(path)
    assert (info.width_px, info.height_px, info.num_frames, info.has_audio) == (64, 48, 50, False)
    assert info.fps == fps
    assert info.duration_s == pytest.approx(50 / fps, abs=1e-3)


def test_variable_frame_times_are_preserved_exactly(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    times = [Fraction(int(ms), 1000) for ms in np.cumsum(rng.integers(8, 90, 60))]
    path = write(tmp_path / "out.mp4", times, fps=Fraction(24593, 1207))
    assert [frame.time_s for frame in read_frames(path)] == [t - times[0] for t in times]


def test_frames_can_be_read_from_the_middle(tmp_path: Path) -> None:
    path = write(tmp_path / "out.mp4", [Fraction(i, 25) for i in range(20)], fps=Fraction(25))
    assert [(frame.index, frame.time_s) for frame in read_frames(path, 7, 9)] == [(7, Fraction(7, 25)), (8, Fraction(8, 25))]
    assert [frame.index for frame in read_frames(path, 18)] == [18, 19]
    assert [frame.index for frame in read_frames(path, 1, 12, 5)] == [1, 6, 11]
    assert [frame.index for frame in read_frames_at(path, [0, 3, 19, 40])] == [0, 3, 19]


def test_colors_are_preserved(tmp_path: Path) -> None:
    path = write(tmp_path / "out.mp4", [Fraction(i, 30) for i in range(3)])
    got = next(read_frames(path)).image_rgb.astype(int)
    for y, x, colour in ((12, 16, RED), (12, 48, GREEN), (36, 16, BLUE), (36, 48, TAN)):
        assert np.abs(got[y - 6 : y + 6, x - 8 : x + 8].mean(axis=(0, 1)) - colour).max() < 3
    with av.open(str(path)) as container:
        context = container.streams.video[0].codec_context
        tags = (context.colorspace, context.color_primaries, context.color_trc, context.color_range)
    assert tags == (1, 1, 1, 1)


@pytest.mark.parametrize("height", [480, 720])
def test_untagged_files_are_read_as_players_do(tmp_path: Path, height: int) -> None:
    matrix = 1 if height >= 720 else 5
    path = tmp_path / "untagged.mp4"
    with av.open(str(path), "w") as output:
        stream: Any = output.add_stream("libx264", rate=30, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 640, height, "yuv420p"
        frame = VideoFrame.from_ndarray(quadrants(640, height), format="rgb24")
        frame = frame.reformat(format="yuv420p", dst_colorspace=matrix, dst_color_range=1)
        frame.colorspace, frame.color_range = 2, 0
        output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    image = next(read_frames(path)).image_rgb
    assert np.abs(image[10, 10].astype(int) - RED).max() <= 4


@pytest.mark.parametrize("size", [(63, 48), (64, 47), (63, 47), (1, 1)], ids=str)
def test_odd_sizes_are_padded_by_their_edge(tmp_path: Path, size: tuple[int, int]) -> None:
    width, height = size
    path = write(tmp_path / "out.mp4", [Fraction(0)], quadrants(width, height))
    image = next(read_frames(path)).image_rgb
    assert image.shape == (height + height % 2, width + width % 2, 3)
    assert np.abs(image[-1, -1].astype(int) - TAN).max() < 12


def test_odd_sizes_are_read(tmp_path: Path) -> None:
    path = tmp_path / "odd.mkv"
    with av.open(str(path), "w") as output:
        stream: Any = output.add_stream("ffv1", rate=30)
        stream.width, stream.height, stream.pix_fmt = 35, 27, "bgr0"
        frame = VideoFrame.from_ndarray(quadrants(35, 27), format="rgb24").reformat(format="bgr0")
        output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    assert np.array_equal(next(read_frames(path)).image_rgb, quadrants(35, 27))


@pytest.mark.parametrize(
    ("degrees", "mirrored", "top_left", "top_right"),
    [(0, False, RED, GREEN), (-90, False, BLUE, RED), (90, False, GREEN, TAN), (180, False, TAN, BLUE), (0, True, GREEN, RED)],
)
def test_phone_rotation_is_applied(
    tmp_path: Path, degrees: int, mirrored: bool, top_left: Sequence[int], top_right: Sequence[int]
) -> None:
    path = tmp_path / "phone.mov"
    with av.open(str(path), "w") as output:
        stream: Any = output.add_stream("libx264", rate=30, options={"crf": "10"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.set_display_rotation(degrees, hflip=mirrored)
        output.mux(stream.encode(VideoFrame.from_ndarray(quadrants(), format="rgb24")))
        output.mux(stream.encode(None))
    image = next(read_frames(path)).image_rgb.astype(int)
    upright = abs(degrees) != 90
    assert image.shape == ((48, 64, 3) if upright else (64, 48, 3))
    assert (probe(path).width_px, probe(path).height_px) == (image.shape[1], image.shape[0])
    assert np.abs(image[8, 8] - top_left).max() < 30
    assert np.abs(image[8, -8] - top_right).max() < 30


def test_frames_are_resampled_to_square_pixels(tmp_path: Path) -> None:
    path = tmp_path / "anamorphic.mp4"
    with av.open(str(path), "w") as output:
        stream: Any = output.add_stream("libx264", rate=30)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(3, 2)
        output.mux(stream.encode(VideoFrame.from_ndarray(quadrants(), format="rgb24")))
        output.mux(stream.encode(None))
    assert next(read_frames(path)).image_rgb.shape == (48, 96, 3)
    assert probe(path).width_px == 96


@pytest.mark.parametrize(
    ("codec", "container", "copy", "expected"),
    [("aac", "mp4", False, "aac"), ("aac", "mpegts", False, "aac"), ("libmp3lame", "mp4", False, "mp3float"),
     ("pcm_s16le", "mov", False, "aac"), ("libopus", "matroska", False, "aac"), ("libopus", "matroska", True, "opus"),
     ("flac", "matroska", True, "aac")],
)  # fmt: skip
def test_sound_stays_in_sync(tmp_path: Path, codec: str, container: str, copy: bool, expected: str) -> None:
    """Opus is encoded unless a copy is wanted: QuickTime and older phones do not play it in mp4."""
    source = flash_and_click(tmp_path / "source.bin", codec, container=container)
    path = tmp_path / "out.mp4"
    frames = list(read_frames(source))
    write(path, [frame.time_s for frame in frames], sound_from=source, copy_sound=copy)
    flash_s = next(float(frame.time_s) for frame in frames if frame.image_rgb.mean() > 128)
    assert click_time_s(path) == pytest.approx(flash_s, abs=0.012)
    with av.open(str(path)) as output:
        assert output.streams.audio[0].codec_context.name == expected
        assert float(output.duration or 0) / av.time_base == pytest.approx(3.0, abs=0.1)


@pytest.mark.parametrize("codec", ["aac", "pcm_s16le"])
def test_sound_of_a_part_stays_in_sync(tmp_path: Path, codec: str) -> None:
    source = flash_and_click(tmp_path / "source.mov", codec)
    start_s, stop_s = Fraction(20, 30), Fraction(50, 30)
    times = [frame.time_s for frame in read_frames(source, 20, 50)]
    path = write(tmp_path / "out.mp4", times, sound_from=source, sound_range_s=(start_s, stop_s))
    assert click_time_s(path) == pytest.approx(1 - 20 / 30, abs=0.012)
    with av.open(str(path)) as output:
        stream = output.streams.audio[0]
        sound_s = float((stream.duration or 0) * (stream.time_base or 0))
    assert sound_s == pytest.approx(1.0, abs=0.07)


def test_sound_that_starts_late_stays_late(tmp_path: Path) -> None:
    source = flash_and_click(tmp_path / "source.mp4", "aac", sound_late_s=0.5)
    path = write(tmp_path / "out.mp4", [Fraction(i, 30) for i in range(90)], sound_from=source)
    assert click_time_s(path) == pytest.approx(1.0, abs=0.012)


def test_a_source_without_sound_gives_a_silent_file(tmp_path: Path) -> None:
    source = write(tmp_path / "source.mp4", [Fraction(0), Fraction(1, 30)])
    assert not probe(write(tmp_path / "out.mp4", [Fraction(0)], sound_from=source)).has_audio


def test_a_file_that_is_not_a_video_is_explained(tmp_path: Path) -> None:
    text, empty, picture, sound = (tmp_path / name for name in ("a.mp4", "b.mp4", "c.png", "d.m4a"))
    text.write_text("dear diary " * 500)
    empty.touch()
    with av.open(str(picture), "w", format="image2") as output:
        stream: Any = output.add_stream("png", rate=1)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "rgb24"
        output.mux(stream.encode(VideoFrame.from_ndarray(quadrants(), format="rgb24")))
    with av.open(str(sound), "w", format="mp4") as output:
        audio: Any = output.add_stream("aac", rate=48000, layout="mono")
        frame = AudioFrame.from_ndarray(np.zeros((1, 4800), np.float32), "fltp", "mono")
        frame.sample_rate = 48000
        output.mux(audio.encode(frame))
        output.mux(audio.encode(None))
    animated = tmp_path / "e.webp"
    with av.open(str(animated), "w", format="webp") as output:
        stream = output.add_stream("libwebp_anim", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for level in range(3):
            image = np.full((48, 64, 3), 80 * level, np.uint8)
            output.mux(stream.encode(VideoFrame.from_ndarray(image, format="rgb24").reformat(format="yuv420p")))
        output.mux(stream.encode(None))
    cases = {text: "not a video", empty: "empty", picture: "still image", sound: "no images", tmp_path: "folder",
             animated: "is an animated WebP.*convert it to mp4"}  # fmt: skip
    for path, words in cases.items():
        with pytest.raises(UserError, match=words):
            probe(path)
        with pytest.raises(UserError, match=words):
            next(read_frames(path))
    with pytest.raises(UserError, match="does not exist"):
        probe(tmp_path / "none.mp4")


def test_a_file_without_its_index_is_reported_as_truncated(tmp_path: Path) -> None:
    whole = flash_and_click(tmp_path / "whole.mp4", "aac").read_bytes()
    part = tmp_path / "part.mp4"
    part.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match="cut off"):
        probe(part)


def test_a_truncated_video_gives_the_frames_it_has(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    whole = tmp_path / "whole.mp4"
    with VideoWriter(whole, 64, 48, fps=Fraction(30)) as writer:
        for i in range(60):
            writer.write(rng.integers(0, 255, (48, 64, 3), np.uint8), Fraction(i, 30))
    part = tmp_path / "part.mp4"
    part.write_bytes(whole.read_bytes()[: whole.stat().st_size * 2 // 3])
    times = [frame.time_s for frame in read_frames(part)]
    assert 20 < len(times) < 60
    assert times == sorted(set(times))
    part.write_bytes(whole.read_bytes()[:3500])
    with pytest.raises(UserError, match="no frame"):
        next(read_frames(part))


@pytest.mark.parametrize("failure", [KeyboardInterrupt, ValueError])
def test_an_interrupted_writer_leaves_no_file(tmp_path: Path, failure: type[BaseException]) -> None:
    def images() -> Iterator[ImageRGB]:
        yield quadrants()
        raise failure

    def dance() -> None:
        with VideoWriter(tmp_path / "out.mp4", 64, 48, fps=Fraction(30)) as writer:
            for image in images():
                writer.write(image, Fraction(0))

    def mask() -> None:
        with MaskWriter(tmp_path / "masks.mkv", 64, 48) as writer:
            for image in images():
                writer.write(image[..., 0])

    for interrupted in (dance, mask):
        with pytest.raises(failure):
            interrupted()
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_writer_keeps_the_old_file(tmp_path: Path) -> None:
    path = write(tmp_path / "out.mp4", [Fraction(0)])
    before = path.read_bytes()
    with pytest.raises(RuntimeError), VideoWriter(path, 64, 48, fps=Fraction(30)):
        raise RuntimeError
    assert path.read_bytes() == before


def test_empty_videos_and_bad_names_are_reported(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no frames"):
        write(tmp_path / "out.mp4", [])
    with pytest.raises(UserError, match=r"ends in \.mp4"):
        write(tmp_path / "out.jpg", [Fraction(0)])
    (tmp_path / "text.txt").write_text("not sound")
    with pytest.raises(UserError, match="sound"):
        write(tmp_path / "out.mp4", [Fraction(0)], sound_from=tmp_path / "text.txt")
    assert not (tmp_path / "out.mp4").exists()


def test_a_full_disk_is_reported_in_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise av.error.FFmpegError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(VideoWriter, "_mux_video", full)
    with pytest.raises(UserError, match="disk is full"):
        write(tmp_path / "out.mp4", [Fraction(0)])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "bad", [np.zeros((48, 63, 3), np.uint8), np.zeros((48, 64, 3), np.float32), np.zeros((48, 64), np.uint8)]
)
def test_wrong_frames_are_refused(tmp_path: Path, bad: Any) -> None:
    writer = VideoWriter(tmp_path / "out.mp4", 64, 48, fps=Fraction(30))
    with pytest.raises(ValueError, match="a frame must be"), writer:
        writer.write(bad, Fraction(0))


def test_times_must_increase(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="increase"):
        write(tmp_path / "out.mp4", [Fraction(0), Fraction(1, 30), Fraction(1, 30)])


def test_metadata_is_kept(tmp_path: Path) -> None:
    path = write(tmp_path / "out.mp4", [Fraction(0)], metadata={"comment": "made by a machine", "title": "Dance"})
    with av.open(str(path)) as container:
        assert container.metadata["comment"] == "made by a machine"
        assert container.metadata["title"] == "Dance"


def test_masks_are_preserved_bit_for_bit(tmp_path: Path) -> None:
    masks = np.random.default_rng(0).integers(0, 256, (12, 27, 35), np.uint8)
    with MaskWriter(tmp_path / "masks.mkv", 35, 27) as writer:
        for mask in masks:
            writer.write(mask)
    assert np.array_equal(np.stack(list(read_masks(tmp_path / "masks.mkv"))), masks)
    assert np.array_equal(np.stack(list(read_masks(tmp_path / "masks.mkv", 3, 5))), masks[3:5])


def test_memory_does_not_grow_with_length(tmp_path: Path) -> None:
    def peak_of(count: int) -> int:
        times_s = [Fraction(i, 30) for i in range(count)]
        tracemalloc.start()
        path = write(tmp_path / "out.mp4", times_s, quadrants(256, 192))
        for _ in read_frames(path):
            pass
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    peak_of(10)
    assert peak_of(300) < 1.05 * peak_of(30) + 20_000


def unknown_codec(path: Path, of: str) -> Path:
    """A clip whose video or sound stream names an unknown codec."""
    whole = flash_and_click(path.with_name("known.mkv"), "flac").read_bytes()
    known = {"pictures": b"V_MPEG4/ISO/AVC", "sound": b"A_FLAC"}[of]
    path.write_bytes(whole.replace(known, known[:2] + b"X" * (len(known) - 2)))
    return path


def test_decoded_frames_are_freed_without_the_garbage_collector(tmp_path: Path) -> None:
    """Python's tracing does not see FFmpeg's memory: 300 frames in reference cycles took 300 MB unnoticed."""
    path = write(tmp_path / "long.mp4", [Fraction(i, 30) for i in range(60)])
    gc.collect()
    gc.disable()
    try:
        assert sum(1 for _ in read_frames(path)) == 60
        assert sum(type(thing) is VideoFrame for thing in gc.get_objects()) < 10
    finally:
        gc.enable()


def test_undecodable_frames_are_reported_as_an_input_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = unknown_codec(tmp_path / "source.mkv", "pictures")
    for read in (probe, lambda path: next(read_frames(path)), lambda path: next(read_masks(path))):
        with pytest.raises(UserError, match=r"source\.mkv is in a video format"):
            read(source)
    good = write(tmp_path / "good.mp4", [Fraction(i, 30) for i in range(3)])
    out = VideoWriter(tmp_path / "out.mp4", 64, 48, fps=Fraction(30))

    def fails(*_: object) -> Iterator[VideoFrame]:
        raise av.error.ExternalError(1, "Generic error in an external library")
        yield

    monkeypatch.setattr("dancenow.media.source.decoded", fails)
    with pytest.raises(UserError, match=r"good\.mp4 cannot be decoded \(Generic"), out:
        next(read_frames(good))
    assert not (tmp_path / "out.mp4").exists()


def test_other_errors_inside_a_writer_are_not_reported_as_output_errors(tmp_path: Path) -> None:
    writer = VideoWriter(tmp_path / "out.mp4", 64, 48, fps=Fraction(30))
    with pytest.raises(av.error.InvalidDataError), writer:
        raise av.error.InvalidDataError(1, "of something else")
    assert list(tmp_path.iterdir()) == []


def test_an_existing_folder_is_refused_as_the_output(tmp_path: Path) -> None:
    (tmp_path / "out.mp4").mkdir()
    with pytest.raises(UserError, match="it is a folder"):
        VideoWriter(tmp_path / "out.mp4", 64, 48, fps=Fraction(30))
    with pytest.raises(UserError, match="it is a folder"):
        MaskWriter(tmp_path / "out.mp4", 64, 48)


def test_frames_closer_than_a_tick_are_all_kept(tmp_path: Path) -> None:
    times = [
        Fraction(0),
        Fraction(1, 30),
        Fraction(1, 30) + Fraction(1, 10**6),
        Fraction(1, 30) + Fraction(2, 10**6),
        Fraction(1),
    ]
    got = [frame.time_s for frame in read_frames(write(tmp_path / "out.mp4", times))]
    assert len(got) == 5
    assert max(abs(a - b) for a, b in zip(got, times, strict=True)) < Fraction(1, 30_000)


def test_sound_in_an_unknown_format_is_left_out(tmp_path: Path) -> None:
    source = unknown_codec(tmp_path / "source.mkv", "sound")
    path = write(tmp_path / "out.mp4", [frame.time_s for frame in read_frames(source)], sound_from=source)
    assert not probe(path).has_audio
    assert probe(path).num_frames == 90


@pytest.mark.parametrize("rate", [48000, 37800])
def test_a_gap_in_encoded_sound_does_not_shift_the_rest(tmp_path: Path, rate: int) -> None:
    whole, gappy = tmp_path / "whole.mkv", tmp_path / "gappy.mkv"
    flash_and_click(whole, "flac", at_s=2.0, rate=rate)
    with av.open(str(whole)) as source, av.open(str(gappy), "w") as output:
        copies = {s.index: output.add_stream_from_template(s) for s in source.streams}
        for packet in source.demux():
            time_s = float((packet.pts or 0) * (packet.time_base or 0))
            if packet.dts is not None and (packet.stream.type == "video" or not 0.5 <= time_s < 1.5):
                packet.stream = copies[packet.stream.index]
                output.mux(packet)
    path = write(tmp_path / "out.mp4", [Fraction(i, 30) for i in range(90)], sound_from=gappy)
    assert click_time_s(path) == pytest.approx(2.0, abs=0.012)


def test_sound_that_is_resampled_keeps_its_end(tmp_path: Path) -> None:
    with av.open(str(flash_and_click(tmp_path / "source.mkv", "flac", rate=37800))) as source:
        parts = _resampled(source, source.streams.audio[0], 48000, "mono")
        assert sum(samples.shape[1] for _, samples in parts) == 3 * 48000


def test_copied_sound_continues_after_its_timestamps_restart(tmp_path: Path) -> None:
    whole, restarted = tmp_path / "whole.mkv", tmp_path / "anew.ts"
    flash_and_click(whole, "aac", at_s=2.0)
    with (
        av.open(str(whole)) as source,
        av.open(str(restarted), "w", options={"mpegts_flags": "initial_discontinuity"}) as output,
    ):
        stream = source.streams.audio[0]
        copy = output.add_stream_from_template(stream)
        for packet in source.demux(stream):
            if packet.dts is not None:
                packet.stream = copy
                output.mux(packet)
    twice = tmp_path / "twice.ts"
    twice.write_bytes(2 * restarted.read_bytes())
    with av.open(str(write(tmp_path / "out.mp4", [Fraction(i, 30) for i in range(180)], sound_from=twice))) as output:
        samples = np.concatenate([np.abs(frame.to_ndarray()).max(axis=0) for frame in output.decode(audio=0)])
    loud = (samples[: 6 * 48000].reshape(-1, 4800).max(axis=1) > 0.1).astype(int)
    assert np.flatnonzero(np.diff(loud) == 1) / 10 == pytest.approx([2, 5], abs=0.2)


@pytest.mark.skipif(sys.platform != "linux", reason="MALLOC_PERTURB_ is glibc's")
def test_a_repeatable_file_does_not_depend_on_memory_contents(tmp_path: Path) -> None:
    """x264 with AVX-512 reads uninitialized memory: fill it with two different values."""
    film = (
        "import sys; from fractions import Fraction; from pathlib import Path; from dancenow.media.sink import VideoWriter\n"
        "from helpers.drawn_world import dancer_track, person\n"
        "track = dancer_track(12, size_px=96, body_px=62)\n"
        "with VideoWriter(Path(sys.argv[1]), 96, 96, fps=Fraction(12), repeatable=True) as writer:\n"
        "    for t in range(12): writer.write(person(track.pose[t], 96)[0], Fraction(t) / 12)\n"
    )
    for filled in ("85", "170"):
        environment = os.environ | {"MALLOC_PERTURB_": filled, "PYTHONPATH": os.pathsep.join(sys.path)}
        subprocess.run([sys.executable, "-c", film, str(tmp_path / f"{filled}.mp4")], check=True, env=environment)
    assert (tmp_path / "85.mp4").read_bytes() == (tmp_path / "170.mp4").read_bytes()
