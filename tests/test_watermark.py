"""The invisible mark: unseen, read again after web encoding, half size and trimming, and never seen where it is not."""

from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest

from dancenow.types import ImageRGB
from dancenow.video import VideoWriter
from dancenow.watermark import NUM_BITS, Payload, Watermarker, read_marked, read_watermark

PAYLOAD = Payload("c0de")


def wall(size_px: int = 512) -> ImageRGB:
    """A bare studio wall, lit from above."""
    light = np.linspace(225, 190, size_px)[:, None, None]
    return np.broadcast_to(light, (size_px, size_px, 3)).round().astype(np.uint8)


def dance(num_frames: int, size_px: int = 512) -> Iterator[ImageRGB]:
    """Somebody with stripes walks before bricks and a bare wall."""
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 1.2, (size_px, size_px, 1)).round().astype(np.int16)
    room = wall(size_px).copy()
    room[:, : size_px // 2] = cv2.resize(rng.integers(90, 150, (24, 12, 3), np.uint8), (size_px // 2, size_px))
    for i in range(num_frames):
        image = room.copy()
        x = size_px // 4 + round(size_px / 3 * np.sin(i / 9) ** 2)
        image[size_px // 4 : -20, x : x + 60] = np.where(
            (np.arange(size_px // 4, size_px - 20) // 9 % 2)[:, None, None], 40, 180
        )
        yield np.clip(image.astype(np.int16) + np.roll(noise, 37 * i, 1), 0, 255).astype(np.uint8)


def psnr_db(one: ImageRGB, other: ImageRGB) -> float:
    return float(10 * np.log10(255**2 / np.mean((one.astype(float) - other) ** 2)))


def test_a_payload_survives_its_bits_and_a_wrong_one_is_noticed() -> None:
    bits = PAYLOAD.bits()
    assert len(bits) == NUM_BITS
    assert Payload.of_bits(bits) == PAYLOAD
    for index in range(NUM_BITS):
        changed = bits.copy()
        changed[index] ^= True
        assert Payload.of_bits(changed) is None
    with pytest.raises(ValueError, match="4 hex digits"):
        Payload("c0ffee")


@pytest.mark.slow
def test_the_mark_survives_web_quality_half_size_and_trimming(tmp_path: Path) -> None:
    marker = Watermarker(PAYLOAD)
    path = tmp_path / "web.mp4"
    with VideoWriter(path, 256, 256, fps=Fraction(25), crf=28) as writer:
        for index, image in enumerate(dance(38)):
            marked = marker.apply(image)
            if index >= 13:
                assert index % 8 or psnr_db(image, marked) > 42
                half = cv2.resize(marked, (256, 256), interpolation=cv2.INTER_AREA)
                writer.write(np.asarray(half, np.uint8), Fraction(index, 25))
    reading = read_watermark(path)
    assert reading.payload == PAYLOAD
    assert reading.num_frames == 25


def test_on_a_bare_wall_the_mark_is_a_single_level_and_does_not_flicker() -> None:
    marker, image = Watermarker(PAYLOAD), wall()
    marked = [marker.apply(image) for _ in range(16)]
    assert np.abs(marked[0].astype(int) - image).max() == 1
    changes = [np.mean(a != b) for a, b in pairwise(marked)]
    assert max(changes) < 0.02
    assert read_marked(marked).payload == PAYLOAD


def test_no_mark_is_read_where_there_is_none(tmp_path: Path) -> None:
    assert read_marked(dance(10)).payload is None
    assert read_marked([wall()]).payload is None
    path = tmp_path / "plain.mp4"
    with VideoWriter(path, 512, 512, fps=Fraction(25)) as writer:
        for index, image in enumerate(dance(8)):
            writer.write(image, Fraction(index, 25))
    assert read_watermark(path).payload is None


def test_the_marker_leaves_the_picture_it_was_given() -> None:
    image = wall()
    before = image.copy()
    Watermarker(PAYLOAD).apply(image)
    assert np.array_equal(image, before)


def test_white_and_black_stay_in_range() -> None:
    for level in (0, 255):
        marked = Watermarker(PAYLOAD).apply(np.full((128, 128, 3), level, np.uint8))
        assert np.abs(marked.astype(int) - level).max() <= 1
