"""What every pose map offers, the map that changes nothing, and what several maps need.

A map is a frozen value: measured once on two whole tracks, then applied to poses, printed and saved.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, Self, runtime_checkable

from dancenow.pose.body_statistics import BodyStatistics, body_statistics
from dancenow.types import Pose, PoseTrack

Dancer = PoseTrack | BodyStatistics
"""A dancer to be measured, or one who was measured before."""


@runtime_checkable
class Retargeter(Protocol):
    """Poses in source px in, poses in target px out. Printable in one sentence; saved as plain JSON values."""

    kind: ClassVar[str]

    def __call__(self, pose: Pose) -> Pose:
        """Map one pose [K] or a whole track's poses [T,K] in order of time; confidence is untouched, depth is scaled."""
        ...

    def inverse(self) -> "Retargeter | None":
        """The map from the target to the source, or None where there is none."""
        ...

    def to_json(self) -> dict[str, Any]:
        """JSON values from which `load_retargeter` makes the same map."""
        ...


@dataclass(frozen=True)
class IdentityRetargeter:
    """Every pose stays as it is."""

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


def measured(dancer: Dancer) -> BodyStatistics:
    """The statistics of a dancer; a track is measured.

    Raises:
        UserError: the track shows too little of the body.
    """
    return body_statistics(dancer) if isinstance(dancer, PoseTrack) else dancer


def whole_track(pose: Pose) -> Pose:
    """Poses [T,K] of a pose [K] or of poses [T,K]."""
    if pose.xy.ndim > 3:
        raise ValueError(f"poses must be [K] or [T,K], got {pose!r}")
    return pose if pose.xy.ndim == 3 else pose[None]


def smooth_step(value: float, low: float, high: float) -> float:
    """0 up to `low`, 1 from `high`, smooth between."""
    t = min(max((value - low) / (high - low), 0.0), 1.0)
    return t * t * (3 - 2 * t)
