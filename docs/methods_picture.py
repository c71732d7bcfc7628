"""The README's still of the ablation: the same moments by every method, from the videos that `dancenow bench` keeps."""

import argparse
from pathlib import Path

import cv2
import numpy as np

from dancenow.files import complete_or_absent
from dancenow.video import read_frames

METHODS = ("truth-encoded-again", "nearest-frame", "pix2pixHD", "+-temporal-smoothing", "ours")
MOMENTS = (10, 40, 66)
SIDE_PX = 168


def main() -> None:
    """Moments from above to below, methods from left to right, each cut round the middle of the frame."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("videos", type=Path, help="folder bench/videos of the cache")
    parser.add_argument("--clip", default="eve-spark-draft-45s", help="subject, dance, networks and budget")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("methods.webp"))
    options = parser.parse_args()
    columns = []
    for method in METHODS:
        frames = list(read_frames(options.videos / f"{options.clip}-0-{method}.mp4"))
        height, width = frames[0].image_rgb.shape[:2]
        left, side = (width - int(0.86 * height)) // 2, int(0.86 * height)
        cuts = [frames[i].image_rgb[height - side :, left : left + side] for i in MOMENTS]
        columns.append(np.concatenate([cv2.resize(c, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA) for c in cuts]))
    picture = np.concatenate(columns, axis=1)
    with complete_or_absent(options.out) as temporary:
        cv2.imwrite(str(temporary), picture[..., ::-1], [cv2.IMWRITE_WEBP_QUALITY, 80])


if __name__ == "__main__":
    main()
