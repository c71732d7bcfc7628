"""Videos that are cut off or damaged are told from sound ones, and refused unless what can be read is wanted."""

import os
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.video.frame import VideoFrame

from dancenow.errors import UserError
from dancenow.media import integrity
from dancenow.media.integrity import check_integrity, require_complete
from dancenow.media.source import open_video, read_frames
from dancenow.pose.pipeline import detect_poses
from dancenow.subject.prepare import prepare
from helpers.drawn_world import dancer_track, film, stand_in_for_the_detector

NUM_FRAMES, FPS = 60, 25


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DANCENOW_CACHE", str(tmp_path / "cache"))


def write(path: Path, codec: str = "libx264") -> Path:
    """2.4 s of a moving gradient; the index of an mp4 comes first, as on the web."""
    options = {"movflags": "+faststart"} if path.suffix == ".mp4" else {}
    y, x = np.mgrid[:120, :160]
    with av.open(str(path), "w", options=options) as output:
        stream: Any = output.add_stream(codec, rate=FPS)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        stream.codec_context.thread_count = 1  # x264 writes other bytes with another number of threads
        for index in range(NUM_FRAMES):
            image = np.stack([2 * x + 5 * index, 2 * y + 3 * index, 120 * ((x // 8 + y // 8 + index) % 2)], axis=2)
            frame = VideoFrame.from_ndarray((image % 256).astype(np.uint8), format="rgb24").reformat(format="yuv420p")
            frame.pts, frame.time_base = index, Fraction(1, FPS)
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return path


def cut_off(path: Path) -> Path:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    return path


def flip_bytes(path: Path) -> Path:
    """Flip the middle third of six frames, so that no decoder can overlook it; sizes and index stay valid."""
    with av.open(str(path)) as container:
        places = [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size and packet.pos]
    content = bytearray(path.read_bytes())
    for position, size in places[20:26]:
        for offset in range(size // 3, 2 * size // 3):
            content[position + offset] ^= 0xFF
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(("name", "codec"), [("a.mp4", "libx264"), ("a.mp4", "mpeg4"), ("a.mkv", "libx264"),
                                             ("a.webm", "libvpx-vp9"), ("a.ts", "libx264"), ("a.avi", "mpeg4")])  # fmt: skip
def test_a_sound_video_has_no_problem(tmp_path: Path, name: str, codec: str) -> None:
    result = check_integrity(write(tmp_path / name, codec))
    assert result.problem is None
    assert result.num_frames == NUM_FRAMES
    assert result.read_s == pytest.approx(2.4, abs=0.05)


def test_a_file_that_is_cut_off_says_what_is_missing(tmp_path: Path) -> None:
    path = cut_off(write(tmp_path / "half.mp4"))
    left = len(list(read_frames(path)))
    assert 10 < left < 50
    with pytest.raises(UserError) as refused:
        require_complete(open_video(path))
    sentence = str(refused.value)
    assert f"half.mp4 is cut off: its header declares 60 frames, 2.4 s, but only {left} frames, " in sentence
    assert "--accept-damaged" in sentence
    (warning,) = require_complete(open_video(path, accept_damaged=True))
    assert "is cut off" in warning
    assert "only what can be read is used" in warning


def test_a_header_without_a_number_of_frames_is_enough(tmp_path: Path) -> None:
    result = check_integrity(cut_off(write(tmp_path / "half.mkv")))
    assert result.problem is not None
    assert result.problem.startswith("is cut off: its header declares 2.4 s, but only")


def test_an_estimated_duration_is_no_proof(tmp_path: Path) -> None:
    """A transport stream has no header; what is left of it looks complete."""
    assert check_integrity(cut_off(write(tmp_path / "half.ts"))).declared_s is None


@pytest.mark.parametrize(("name", "codec"), [("a.mp4", "libx264"), ("a.mkv", "libx264"), ("a.mp4", "mpeg4")])
def test_damaged_frames_are_counted(tmp_path: Path, name: str, codec: str) -> None:
    result = check_integrity(flip_bytes(write(tmp_path / name, codec)))
    assert 1 <= result.damaged_frames <= 8  # arithmetic coding hides damage that stays within a block
    assert result.problem is not None
    assert result.problem.startswith(f"is damaged: {result.damaged_frames} of 60 frames, the first at ")
    assert result.first_damage_s == pytest.approx(20 / FPS, abs=0.4)


def test_a_video_is_checked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = flip_bytes(write(tmp_path / "a.mp4"))
    with pytest.raises(UserError, match="is damaged"):
        require_complete(open_video(path))
    monkeypatch.setattr(integrity, "check_integrity", lambda *_: pytest.fail("the result is in the cache"))
    with pytest.raises(UserError, match="is damaged"):
        require_complete(open_video(path))


@pytest.mark.parametrize("damage", [cut_off, flip_bytes])
def test_a_damaged_video_is_neither_detected_nor_prepared_unless_accepted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: Callable[[Path], Path]
) -> None:
    path = damage(film(tmp_path / "clip.mp4", dancer_track(120)))
    with pytest.raises(UserError, match=r"clip\.mp4 is (damaged|cut off).*--accept-damaged"):
        detect_poses(path)
    stand_in_for_the_detector(monkeypatch)
    with pytest.raises(UserError, match=r"clip\.mp4 is (damaged|cut off).*--accept-damaged"):
        prepare(path, tmp_path / "subject")
    assert not (tmp_path / "subject").exists()


def test_an_accepted_damaged_video_is_prepared_with_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in_for_the_detector(monkeypatch)
    path = flip_bytes(film(tmp_path / "clip.mp4", dancer_track(60)))
    subject = prepare(path, tmp_path / "subject", accept_damaged=True)
    assert any("is damaged" in warning and "of 60 frames" in warning for warning in subject.manifest.warnings)


@pytest.mark.skipif("DANCENOW_DATA" not in os.environ, reason="needs a folder of real clips")
def test_real_clips_are_sound() -> None:
    clips = sorted(path for path in Path(os.environ["DANCENOW_DATA"]).rglob("*") if path.suffix in (".mp4", ".webm", ".mov"))
    assert clips
    assert {path.name: problem for path in clips if (problem := check_integrity(path).problem)} == {}
