"""Bars, borders, captions, logos and digits are found where they are, and nowhere else; the background comes without them."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from dancenow.media.sink import MaskWriter, VideoWriter
from dancenow.media.source import open_video
from dancenow.subject.background.background_plate import PlateEstimator
from dancenow.subject.exposure_measurement import ExposureMeter
from dancenow.subject.overlay_detection.finder import find_overlays
from dancenow.subject.overlays import Overlays, put_over
from dancenow.types import ImageRGB

WIDTH, HEIGHT, FRAMES, MARGIN = 320, 240, 44, 20
Rgba = NDArray[np.uint8]
Camera = Callable[[int], tuple[int, int]]


def room(smooth: bool = False) -> ImageRGB:
    """uint8, larger than the frame by `MARGIN` on each side: leaves, pictures and boards, or a plain wall."""
    size = (HEIGHT + 2 * MARGIN, WIDTH + 2 * MARGIN)
    rng = np.random.default_rng(0)
    if smooth:
        image = np.full((*size, 3), (170, 175, 180), np.uint8)
    else:
        leaves = np.dstack([cv2.GaussianBlur(rng.normal(0, 1, size), (0, 0), 3) for _ in range(3)])
        image = np.clip(140 + 260 * leaves, 0, 255).astype(np.uint8)
    image[190:] = (120, 90, 60)
    for x in (50, 150, 250):
        cv2.rectangle(image, (x, 50), (x + 50, 90), (60, 40, 120), -1)
        cv2.putText(image, "ART", (x + 4, 80), cv2.FONT_HERSHEY_SIMPLEX, 0.7, (220, 210, 60), 2, cv2.LINE_AA)
    return np.asarray(cv2.GaussianBlur(image, (0, 0), 0.8), np.uint8)


def still(_: int) -> tuple[int, int]:
    return 0, 0


def shaking(i: int) -> tuple[int, int]:
    return round(7 * np.sin(i * 1.7)), round(5 * np.cos(i * 1.1))


def film(
    folder: Path, camera: Camera, overlay_of: Callable[[int], Rgba] | None = None, *, picture: ImageRGB | None = None
) -> tuple[Path, Path]:
    """A person with a text on the shirt walks to and fro; returns the video and the masks."""
    folder.mkdir(exist_ok=True)
    background = room() if picture is None else picture
    video, masks = folder / "clip.mp4", folder / "masks.mkv"
    with VideoWriter(video, WIDTH, HEIGHT, fps=Fraction(25), crf=12) as images, MaskWriter(masks, WIDTH, HEIGHT) as mask_file:
        for i in range(FRAMES):
            dx, dy = camera(i)
            image, mask = background.copy(), np.zeros(background.shape[:2], np.uint8)
            x = round(MARGIN + 160 + 80 * np.sin(i / 5))
            for drawn, color in ((image, (190, 60, 50)), (mask, 255)):
                cv2.ellipse(drawn, (x, 195), (26, 55), 0, 0, 360, color, -1, cv2.LINE_AA)
                cv2.circle(drawn, (x, 130), 14, color, -1, cv2.LINE_AA)
            cv2.putText(image, "42", (x - 14, 190), cv2.FONT_HERSHEY_SIMPLEX, 0.7, (255, 255, 255), 2, cv2.LINE_AA)
            part = slice(MARGIN + dy, MARGIN + dy + HEIGHT), slice(MARGIN + dx, MARGIN + dx + WIDTH)
            image, mask = np.ascontiguousarray(image[part]), np.ascontiguousarray(mask[part])
            if overlay_of is not None:
                rgba = overlay_of(i)
                put_over(image, rgba)
                mask[rgba[..., 3] > 128] = 0 if (rgba[..., 3] > 128).mean() > 0.1 else mask[rgba[..., 3] > 128]
            images.write(image, Fraction(i, 25))
            mask_file.write(mask)
    return video, masks


def find(video: Path, masks: Path) -> Overlays:
    overlays = find_overlays(video, masks, FRAMES)
    assert overlays is not None
    return overlays


def text(words: str, at: tuple[int, int], scale: float = 1.0) -> Rgba:
    """White letters with a dark outline."""
    alpha, letters = np.zeros((HEIGHT, WIDTH), np.uint8), np.zeros((HEIGHT, WIDTH), np.uint8)
    cv2.putText(alpha, words, at, cv2.FONT_HERSHEY_SIMPLEX, scale, 255, 6, cv2.LINE_AA)
    cv2.putText(letters, words, at, cv2.FONT_HERSHEY_SIMPLEX, scale, 255, 2, cv2.LINE_AA)
    return np.dstack([letters, letters, letters, alpha])


def logo(alpha: float) -> Rgba:
    """A badge with a ring and letters, of one opacity."""
    opacity = np.zeros((HEIGHT, WIDTH), np.uint8)
    cv2.circle(opacity, (250, 95), 14, 255, 4, cv2.LINE_AA)
    cv2.putText(opacity, "TV", (272, 105), cv2.FONT_HERSHEY_SIMPLEX, 0.9, 255, 3, cv2.LINE_AA)
    return np.dstack([np.full((HEIGHT, WIDTH, 3), 255, np.uint8), np.asarray(opacity * alpha, np.uint8)])


def bars() -> Rgba:
    rgba = np.zeros((HEIGHT, WIDTH, 4), np.uint8)
    rgba[:30, :, 3] = rgba[-34:, :, 3] = 255
    put_into(rgba, text("hello", (110, 230), 0.7))
    return rgba


def border() -> Rgba:
    """A still, blurred picture on the left and right, with a caption."""
    rgba = np.zeros((HEIGHT, WIDTH, 4), np.uint8)
    blurred = cv2.GaussianBlur(room(), (0, 0), 9)[MARGIN:-MARGIN, MARGIN:-MARGIN]
    for part in (slice(0, 60), slice(WIDTH - 60, WIDTH)):
        rgba[:, part, :3], rgba[:, part, 3] = blurred[:, part], 255
    put_into(rgba, text("HI", (6, 60), 0.9))
    return rgba


def put_into(rgba: Rgba, other: Rgba) -> None:
    rgba[other[..., 3] > 128] = other[other[..., 3] > 128]


def overlap(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    return float((a & b).sum() / (a | b).sum())


def error_over(overlays: Overlays, truth: Rgba) -> float:
    """Difference in levels that nearly all pixels of the true overlay stay below, put over the room and over gray."""
    worst = 0.0
    for behind in (room()[MARGIN:-MARGIN, MARGIN:-MARGIN], np.full((HEIGHT, WIDTH, 3), 128, np.uint8)):
        got, expected = behind.copy(), behind.copy()
        put_over(got, overlays.rgba)
        put_over(expected, truth)
        off = np.abs(got.astype(int) - expected).max(axis=2)[truth[..., 3] > 0]
        worst = max(worst, float(np.percentile(off, 90)))
    return worst


@pytest.mark.parametrize(("name", "camera"), [("bars", still), ("bars", shaking), ("border", shaking)])
def test_bars_and_borders_with_captions_are_found_and_put_back(tmp_path: Path, name: str, camera: Camera) -> None:
    truth = {"bars": bars, "border": border}[name]()
    overlays = find(*film(tmp_path, camera, lambda _: truth))
    assert overlap(overlays.mask, truth[..., 3] > 0) > 0.9
    assert error_over(overlays, truth) < 8
    box, hidden = overlays.content, truth[..., 3] > 0
    assert not overlays.mask[box.rows, box.columns][10:-10, 10:-10].any()
    assert not hidden[box.rows, box.columns].any()


@pytest.mark.parametrize(("opacity", "error"), [(1.0, 30.0), (0.45, 30.0)])
def test_a_logo_before_a_moving_camera_is_found_with_its_opacity(tmp_path: Path, opacity: float, error: float) -> None:
    truth = logo(opacity)
    overlays = find(*film(tmp_path, shaking, lambda _: truth))
    near = cv2.dilate((truth[..., 3] > 0).astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
    assert overlays.mask[truth[..., 3] > 60].mean() > 0.9
    assert (overlays.mask & ~near).sum() < 0.45 * (truth[..., 3] > 0).sum()
    assert error_over(overlays, truth) < error
    strokes = cv2.erode((truth[..., 3] >= 250 * opacity).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    assert abs(np.median(overlays.rgba[..., 3][strokes]) / 255 - opacity) < 0.2


def test_a_caption_behind_which_the_person_passes_is_found_before_a_still_camera(tmp_path: Path) -> None:
    truth = text("DANCE", (70, 190), 1.6)
    overlays = find(*film(tmp_path, still, lambda _: truth))
    assert overlays.mask[:, 110:210][truth[:, 110:210, 3] > 128].mean() > 0.6
    near = cv2.dilate((truth[..., 3] > 0).astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
    assert (overlays.mask & ~near).sum() < 0.1 * (truth[..., 3] > 0).sum()


@pytest.mark.parametrize("camera", [still, shaking])
def test_running_digits_are_found(tmp_path: Path, camera: Camera) -> None:
    overlays = find(*film(tmp_path, camera, lambda i: text(f"14:05:{i:02d}", (20, 35), 0.9)))
    rows, columns = np.nonzero(overlays.mask)
    assert rows.max() < 50
    assert columns.max() < 190
    seconds = np.std([text(f"14:05:{i:02d}", (20, 35), 0.9)[..., 3] for i in range(20, 30)], axis=0) > 60
    assert overlays.mask[seconds].mean() > 0.6


@pytest.mark.parametrize(("camera", "smooth"), [(still, False), (still, True), (shaking, False), (shaking, True)])
def test_nothing_is_found_where_nothing_is(tmp_path: Path, camera: Camera, smooth: bool) -> None:
    assert find_overlays(*film(tmp_path, camera, picture=room(smooth)), FRAMES) is None


def test_the_plate_has_no_bars_and_no_logo(tmp_path: Path) -> None:
    truth = bars()
    put_into(truth, logo(1.0))
    video, masks = film(tmp_path, shaking, lambda _: truth)
    source, empty = open_video(video), room()
    measured = np.ones(FRAMES, bool)
    estimator, meter = PlateEstimator(source, masks, measured), ExposureMeter(masks, measured)
    source.feed(estimator, meter)
    plate = estimator.estimate(meter.exposure(), find(video, masks))
    dx, dy = min(
        ((x, y) for x in range(-8, 9) for y in range(-6, 7)),
        key=lambda at: np.abs(
            plate.image_rgb[60:120].astype(int)
            - empty[MARGIN + 60 + at[1] : MARGIN + 120 + at[1], MARGIN + at[0] : MARGIN + at[0] + WIDTH]
        ).mean(),
    )
    expected = empty[MARGIN + dy : MARGIN + dy + HEIGHT, MARGIN + dx : MARGIN + dx + WIDTH]
    off = np.abs(plate.image_rgb.astype(int) - expected).max(axis=2)
    assert np.percentile(off[75:115, 230:310], 90) < 40, "the scene behind the logo, which other frames show"
    assert not plate.known[:28].any()
    assert plate.image_rgb[:30].mean() > 80, "no black is smeared into the picture"
