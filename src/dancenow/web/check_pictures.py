"""Pictures of a footage check: who was found, with numbers to choose by, and the pose that was measured."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from dancenow.media.source import VideoSource
from dancenow.pose.overlay import draw_pose
from dancenow.pose.tracking.reidentification import Detection
from dancenow.skeleton import NUM_OPENPOSE
from dancenow.storage.atomic_io import complete_or_absent
from dancenow.types import FrameStatus, ImageRGB, PoseTrack

SIDE_PX: Final = 720
"""Longer side of a picture, at most."""
_COLORS: Final = ((230, 80, 60), (50, 120, 230), (40, 160, 90), (200, 120, 20), (150, 70, 190), (20, 150, 170))


def write_pose_picture(video: VideoSource, track: PoseTrack, out: Path) -> None:
    """Write a .jpg of the frame in which the person is seen best, with the pose drawn on it."""
    sure = np.where(track.status == FrameStatus.MEASURED, track.pose.confidence.mean(axis=1), 0)
    best = int(sure.argmax())
    for frame in video.frames_at([best]):
        write_picture(draw_pose(frame.image_rgb, track.pose[best]), out)


def write_people_picture(video: VideoSource, samples: Sequence[Sequence[Detection]], out: Path) -> int:
    """Write a .jpg of the frame with the most people, each with the number that chooses them; returns how many there are.

    The numbers are those of `reidentification.select_person`.
    """
    fullest = max(samples, key=lambda people: (len(people), sum(each.prominence for each in people)))
    if not fullest:
        return 0
    for frame in video.frames_at([fullest[0].frame]):
        image = frame.image_rgb.copy()
        for number, person in enumerate(fullest, start=1):
            _draw_number(image, person, number)
        write_picture(image, out)
    return len(fullest)


def _draw_number(image: ImageRGB, person: Detection, number: int) -> None:
    """Draw a frame around a person, and their number at its top."""
    xy, color = person.landmarks.pose.xy[:NUM_OPENPOSE], _COLORS[(number - 1) % len(_COLORS)]
    height_px, width_px = image.shape[:2]
    low = np.clip(xy.min(axis=0), 0, [width_px - 1, height_px - 1]).astype(int)
    high = np.clip(xy.max(axis=0), 0, [width_px - 1, height_px - 1]).astype(int)
    thick_px = max(2, round(max(image.shape) / 240))
    cv2.rectangle(image, low.tolist(), high.tolist(), color, thick_px, cv2.LINE_AA)
    radius_px = max(14, round(max(image.shape) / 30))
    center = (int(np.clip((low[0] + high[0]) // 2, radius_px, width_px - radius_px)), int(max(radius_px, low[1])))
    cv2.circle(image, center, radius_px, color, -1, cv2.LINE_AA)
    scale = radius_px / 18
    (text_px, tall_px), _ = cv2.getTextSize(str(number), cv2.FONT_HERSHEY_SIMPLEX, scale, 2)
    at = (center[0] - text_px // 2, center[1] + tall_px // 2)
    cv2.putText(image, str(number), at, cv2.FONT_HERSHEY_SIMPLEX, scale, (255, 255, 255), 2, cv2.LINE_AA)


def write_picture(image: ImageRGB, out: Path) -> None:
    """Write an image, made smaller where it is large, as .jpg."""
    scale = min(1.0, SIDE_PX / max(image.shape[:2]))
    size = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    encoded = cv2.imencode(".jpg", cv2.cvtColor(small, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 88])[1]
    with complete_or_absent(out) as temporary:
        temporary.write_bytes(encoded.tobytes())
