"""The poses of a video while they are measured, as plain arrays: objects for each frame would take three times as much."""

from array import array
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dancenow.skeleton import NUM_KEYPOINTS
from dancenow.types import FrameStatus, Pose

_BLOCK: Final = 1024
"""Poses that are held as objects, at most."""
_NOBODY: Final = Pose(*(np.zeros((NUM_KEYPOINTS, *rest), np.float32) for rest in ((2,), (), ())))


class TrackRecord:
    """Takes what was measured in each frame, in order."""

    def __init__(self) -> None:
        self._times_s, self._status = array("d"), bytearray()
        self._recent: list[Pose] = []
        self._before: list[Pose] = []

    def __len__(self) -> int:
        return len(self._status)

    def add(self, time_s: float, pose: Pose | None) -> None:
        """Append a frame at a time; pose: [K], None if nobody was found."""
        self._times_s.append(time_s)
        self._status.append(FrameStatus.MISSING if pose is None else FrameStatus.MEASURED)
        self._recent.append(_NOBODY if pose is None else pose)
        if len(self._recent) == _BLOCK:
            self._pack()

    @property
    def measured(self) -> int:
        """Frames in which the person was found."""
        return self._status.count(FrameStatus.MEASURED)

    def arrays(self) -> tuple[Pose, NDArray[np.float64], NDArray[np.uint8]]:
        """Of at least one frame: poses [T,K], times float64 [T] in seconds, and status uint8 [T], as in a `PoseTrack`."""
        self._pack()
        fields = ("xy", "confidence", "depth")
        pose = Pose(*(np.concatenate([getattr(block, name) for block in self._before]) for name in fields))
        return pose, np.array(self._times_s), np.array(self._status, np.uint8)

    def _pack(self) -> None:
        if self._recent:
            fields = ("xy", "confidence", "depth")
            self._before.append(Pose(*(np.stack([getattr(pose, name) for pose in self._recent]) for name in fields)))
            self._recent = []
