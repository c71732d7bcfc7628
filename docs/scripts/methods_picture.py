"""Make the still that compares methods: the same frames of several videos, such as `dancenow bench budget` keeps in the cache.

Usage: python docs/scripts/methods_picture.py VIDEO VIDEO... -o docs/images/methods.webp
"""

import argparse
from pathlib import Path

import cv2
import numpy as np

from dancenow.media.source import VideoSource
from dancenow.storage.atomic_io import complete_or_absent
from dancenow.types import ImageRGB

SIDE_PX = 240
VISIBLE_HEIGHT = 0.86
"""Fraction of the frame's height that is shown, from below."""


def main() -> None:
    """Write a sheet: frames from top to bottom, videos from left to right, each cropped around the middle."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("videos", type=Path, nargs="+")
    parser.add_argument("--moments", type=int, nargs="+", default=[8, 40, 60], help="numbers of frames")
    parser.add_argument("-o", "--out", type=Path, default=Path(__file__).parents[1] / "images" / "methods.webp")
    options = parser.parse_args()
    sheet = np.concatenate([column(video, options.moments) for video in options.videos], axis=1)
    with complete_or_absent(options.out) as temporary:
        cv2.imwrite(str(temporary), sheet[..., ::-1], [cv2.IMWRITE_WEBP_QUALITY, 80])


def column(video: Path, moments: list[int]) -> ImageRGB:
    """Stack some frames of a video."""
    frames = {frame.index: frame.image_rgb for frame in VideoSource.open(video).frames() if frame.index in moments}
    height, width = frames[moments[0]].shape[:2]
    side = round(VISIBLE_HEIGHT * height)
    left = (width - side) // 2
    crops = [frames[moment][height - side :, left : left + side] for moment in moments]
    shown = [np.asarray(cv2.resize(each, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA), np.uint8) for each in crops]
    return np.concatenate(shown)


if __name__ == "__main__":
    main()
