"""Poses of a live source: the steps of `pose.pipeline` on a window of the last frames, with a short lag that is stated.

    frame ──► follow one person ──► window of measured poses ──► smooth, damp jitter ──► fit to the target's body

`PosePipeline` looks more than a second ahead to tell errors from fast moves. Here only `lag_frames` later frames are known: the
same filters run over the window, with kernels of fixed width, and the pose that far before its end is shown. The bias of the
detector is not corrected: that takes half of the time of a pose, and needs the future.
"""

from collections import deque
from dataclasses import replace
from typing import Final

import numpy as np

from dancenow.pose.detectors.base import PoseDetector
from dancenow.pose.filtering.smoothing import SmoothConfig, damp_jitter
from dancenow.pose.pipeline import PosePipeline
from dancenow.pose.retargeting.base import Retargeter
from dancenow.pose.retargeting.registry import fit_retargeter, retarget
from dancenow.pose.tracking.reidentification import PersonSelection, find_people
from dancenow.pose.tracking.tracker import PersonTracker
from dancenow.skeleton import NUM_KEYPOINTS
from dancenow.types import Frame, FrameStatus, Pose, PoseTrack

WINDOW_FRAMES: Final = 24
LAG_FRAMES: Final = 1
"""Later frames that decide a pose."""
FIRST, AGAIN = SmoothConfig(sigma_s=0.035), SmoothConfig(sigma_s=0.05)
"""Two kernels, one after the other: at the end of a window that leaves much less jitter than one wide kernel."""
FIT_AT: Final = (20, 40, 80, 160, 320)
"""Numbers of measured poses at which the body is fitted anew: rough soon, exact later."""
_MISSING: Final = Pose(
    np.zeros((NUM_KEYPOINTS, 2), np.float32), np.zeros(NUM_KEYPOINTS, np.float32), np.zeros(NUM_KEYPOINTS, np.float32)
)


class CausalPoses:
    """Takes frames in order and gives the target's poses. target: the track of the model's person."""

    def __init__(self, detector: PoseDetector, target: PoseTrack, lag_frames: int = LAG_FRAMES) -> None:
        self._detector, self._pipeline, self._target = detector, PosePipeline(detector, FIRST), target
        self.lag_frames = lag_frames
        self._tracker: PersonTracker | None = None
        self._poses: deque[tuple[float, Pose, FrameStatus]] = deque(maxlen=WINDOW_FRAMES)
        self._known: list[tuple[float, Pose]] = []
        self._retargeter: Retargeter | None = None

    def step(self, frame: Frame) -> PoseTrack | None:
        """Take a frame; the last frames' poses on the target's body, of which the last is to be shown.

        None as long as the person's size is not known, and while nobody is seen.
        """
        landmarks = None
        if self._tracker is None:
            people = find_people(self._detector, frame, [None])
            if people:
                self._tracker = PersonTracker(self._detector, PersonSelection(people[:1], []), meets_strangers=True)
                landmarks = people[0].landmarks
        else:
            landmarks = self._tracker.step(frame)
        time_s, found = float(frame.time_s), landmarks is not None
        pose = landmarks.pose if landmarks is not None else _MISSING
        self._poses.append((time_s, pose, FrameStatus.MEASURED if found else FrameStatus.MISSING))
        height_px, width_px = frame.image_rgb.shape[:2]
        if found and len(self._known) < FIT_AT[-1]:
            self._known.append((time_s, pose))
            if len(self._known) in FIT_AT:
                seen = self._track([(time, pose, FrameStatus.MEASURED) for time, pose in self._known], width_px, height_px)
                self._retargeter = fit_retargeter("paper", self._pipeline.smooth(seen), self._target)
        return self._shown(width_px, height_px)

    def _shown(self, width_px: int, height_px: int) -> PoseTrack | None:
        window = list(self._poses)
        if self._retargeter is None or len(window) < 3 or window[-1][2] == FrameStatus.MISSING:
            return None
        smoothed = damp_jitter(self._pipeline.smooth(self._track(window, width_px, height_px)), AGAIN)
        fitted = retarget(smoothed, self._retargeter, self._target)
        return self._pipeline.for_rendering(fitted.part(0, len(fitted) - self.lag_frames))

    def _track(self, poses: list[tuple[float, Pose, FrameStatus]], width_px: int, height_px: int) -> PoseTrack:
        times, measured, status = zip(*poses, strict=True)
        pose = Pose(*(np.stack([getattr(each, name) for each in measured]) for name in ("xy", "confidence", "depth")))
        track = PoseTrack(pose, np.array(times), np.array(status, np.uint8), width_px, height_px, self._detector.name, "")
        return replace(track, time_s=track.time_s - track.time_s[0])
