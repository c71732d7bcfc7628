"""What the classifier looks at: pairs of consecutive pictures of a person, cut out of a video a few times a second.

The window shows the video's own pixels wherever it can: what enlarging blurs looks synthetic, and what shrinking sharpens looks
real. A body that is larger than the window is looked at part by part, another at each look. Where the body is comes from its
keypoints alone, so that real and synthetic are looked at alike.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from dancenow.media.source import probe, read_frames_at
from dancenow.pose.person_crop import MARGIN, crop_image
from dancenow.pose.pipeline import detect_poses
from dancenow.progress import ProgressCallback, ignore_progress
from dancenow.skeleton import INDEX, LIMBS
from dancenow.types import Crop, Frame, FrameStatus, ImageRGB, Pose, PoseTrack

LOOKS_PER_S: Final = 4.0
"""Pairs a second, at most."""
_FEWEST: Final = 12
"""Looks at a short video, if it has as many pairs."""
FILM_FPS: Final = 30.0
"""A pair is about as far apart as frames of this rate: in faster videos it leaves frames out."""
BODY_SHARE: Final = 4
"""How many times smaller the map of the body is than the picture."""
PARTS: Final = ("neck", "right_ankle", "left_wrist", "left_ankle", "right_wrist", "right_hip")
"""What the window is on, one after the other, where the body is larger than it."""
MOST_WINDOWS: Final = 2.0
"""How many times the window's side a body may be; a larger one is shrunk to that."""
_LIMB, _HEAD = 0.3, 0.42
"""Thickness of a limb and radius of a head, in torso lengths."""


@dataclass(frozen=True, eq=False)
class Look:
    """One pair: pictures uint8 [2,S,S,3]; body uint8 [S/4,S/4], 255 on the person; when; the window; and what it was cut
    out of, two frames and the pose [K] in them, frame px."""

    pictures: NDArray[np.uint8]
    body: NDArray[np.uint8]
    time_s: float
    crop: Crop
    frames_rgb: tuple[ImageRGB, ImageRGB]
    pose: Pose

    @classmethod
    def through(cls, crop: Crop, frames_rgb: tuple[ImageRGB, ImageRGB], pose: Pose, time_s: float) -> Self:
        """Look through a window."""
        pictures = np.stack([crop_image(each, crop) for each in frames_rgb])
        return cls(pictures, body_map(crop.apply(pose), crop.size), time_s, crop, frames_rgb, pose)

    def all_over(self) -> list[Self]:
        """The same moment through as many windows as the body has parts."""
        windows = [window_of(self.pose, self.crop.size, number) for number in range(len(PARTS))]
        others = {window.to_canvas.tobytes(): window for window in windows}
        return [self.through(each, self.frames_rgb, self.pose, self.time_s) for each in others.values()]


@dataclass(frozen=True, eq=False)
class Plan:
    """Where to look: the numbers of the pairs' first frames, increasing, how many frames later the second ones are, and the
    poses [N,K] at the first, in frame px."""

    video: Path
    starts: NDArray[np.int64]
    apart: int
    pose: Pose
    num_frames: int

    def __len__(self) -> int:
        return len(self.starts)


def plan(
    video: Path, person: int | None = None, use_cache: bool = True, on_progress: ProgressCallback = ignore_progress
) -> Plan:
    """Find the person a few times a second.

    Raises:
        UserError: the video cannot be read, or nobody is in it long enough.
    """
    info = probe(video)
    every = max(1, round(float(info.fps) / LOOKS_PER_S))
    if info.num_frames is not None:
        every = max(1, min(every, info.num_frames // _FEWEST))
    track = detect_poses(video, person=person, every=every, use_cache=use_cache, on_progress=on_progress)
    seen = np.flatnonzero(track.status != FrameStatus.MISSING)
    num_frames = info.num_frames or (len(track) - 1) * every + 1
    return Plan(Path(video), seen * every, frames_apart(float(info.fps)), track.pose[seen], num_frames)


def frames_apart(fps: float) -> int:
    """How many frames the pictures of a pair are apart."""
    return max(1, round(fps / FILM_FPS))


def look(plan: Plan, side_px: int) -> Iterator[Look]:
    """The pairs of a plan, in order, decoded once; a pair that the end of the video cuts in two is left out.

    side_px: of the pictures.
    """
    wanted = sorted({int(n) for start in plan.starts for n in (start, start + plan.apart)})
    place = {int(start): i for i, start in enumerate(plan.starts)}
    waiting: dict[int, Frame] = {}
    for frame in read_frames_at(plan.video, wanted):
        before = waiting.pop(frame.index - plan.apart, None)
        if before is not None:
            number = place[before.index]
            pose = plan.pose[number]
            crop = window_of(pose, side_px, number)
            yield Look.through(crop, (before.image_rgb, frame.image_rgb), pose, float(before.time_s))
        if frame.index in place:
            waiting[frame.index] = frame


def window_of(pose: Pose, side_px: int, number: int = 0) -> Crop:
    """The square window on one pose (frame px): the whole body, or one of `PARTS` of a larger one, in its own pixels.

    number: of the look, which chooses the part.
    """
    seen = pose.confidence > 0
    low, high = pose.xy[seen].min(axis=0).astype(np.float64), pose.xy[seen].max(axis=0).astype(np.float64)
    extent = float((high - low).max()) * MARGIN
    scale = min(1.0, MOST_WINDOWS * side_px / max(extent, 1.0))
    half_px = (side_px - 1) / 2 / scale
    centre = (low + high) / 2
    part = INDEX[PARTS[number % len(PARTS)]]
    if seen[part]:
        slack = np.maximum((high - low) / 2 * MARGIN - half_px, 0)
        centre = np.clip(pose.xy[part].astype(np.float64), centre - slack, centre + slack)
    shift = scale * (half_px - centre)
    if scale == 1.0:
        shift = np.rint(shift)  # whole pixels: nothing is interpolated
    return Crop(np.array([[scale, 0.0, shift[0]], [0.0, scale, shift[1]]]), side_px)


def body_map(pose: Pose, side_px: int) -> NDArray[np.uint8]:
    """Where the person of a pose (picture px) is: uint8 [S/4,S/4], 255 on limbs, trunk and head."""
    small = side_px // BODY_SHARE
    body = np.zeros((small, small), np.uint8)
    xy = (np.clip(pose.xy / BODY_SHARE, -1e4, 1e4) * 16).astype(np.int32)  # in sixteenths of a pixel
    seen = pose.confidence > 0
    trunk = [INDEX[name] for name in ("right_shoulder", "left_shoulder", "left_hip", "right_hip")]
    torso_px = float(np.linalg.norm(pose.xy[trunk[:2]].mean(axis=0) - pose.xy[trunk[2:]].mean(axis=0))) / BODY_SHARE
    torso_px = torso_px if seen[trunk].all() and torso_px > 1 else small / 6
    for a, b in LIMBS:
        if seen[a] and seen[b]:
            cv2.line(body, xy[a].tolist(), xy[b].tolist(), 255, max(1, round(_LIMB * torso_px)), cv2.LINE_8, 4)
    if seen[trunk].all():
        cv2.fillPoly(body, [xy[trunk]], 255, cv2.LINE_8, 4)
    if seen[INDEX["nose"]]:
        cv2.circle(body, xy[INDEX["nose"]].tolist(), round(16 * _HEAD * torso_px), 255, -1, cv2.LINE_8, 4)
    return body


def body_share(bodies: NDArray[np.uint8]) -> float:
    """The share of pictures that bodies [..., S/4, S/4] fill."""
    return float((bodies > 127).mean())


def runs_of(
    frames: list[ImageRGB], track: PoseTrack, side_px: int, count: int, offsets: tuple[int, ...]
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Runs of pictures for training, from a clip in memory and its poses: as `look`, with later pictures in the same window.

    Returns:
        pictures uint8 [N,len(offsets),S,S,3] and bodies uint8 [N,S/4,S/4]; N is `count` or fewer, spread over the clip.
    """
    usable = np.flatnonzero(track.status[: max(len(frames) - offsets[-1], 0)] != FrameStatus.MISSING)
    chosen = usable[np.unique(np.linspace(0, len(usable) - 1, count).round().astype(int))] if len(usable) else usable
    pictures = np.empty((len(chosen), len(offsets), side_px, side_px, 3), np.uint8)
    bodies = np.empty((len(chosen), side_px // BODY_SHARE, side_px // BODY_SHARE), np.uint8)
    for i, start in enumerate(chosen):
        crop = window_of(track.pose[start], side_px, i)
        bodies[i] = body_map(crop.apply(track.pose[start]), side_px)
        for j, offset in enumerate(offsets):
            pictures[i, j] = crop_image(frames[start + offset], crop)
    return pictures, bodies
