"""Make the tutorial's images from the two rendered people that come with the package.

Usage: python docs/scripts/tutorial_images.py FOLDER

FOLDER holds what these commands write:

    dancenow pose SOURCE -o source.npz --overlay source_overlay.mp4
    dancenow pose TARGET -o target.npz --masks target_masks.mkv
    dancenow prepare TARGET -o target --consent rendered
    dancenow check SOURCE target -o check.png
    dancenow run SOURCE TARGET -o out.mp4 --budget 4m --consent rendered
"""

import sys
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from dancenow.assets import SOURCE, TARGET

IMAGES = Path(__file__).parents[1] / "images"
SIDE_PX = 320
GAP_PX = 8
MOMENTS = (30, 120, 372)
"""Numbers of frames, increasing."""
SHOWN = 100

Image = NDArray[np.uint8]


def main() -> None:
    folder = Path(sys.argv[1])
    target = frames(TARGET, (SHOWN,))[0]
    mask = frames(folder / "target_masks.mkv", (SHOWN,))[0]
    alpha = cv2.resize(mask, target.shape[1::-1])[..., :1] / 255.0
    person = (target * alpha + 255 * (1 - alpha)).astype(np.uint8)
    write("tutorial-inputs", [[*frames(SOURCE, (SHOWN,)), target]])
    write("tutorial-poses", [frames(folder / "source_overlay.mp4", MOMENTS)])
    write("tutorial-prepare", [[target, person, read(folder / "target" / "plate.png")]])
    write("tutorial-result", [frames(SOURCE, MOMENTS), frames(folder / "out.mp4", MOMENTS)])
    cv2.imwrite(str(IMAGES / "tutorial-check.webp"), read(folder / "check.png"), [cv2.IMWRITE_WEBP_QUALITY, 85])


def read(path: Path) -> Image:
    """An image file, BGR."""
    return np.asarray(cv2.imread(str(path)), np.uint8)


def frames(video: Path, numbers: tuple[int, ...]) -> list[Image]:
    """Some frames of a video by their numbers, BGR."""
    with av.open(str(video)) as container:
        decoded = enumerate(container.decode(video=0))
        return [np.asarray(frame.to_ndarray(format="bgr24"), np.uint8) for number, frame in decoded if number in numbers]


def write(name: str, rows: list[list[Image]]) -> None:
    """Write rows of images, each scaled to one height, as NAME.webp."""
    strips = []
    for row in rows:
        scaled = [cv2.resize(image, (round(image.shape[1] * SIDE_PX / image.shape[0]), SIDE_PX)) for image in row]
        gap = np.full((SIDE_PX, GAP_PX, 3), 255, np.uint8)
        strips.append(np.concatenate([part for image in scaled for part in (gap, image)][1:], axis=1))
    between = np.full((GAP_PX, strips[0].shape[1], 3), 255, np.uint8)
    sheet = np.concatenate([part for strip in strips for part in (between, strip)][1:], axis=0)
    cv2.imwrite(str(IMAGES / f"{name}.webp"), sheet, [cv2.IMWRITE_WEBP_QUALITY, 82])


if __name__ == "__main__":
    main()
