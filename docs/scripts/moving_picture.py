"""Make the README's moving image from a video.

Usage: python docs/scripts/moving_picture.py VIDEO OUT.webp [START_S] [SECONDS]
"""

import sys
from pathlib import Path

import cv2

from dancenow.media.source import VideoSource
from dancenow.storage.atomic_io import complete_or_absent

WIDTH_PX = 560
EVERY = 2
QUALITY = 62


def main() -> None:
    video, out = VideoSource.open(Path(sys.argv[1])), Path(sys.argv[2])
    start_s, seconds = (float(word) for word in (*sys.argv[3:5], "0", "7")[:2])
    info = video.info
    first, last = (round(float(info.fps) * second) for second in (start_s, start_s + seconds))
    size = (WIDTH_PX, round(info.height_px * WIDTH_PX / info.width_px))
    moving = cv2.Animation()
    moving.frames = [
        cv2.cvtColor(cv2.resize(frame.image_rgb, size, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2BGR)
        for frame in video.frames(first, last, EVERY)
    ]
    moving.durations = [round(1000 * EVERY / info.fps)] * len(moving.frames)
    with complete_or_absent(out) as temporary:
        cv2.imwriteanimation(str(temporary), moving, [cv2.IMWRITE_WEBP_QUALITY, QUALITY])


if __name__ == "__main__":
    main()
