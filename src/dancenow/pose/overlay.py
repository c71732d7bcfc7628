"""Draw poses over video frames for inspection; never used as network input.

Colors are those of `skeleton`: warm on the person's right, cold on the left, so that swapped sides are visible.
"""

from pathlib import Path
from typing import Final

import cv2
import numpy as np

from dancenow.errors import InputError
from dancenow.media.sink import VideoWriter
from dancenow.media.source import VideoInput, open_video
from dancenow.progress import Progress, ProgressCallback, ignore_progress
from dancenow.skeleton import KEYPOINTS, LIMB_COLORS_RGB, LIMBS, NUM_OPENPOSE
from dancenow.types import FrameStatus, ImageRGB, Pose, PoseTrack

MIN_CONFIDENCE: Final = 0.2
_SUBPIXEL_BITS: Final = 4
_IS_FINE: Final = np.array([max(a, b) >= NUM_OPENPOSE or KEYPOINTS[b].endswith(("eye", "ear")) for a, b in LIMBS])
"""Whether a limb is part of a hand, foot or face, which are drawn thinner."""


def draw_pose(image_rgb: ImageRGB, pose: Pose, *, filled: bool = False) -> ImageRGB:
    """A copy of the image with the limbs of one pose [K]; a filled (interpolated) pose is drawn with thin lines.

    Line widths follow the size of the body; keypoints below `MIN_CONFIDENCE` are not drawn.
    """
    drawn = image_rgb.copy()
    present = pose.confidence >= MIN_CONFIDENCE
    if not present.any():
        return drawn
    body_px = float(np.ptp(pose.xy[present], axis=0).max())
    thick_px = 1 if filled else max(1, round(body_px / 70))
    fine_px = max(1, round(thick_px / 2))
    points = np.round(np.clip(pose.xy, -1e5, 1e5) * (1 << _SUBPIXEL_BITS)).astype(int)
    for (a, b), color, is_fine in zip(LIMBS, LIMB_COLORS_RGB.tolist(), _IS_FINE, strict=True):
        if present[a] and present[b]:
            ends = points[a].tolist(), points[b].tolist()
            cv2.line(drawn, *ends, color, fine_px if is_fine else thick_px, cv2.LINE_AA, _SUBPIXEL_BITS)
    radius = round(0.8 * thick_px * (1 << _SUBPIXEL_BITS))
    for k in np.flatnonzero(present[:NUM_OPENPOSE]):
        cv2.circle(drawn, points[k].tolist(), radius, (255, 255, 255), -1, cv2.LINE_AA, _SUBPIXEL_BITS)
    return drawn


def write_overlay(video: VideoInput, track: PoseTrack, path: Path, on_progress: ProgressCallback = ignore_progress) -> None:
    """Write the video with the track drawn on it, with its timing and sound.

    Raises:
        UserError: the track was made from frames of another size, or the file cannot be written.
    """
    source = open_video(video)
    info = source.info
    if (info.width_px, info.height_px) != (track.width_px, track.height_px):
        raise InputError(
            f"{video} is {info.width_px}x{info.height_px} px but the track was made at {track.width_px}x{track.height_px};"
            " give the video that the track was made from."
        )
    with VideoWriter(path, info.width_px, info.height_px, fps=info.fps, sound_from=source) as writer:
        for frame in source.frames(stop=len(track)):
            filled = track.status[frame.index] == FrameStatus.FILLED
            writer.write(draw_pose(frame.image_rgb, track.pose[frame.index], filled=bool(filled)), frame.time_s)
            on_progress(Progress("draw the overlay", frame.index + 1, len(track)))
