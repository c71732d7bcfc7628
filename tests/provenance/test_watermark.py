"""The watermark: invisible, readable after web encoding, half size, trimming and cropping, and never a false positive."""

from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest

from dancenow.media.sink import VideoWriter
from dancenow.media.source import read_frames
from dancenow.provenance.watermark import (
    NUM_BITS,
    THRESHOLD,
    Payload,
    Watermarker,
    bit_scores,
    decode_payload,
    mean_image,
    read_watermark,
    read_watermark_in_images,
)
from dancenow.types import ImageRGB

PAYLOAD = Payload("c0de")


def wall(size_px: int = 512) -> ImageRGB:
    """A flat studio wall, lit from above."""
    light = np.linspace(225, 190, size_px)[:, None, None]
    return np.broadcast_to(light, (size_px, size_px, 3)).round().astype(np.uint8)


def dance(num_frames: int, size_px: int = 512) -> Iterator[ImageRGB]:
    """A striped figure moves in front of bricks and a flat wall."""
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 1.2, (size_px, size_px, 1)).round().astype(np.int16)
    room = wall(size_px).copy()
    bricks = (rng.uniform(110, 190, (24, 12, 1)) * (1.0, 0.65, 0.55)).astype(np.uint8)
    room[:, : size_px // 2] = cv2.resize(bricks, (size_px // 2, size_px))
    for i in range(num_frames):
        image = room.copy()
        x = size_px // 4 + round(size_px / 3 * np.sin(i / 9) ** 2)
        image[size_px // 4 : -20, x : x + 60] = np.where(
            (np.arange(size_px // 4, size_px - 20) // 9 % 2)[:, None, None], 40, 180
        )
        yield np.clip(image.astype(np.int16) + np.roll(noise, 37 * i, 1), 0, 255).astype(np.uint8)


def psnr_db(one: ImageRGB, other: ImageRGB) -> float:
    return float(10 * np.log10(255**2 / np.mean((one.astype(float) - other) ** 2)))


def half(image: ImageRGB) -> ImageRGB:
    return np.asarray(cv2.resize(image, (256, 256), interpolation=cv2.INTER_AREA), np.uint8)


def web(path: Path, images: list[ImageRGB], crf: int = 28) -> Path:
    """Encode images as a web site does."""
    height, width = images[0].shape[:2]
    with VideoWriter(path, width, height, fps=Fraction(25), crf=crf) as writer:
        for index, image in enumerate(images):
            writer.write(np.ascontiguousarray(image), Fraction(index, 25))
    return path


def test_a_codeword_with_eleven_wrong_bits_is_decoded() -> None:
    rng = np.random.default_rng(0)
    for model in ("c0de", "0000", "ffff", "8001"):
        bits = Payload(model).bits()
        assert len(bits) == NUM_BITS
        for _ in range(20):
            read = bits.copy()
            read[rng.choice(NUM_BITS, 11, replace=False)] ^= True
            found, score = decode_payload(np.where(read, 1, -1).astype(np.float32))
            assert found == Payload(model)
            assert score == pytest.approx((NUM_BITS - 22) / 8)
    with pytest.raises(ValueError, match="4 hex digits"):
        Payload("c0ffee")


def test_the_watermark_survives_web_quality_half_size_and_trimming(tmp_path: Path) -> None:
    marker, images = Watermarker(PAYLOAD), list(dance(38))
    marked = [marker.apply(image) for image in images]
    assert min(psnr_db(*pair) for pair in zip(images[::8], marked[::8], strict=True)) > 42
    reading = read_watermark(web(tmp_path / "web.mp4", [half(image) for image in marked[13:]]))
    assert reading.payload == PAYLOAD
    assert reading.num_frames == 25


def test_the_watermark_survives_an_uneven_crop(tmp_path: Path) -> None:
    marker = Watermarker(PAYLOAD)
    cropped = [marker.apply(image)[30:480, 20:] for image in dance(16)]
    assert read_watermark(web(tmp_path / "cropped.mp4", [i[:, :490] for i in cropped])).payload == PAYLOAD


def test_the_watermark_survives_two_generations_thinning_half_size_a_crop_and_mirroring(tmp_path: Path) -> None:
    marker = Watermarker(PAYLOAD)
    marked = [marker.apply(image) for image in dance(32)]
    first = [frame.image_rgb for frame in read_frames(web(tmp_path / "first.mp4", marked))][::2]
    mirrored = [half(image[36:, 10:470][:, ::-1]) for image in first]
    reading = read_watermark(web(tmp_path / "second.mp4", mirrored))
    assert reading.payload == PAYLOAD
    assert reading.mirrored
    whole = read_watermark_in_images([image[:, ::-1] for image in marked[:4]])
    assert (whole.payload, whole.mirrored) == (PAYLOAD, True)


def test_on_a_flat_wall_the_watermark_is_weak_keeps_luma_and_does_not_flicker() -> None:
    marker, image = Watermarker(PAYLOAD), wall()
    marked = [marker.apply(image) for _ in range(16)]
    assert psnr_db(marked[0], image) > 48
    luma = [cv2.cvtColor(i, cv2.COLOR_RGB2GRAY).astype(int) for i in (image, marked[0])]
    assert np.abs(luma[1] - luma[0]).max() <= 1
    assert all(np.array_equal(a, b) for a, b in pairwise(marked))
    assert read_watermark_in_images(marked).payload == PAYLOAD


def test_no_watermark_is_read_in_unmarked_images(tmp_path: Path) -> None:
    assert read_watermark_in_images(dance(10)).payload is None
    assert read_watermark_in_images([wall()]).payload is None
    assert read_watermark_in_images([]).payload is None
    plain = read_watermark(web(tmp_path / "plain.mp4", list(dance(8)), crf=18))
    assert plain.payload is None
    assert plain.strength < 6


def test_no_watermark_is_read_in_any_noise() -> None:
    rng = np.random.default_rng(0)
    strengths = []
    for spread in (0.5, 4, 40):
        for size_px in (48, 160):
            noise = np.clip(rng.normal(128, spread, (size_px, size_px, 3)), 0, 255).astype(np.uint8)
            strengths.append(decode_payload(bit_scores(mean_image([noise])[0]))[1])
    assert max(strengths) < THRESHOLD - 2


def test_the_input_image_is_not_changed() -> None:
    image = wall()
    before = image.copy()
    Watermarker(PAYLOAD).apply(image)
    assert np.array_equal(image, before)


def test_white_and_black_stay_in_range() -> None:
    for level in (0, 255):
        marked = Watermarker(PAYLOAD).apply(np.full((128, 128, 3), level, np.uint8))
        assert np.abs(marked.astype(int) - level).max() <= 3
