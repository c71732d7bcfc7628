"""The interface of a retargeter, the identity retargeter, and helpers that several retargeters share.

A retargeter is a frozen value: fitted once to two whole tracks, then applied to poses, printed and saved.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from dancenow.pose.body_statistics import BodyStatistics, body_statistics
from dancenow.types import Pose, PoseTrack

TrackOrStatistics = PoseTrack | BodyStatistics
"""A person as a track, or as the statistics measured from one."""


@runtime_checkable
class Retargeter(Protocol):
    """Maps poses in source px to poses in target px. Printable as one sentence; saved as plain JSON values."""

    kind: ClassVar[str]

    def __call__(self, pose: Pose) -> Pose:
        """Map one pose [K] or a whole track's poses [T,K] in order of time; confidence is unchanged, depth is scaled."""
        ...

    def inverse(self) -> "Retargeter | None":
        """The retargeter from target to source, or None if there is none."""
        ...

    def to_json(self) -> dict[str, Any]:
        """JSON values from which `load_retargeter` restores the retargeter."""
        ...


@dataclass(frozen=True)
class IdentityRetargeter:
    """Leaves every pose unchanged."""

    kind: ClassVar[str] = "none"

    def __call__(self, pose: Pose) -> Pose:
        return pose

    def __str__(self) -> str:
        return "none: poses are used as they are"

    def inverse(self) -> "IdentityRetargeter":
        return self

    def to_json(self) -> dict[str, Any]:
        return {"kind": self.kind}

    @classmethod
    def from_json(cls, saved: Mapping[str, Any]) -> Self:  # noqa: ARG003 - nothing to restore
        return cls()


def statistics_of(person: TrackOrStatistics) -> BodyStatistics:
    """The statistics of a person: measured, if a track is given.

    Raises:
        UserError: the track shows too little of the body.
    """
    return body_statistics(person) if isinstance(person, PoseTrack) else person


def as_track(pose: Pose) -> Pose:
    """Poses [T,K] from one pose [K] or poses [T,K]."""
    if pose.xy.ndim > 3:
        raise ValueError(f"poses must be [K] or [T,K], got {pose!r}")
    return pose if pose.xy.ndim == 3 else pose[None]


def smooth_step(value: float, low: float, high: float) -> float:
    """Smoothstep: 0 up to `low`, 1 from `high`, smooth in between."""
    return float(smooth_steps(np.asarray(value, np.float64), low, high))


def smooth_steps(values: NDArray[np.float64], low: float, high: float) -> NDArray[np.float64]:
    """`smooth_step` of each value."""
    t = ((values - low) / (high - low)).clip(0.0, 1.0)
    return np.asarray(t * t * (3 - 2 * t), np.float64)
