"""The footage's camera, replayed over a rendered video of any length."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dancenow.subject.camera.homography import Homography
from dancenow.subject.camera.trajectory import CameraTrajectory, move_track
from dancenow.types import PoseTrack


@dataclass(frozen=True, eq=False)
class ReplayedCamera:
    """The camera of a video at any time: forward as it was filmed, then backward, and so on, so that it never jumps.

    time_s: float64 [T], times of the frames of the trajectory.
    """

    trajectory: CameraTrajectory
    time_s: NDArray[np.float64]

    @property
    def frame_px(self) -> tuple[int, int]:
        """Width and height of a frame."""
        return self.trajectory.width_px, self.trajectory.height_px

    def to_reference(self, time_s: float) -> Homography:
        """px of the frame at that time -> px of the reference view; interpolated between the footage's frames."""
        frame = self.frame_at(time_s)
        before = int(frame)
        first, second = self.trajectory.to_reference[[before, min(before + 1, len(self.time_s) - 1)]]
        weight = frame - before
        return np.asarray((1 - weight) * first + weight * second, np.float64)

    def frame_at(self, time_s: float) -> float:
        """The frame of the footage that is replayed at that time, with the part of the way to the next one."""
        last_s = float(self.time_s[-1])
        folded_s = last_s - abs(last_s - time_s % (2 * last_s)) if last_s > 0 else 0.0
        return float(np.interp(folded_s, self.time_s, np.arange(len(self.time_s))))

    def show(self, track: PoseTrack) -> PoseTrack:
        """A track in the reference view, as this camera sees it."""
        to_frame = np.stack([np.linalg.inv(self.to_reference(time_s)) for time_s in track.time_s.tolist()])
        return move_track(track, to_frame)
