"""Files with alpha: read back they show the same over any color, without a fringe, with sound, and complete or not at all."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from dancenow.errors import UserError
from dancenow.media.alpha import change_color, premultiply, straight_alpha
from dancenow.media.image_folder import ImageFolderWriter
from dancenow.media.sink import VideoWriter
from dancenow.media.video_format import FORMATS, PRORES_4444, VP9_ALPHA, VideoFormat
from dancenow.rendering.output import require_outputs
from helpers.alpha_files import over_color, read_rgba, sound_s
from helpers.drawn_world import dancer_track, film

FPS, WIDTH, HEIGHT = Fraction(25), 65, 48
ORANGE = (230, 120, 40)


def soft_disc(index: int) -> NDArray[np.float32]:
    """An orange disc with a soft edge, premultiplied: float32 [H,W,4]."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    alpha = np.clip((14 - np.hypot(x - 20 - 3 * index, y - 24)) / 4, 0, 1).astype(np.float32)
    return np.dstack([np.array(ORANGE, np.float32) * alpha[..., None], alpha])


def test_color_continues_beyond_the_edge() -> None:
    image = straight_alpha(soft_disc(0))
    np.testing.assert_allclose(image[..., 3] / 255, soft_disc(0)[..., 3], atol=0.5 / 255)
    assert np.abs(image[..., :3].astype(int) - ORANGE).max() <= 1  # everywhere, also where nothing is visible


def test_premultiplied_colors_come_back() -> None:
    rgba = np.random.default_rng(0).integers(60, 256, (9, 7, 4), np.uint8)
    np.testing.assert_array_equal(straight_alpha(premultiply(rgba)), rgba)


def test_a_change_of_color_keeps_alpha() -> None:
    rgba = straight_alpha(soft_disc(0))
    changed = change_color(rgba, lambda rgb: 255 - rgb)
    np.testing.assert_array_equal(changed[..., 3], rgba[..., 3])
    np.testing.assert_array_equal(changed[..., :3], 255 - rgba[..., :3])


@pytest.mark.parametrize("kind", [PRORES_4444, VP9_ALPHA], ids=["mov", "webm"])
def test_a_video_shows_the_same_over_any_color(tmp_path: Path, kind: VideoFormat) -> None:
    path, images = tmp_path / f"disc{kind.suffix}", [straight_alpha(soft_disc(i)) for i in range(6)]
    with VideoWriter(path, WIDTH, HEIGHT, fps=FPS, kind=kind) as writer:
        for i, image in enumerate(images):
            writer.write(image, i / FPS)
    found = read_rgba(path)
    assert len(found) == 6
    for image, back in zip(images, found, strict=True):
        assert back.shape == (HEIGHT, WIDTH + WIDTH % 2 * (kind is VP9_ALPHA), 4)
        back = back[:, :WIDTH]
        for color in ((0, 0, 0), (255, 255, 255), (0, 200, 0)):
            difference = np.abs(over_color(back, color) - over_color(image, color))
            assert difference.mean() < 1
            assert difference.max() < 12


def test_a_folder_of_images_is_exact(tmp_path: Path) -> None:
    images = [straight_alpha(soft_disc(i)) for i in range(3)]
    with ImageFolderWriter(tmp_path / "disc") as writer:
        for i, image in enumerate(images):
            writer.write(image, i / FPS)
    assert [path.name for path in sorted((tmp_path / "disc").iterdir())] == ["000000.png", "000001.png", "000002.png"]
    for image, back in zip(images, read_rgba(tmp_path / "disc"), strict=True):
        np.testing.assert_array_equal(image, back)


@pytest.mark.parametrize("suffix", [".mov", ".webm"])
def test_sound_comes_along(tmp_path: Path, suffix: str) -> None:
    with_sound = Path(__file__).parents[2] / "src/dancenow/assets/dancer_source.mp4"
    path = tmp_path / f"disc{suffix}"
    with VideoWriter(
        path, WIDTH, HEIGHT, fps=FPS, kind=FORMATS[suffix], sound_from=with_sound, sound_range_s=(Fraction(0), Fraction(2))
    ) as writer:
        for i in range(50):
            writer.write(straight_alpha(soft_disc(i % 6)), i / FPS)
    assert sound_s(path) == pytest.approx(2, abs=0.06)


def test_nothing_is_left_after_an_interrupt(tmp_path: Path) -> None:
    def write(writer: VideoWriter | ImageFolderWriter) -> None:
        with writer:
            writer.write(straight_alpha(soft_disc(0)), Fraction(0))
            raise KeyboardInterrupt

    for writer in (
        VideoWriter(tmp_path / "a.mov", WIDTH, HEIGHT, fps=FPS, kind=PRORES_4444),
        VideoWriter(tmp_path / "a.webm", WIDTH, HEIGHT, fps=FPS, kind=VP9_ALPHA),
        ImageFolderWriter(tmp_path / "a"),
    ):
        with pytest.raises(KeyboardInterrupt):
            write(writer)
    assert list(tmp_path.iterdir()) == []


def test_the_name_of_an_output_says_what_it_can_hold(tmp_path: Path) -> None:
    other = tmp_path / "photos"
    other.mkdir()
    (other / "holiday.png").write_bytes(b"")
    for name, has_alpha, message in (
        ("out.mp4", True, "holds no transparency"),
        ("out.gif", True, "holds no transparency"),
        ("out.mov", False, "only --scene transparent is written as .mov"),
        ("out.avi", False, "ends in .mp4"),
        ("photos", True, "also holds holiday.png"),
    ):
        with pytest.raises(UserError, match=message):
            require_outputs(tmp_path / name, None, has_alpha=has_alpha)
    for name in ("out.mov", "out.webm", "out"):
        require_outputs(tmp_path / name, None, has_alpha=True)
    video = film(tmp_path / "in.mp4", dancer_track(4))
    with pytest.raises(UserError, match="also an input"):
        require_outputs(video, None, video)
