"""The video of a report: all panes in one small video, which keeps them synchronized.

Every pane shows its content at the time of the result's frame. Size, frame rate and bit rate are planned so that the file stays
within `MAX_VIDEO_BYTES` for any length; frames are streamed, and one per pane is held.
"""

import math
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from dancenow.media.sink import VideoWriter
from dancenow.media.source import VideoSource
from dancenow.pose.overlay import draw_pose
from dancenow.progress import Progress, ProgressCallback
from dancenow.report.content import Pane
from dancenow.types import Frame, FrameStatus, ImageRGB, Pose, PoseTrack, VideoInfo

MAX_VIDEO_BYTES: Final = 10_000_000
"""Base64 adds a third."""
MAX_HEIGHT_PX: Final = 360
MAX_FRAME_PX: Final = 640_000
"""For all panes together: four squares of 360 px keep their size, four wide images are reduced."""
MAX_FPS: Final = 31
MAX_TOTAL_PX: Final = 1_000_000_000
"""For all frames together: 64 s of four squares of 360 px at 30 fps, at 0.08 bits per pixel for the largest video."""
MIN_HEIGHT_PX: Final = 180
THUMBNAIL_HEIGHT_PX: Final = 132
BACKGROUND_RGB: Final = (24, 26, 30)


@dataclass(frozen=True)
class VideoPlan:
    """Sizes of the panes (width, height) px; every `step`-th frame of the result is shown."""

    sizes_px: tuple[tuple[int, int], ...]
    step: int
    fps: Fraction
    max_bits_per_s: int

    @property
    def width_px(self) -> int:
        """Total width of the panes."""
        return sum(width for width, _ in self.sizes_px)

    @property
    def height_px(self) -> int:
        """Height of every pane."""
        return self.sizes_px[0][1]


@dataclass(frozen=True, eq=False)
class PanesVideo:
    """Result of `write_panes_video`. time_s: float64 [T] of all of the result's frames; shown: the frames in the video;
    thumbnails: frame number -> a small JPEG of all panes at that frame.
    """

    plan: VideoPlan
    time_s: NDArray[np.float64]
    shown: NDArray[np.int64]
    thumbnails: dict[int, bytes]


def plan_video(panes: Sequence[Pane], result: VideoInfo, num_frames: int) -> VideoPlan:
    """Choose size and frame rate: as large as a laptop's window; for long videos first smaller, then fewer frames."""
    shapes = [_pane_size(pane) for pane in panes]
    aspects = [width / height for width, height in shapes]
    height_px = min(MAX_HEIGHT_PX, max(height for _, height in shapes), int(math.sqrt(MAX_FRAME_PX / sum(aspects))))
    step = max(1, math.ceil(result.fps / MAX_FPS))
    wanted_px = num_frames / step * height_px**2 * sum(aspects)
    if wanted_px > MAX_TOTAL_PX:
        fitting_px = height_px * math.sqrt(MAX_TOTAL_PX / wanted_px)
        height_px = min(height_px, max(int(fitting_px), MIN_HEIGHT_PX))
        step = max(step, math.ceil(num_frames * height_px**2 * sum(aspects) / MAX_TOTAL_PX))
    height_px = max(2, height_px - height_px % 2)
    sizes = tuple((max(2, 2 * round(height_px * aspect / 2)), height_px) for aspect in aspects)
    duration_s = float(num_frames / result.fps)
    # The encoder may exceed its rate by its buffer of two seconds; a tenth is for the container.
    return VideoPlan(sizes, step, result.fps / step, max(1000, int(0.9 * 8 * MAX_VIDEO_BYTES / (duration_s + 2))))


def write_panes_video(
    panes: Sequence[Pane],
    result: VideoSource,
    out: Path,
    *,
    thumbnails_of: Collection[int],
    metadata: dict[str, str],
    on_progress: ProgressCallback,
) -> PanesVideo:
    """Write the panes side by side to `out`, an mp4, with thumbnails of the given frames.

    Raises:
        UserError: a video cannot be read, or `out` cannot be written.
    """
    info = result.info
    num_frames = info.num_frames or sum(1 for _ in result.frames())
    plan = plan_video(panes, info, num_frames)
    draw = [_pane_renderer(pane, size, result, info.fps) for pane, size in zip(panes, plan.sizes_px, strict=True)]
    frame_times_s, shown, thumbnails = [], [], {}
    with VideoWriter(
        out, plan.width_px, plan.height_px, fps=plan.fps, crf=26, metadata=metadata,
        max_bits_per_s=plan.max_bits_per_s, keyframe_every=max(1, round(plan.fps)),
    ) as writer:  # fmt: skip
        for frame in result.frames():
            frame_times_s.append(float(frame.time_s))
            is_shown = frame.index % plan.step == 0
            if not is_shown and frame.index not in thumbnails_of:
                continue
            image = np.concatenate([each(frame) for each in draw], axis=1)
            if is_shown:
                shown.append(frame.index)
                writer.write(image, frame.time_s)
            if frame.index in thumbnails_of:
                thumbnails[frame.index] = _jpeg(image)
            on_progress(Progress("report", frame.index + 1, num_frames))
    return PanesVideo(plan, np.array(frame_times_s), np.array(shown, np.int64), thumbnails)


def _pane_size(pane: Pane) -> tuple[int, int]:
    if isinstance(pane.shows, PoseTrack):
        return pane.shows.width_px, pane.shows.height_px
    return pane.shows.info.width_px, pane.shows.info.height_px


def _pane_renderer(pane: Pane, size_px: tuple[int, int], result: VideoSource, fps: Fraction) -> Callable[[Frame], ImageRGB]:
    """Return a function that renders the pane for each frame of the result, called in order."""
    # Containers round times: a frame that begins within half a frame belongs to this one.
    tolerance_s = 1 / (2 * fps)
    if isinstance(pane.shows, PoseTrack):
        track = pane.shows
        return lambda frame: _render_pose(track, float(frame.time_s + tolerance_s), size_px)
    if pane.shows is result:
        return lambda frame: _resize(frame.image_rgb, size_px)
    video = _FrameClock(pane.shows.frames())
    return lambda frame: _resize(video.at(frame.time_s + tolerance_s).image_rgb, size_px)


class _FrameClock:
    """Reads a video along with a clock that only goes forward; the last frame stays at its end."""

    def __init__(self, frames: Iterator[Frame]) -> None:
        self._frames = frames
        self._now = next(frames)
        self._next = next(frames, None)

    def at(self, time_s: Fraction) -> Frame:
        """The last frame that begins before this time."""
        while self._next is not None and self._next.time_s < time_s:
            self._now, self._next = self._next, next(self._frames, None)
        return self._now


def _render_pose(track: PoseTrack, time_s: float, size_px: tuple[int, int]) -> ImageRGB:
    """Draw the pose of that time on a dark background; nothing before the track begins, and in frames without a person."""
    width, height = size_px
    image = np.full((height, width, 3), BACKGROUND_RGB, np.uint8)
    index = int(np.searchsorted(track.time_s, time_s)) - 1
    if index < 0 or track.status[index] == FrameStatus.MISSING:
        return image
    pose = track.pose[index]
    scale = np.array([width / track.width_px, height / track.height_px], np.float32)
    return draw_pose(image, Pose(pose.xy * scale, pose.confidence), filled=bool(track.status[index] == FrameStatus.FILLED))


def _resize(image_rgb: ImageRGB, size_px: tuple[int, int]) -> ImageRGB:
    if image_rgb.shape[1::-1] == size_px:
        return image_rgb
    shrink = image_rgb.shape[0] / size_px[1]
    # Area averaging avoids aliasing at strong reductions; for weak ones linear is enough, in a seventh of the time.
    how = cv2.INTER_AREA if shrink > 2 else cv2.INTER_LINEAR if shrink > 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(image_rgb, size_px, interpolation=how), np.uint8)


def _jpeg(image_rgb: ImageRGB) -> bytes:
    height, width = image_rgb.shape[:2]
    if height > THUMBNAIL_HEIGHT_PX:
        image_rgb = _resize(image_rgb, (max(1, round(width * THUMBNAIL_HEIGHT_PX / height)), THUMBNAIL_HEIGHT_PX))
    written, data = cv2.imencode(".jpg", image_rgb[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 82])
    if not written:
        raise ValueError(f"no JPEG could be encoded of an image of {width}x{height} px")
    return data.tobytes()
