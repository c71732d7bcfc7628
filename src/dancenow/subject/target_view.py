"""From where a rendered video looks at its target: from one place, or with the camera of the footage."""

from dataclasses import dataclass
from typing import Literal

from dancenow.subject.background.base import Background
from dancenow.subject.camera.replay import ReplayedCamera
from dancenow.types import PoseTrack

CameraMode = Literal["still", "follow"]
"""still: from one place, the reference view; follow: the footage's camera is replayed."""


@dataclass(frozen=True, eq=False)
class TargetView:
    """The background that a rendered video shows, and the camera that sees it; None: the reference view at all times."""

    background: Background
    camera: ReplayedCamera | None = None

    def show(self, track: PoseTrack) -> PoseTrack:
        """A track in the reference view, in px of the rendered frames."""
        return track if self.camera is None else self.camera.show(track)
