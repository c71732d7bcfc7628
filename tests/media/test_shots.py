"""Shots are found in drawn videos whose cuts are known; motion, flashes and changes of light are no cuts."""

from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from dancenow.media import source as source_module
from dancenow.media.integrity import require_complete
from dancenow.media.shots import Shot, ShotFinder
from dancenow.media.sink import VideoWriter
from dancenow.media.source import VideoSource
from dancenow.types import ImageRGB
from helpers.drawn_world import dancer_track, person

FPS = 24
NUM_FRAMES = 48


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DANCENOW_CACHE", str(tmp_path / "cache"))


def room_images(phase: float = 0.0) -> list[ImageRGB]:
    """Two seconds of the drawn dancer in the drawn room."""
    track = dancer_track(NUM_FRAMES, phase, size_px=96)
    return [person(track.pose[index], 96)[0] for index in range(NUM_FRAMES)]


def garden_images() -> list[ImageRGB]:
    """Two seconds of a ball that moves in front of leaves."""
    leaves = np.random.default_rng(3).normal(0, 900, (96, 96, 1)).astype(np.float32)
    green = np.array([60, 120, 50], np.float32) + cv2.GaussianBlur(leaves, (0, 0), 4)[..., None]
    image = np.clip(green, 0, 255).astype(np.uint8)
    return [cv2.circle(image.copy(), (10 + index, 50), 9, (230, 60, 40), -1) for index in range(NUM_FRAMES)]


def mixed(before: list[ImageRGB], after: list[ImageRGB]) -> list[ImageRGB]:
    """One list fades into the other."""
    count = len(before)
    parts = [(k + 1) / (count + 1) for k in range(count)]
    pairs = zip(before, after, parts, strict=True)
    return [np.asarray(cv2.addWeighted(a, 1 - part, b, part, 0), np.uint8) for a, b, part in pairs]


def find(images: list[ImageRGB]) -> tuple[Shot, ...]:
    finder = ShotFinder(FPS)
    for image in images:
        finder.take(image)
    return finder.shots()


def test_a_video_without_a_cut_is_one_shot() -> None:
    assert find(room_images()) == (Shot(0, NUM_FRAMES),)


def test_a_video_of_a_single_frame_is_one_shot() -> None:
    assert find(room_images()[:1]) == (Shot(0, 1),)


def test_a_hard_cut_is_found_at_its_frame() -> None:
    assert find(room_images() + garden_images()) == (Shot(0, NUM_FRAMES), Shot(NUM_FRAMES, 2 * NUM_FRAMES))


@pytest.mark.parametrize("count", [6, 12, 24])
def test_the_frames_of_a_cross_fade_belong_to_neither_shot(count: int) -> None:
    room, garden = room_images(), garden_images()
    shots = find([*room[:-count], *mixed(room[-count:], garden[:count]), *garden[count:]])
    assert [shot.kind for shot in shots] == ["scene", "transition", "scene"]
    assert abs(shots[1].start - (NUM_FRAMES - count)) <= 2
    assert abs(shots[1].stop - NUM_FRAMES) <= 2


@pytest.mark.parametrize("level", [0, 255])
def test_a_fade_through_black_or_white_leaves_blank_frames(level: int) -> None:
    room, garden, flat = room_images(), garden_images(), [np.full((96, 96, 3), level, np.uint8)] * 10
    shots = find([*room[:-10], *mixed(room[-10:], flat), *flat, *mixed(flat, garden[:10]), *garden[10:]])
    assert [shot.kind for shot in shots] == ["scene", "transition", "blank", "transition", "scene"]


def test_a_title_is_a_card() -> None:
    title = np.full((96, 96, 3), 250, np.uint8)
    cv2.putText(title, "DANCE", (8, 52), cv2.FONT_HERSHEY_SIMPLEX, 0.8, (20, 20, 20), 2)
    assert [shot.kind for shot in find([title] * 30 + room_images())] == ["card", "scene"]


def test_a_still_picture_alone_is_a_scene() -> None:
    assert find(room_images()[:1] * 30) == (Shot(0, 30),)


@pytest.mark.parametrize("frames", [1, 3])
def test_a_flash_is_no_cut(frames: int) -> None:
    images = room_images()
    for index in range(20, 20 + frames):
        images[index] = np.clip(images[index] * 2.0 + 60, 0, 255).astype(np.uint8)
    assert find(images) == (Shot(0, NUM_FRAMES),)


def test_a_change_of_light_is_no_fade() -> None:
    gains = np.clip((np.arange(NUM_FRAMES) - 15) / 12, 0, 1) * 0.5 + 0.8
    assert find([np.clip(i * g, 0, 255).astype(np.uint8) for i, g in zip(room_images(), gains, strict=True)]) == (
        Shot(0, NUM_FRAMES),
    )  # fmt: skip


def test_a_fast_pan_is_no_cut() -> None:
    leaves = np.random.default_rng(3).normal(0, 900, (96, 600, 3)).astype(np.float32)
    view = np.clip(110 + cv2.GaussianBlur(leaves, (0, 0), 4), 0, 255).astype(np.uint8)
    assert find([view[:, 8 * index : 8 * index + 96] for index in range(NUM_FRAMES)]) == (Shot(0, NUM_FRAMES),)


def film(path: Path, images: list[ImageRGB]) -> Path:
    with VideoWriter(path, 96, 96, fps=Fraction(FPS)) as writer:
        for index, image in enumerate(images):
            writer.write(image, Fraction(index, FPS))
    return path


def test_a_video_is_decoded_once_for_damage_and_shots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = film(tmp_path / "cut.mp4", room_images() + garden_images())
    expected = (Shot(0, NUM_FRAMES), Shot(NUM_FRAMES, 2 * NUM_FRAMES))
    assert VideoSource.open(path).shots == expected, "without the check"
    monkeypatch.setenv("DANCENOW_CACHE", str(tmp_path / "other"))
    source = VideoSource.open(path)
    require_complete(source)
    monkeypatch.setattr(source_module, "decoded", lambda *_: pytest.fail("the check has found the shots"))
    assert source.shots == expected
