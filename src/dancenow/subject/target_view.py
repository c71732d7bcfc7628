"""From where a rendered video looks at its target, at one place or with the footage's camera, and what is around them."""

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from dancenow.subject.background.base import Background
from dancenow.subject.camera.homography import Homography
from dancenow.types import PoseTrack

CameraMode = Literal["still", "follow"]
"""still: from one place, the reference view; follow: the footage's camera is replayed."""


class ViewCamera(Protocol):
    """How the rendered frames see the reference view of the target."""

    @property
    def frame_px(self) -> tuple[int, int]:
        """Width and height of the rendered frames."""

    def to_reference(self, time_s: float) -> Homography:
        """px of the frame at that time -> px of the reference view."""

    def show(self, track: PoseTrack) -> PoseTrack:
        """A track in the reference view, in px of the rendered frames."""


class Foreground(Protocol):
    """What is seen in front of the people."""

    def at(self, time_s: float) -> NDArray[np.uint8] | None:
        """The image uint8 [H,W,4] with straight alpha at a time; None if nothing is there. The caller does not write to it."""


class StayingPerson(Protocol):
    """Somebody in the place of a dance who was filmed there."""

    @property
    def track(self) -> PoseTrack:
        """In px of the rendered frames, with one pose for each of them."""

    def at(self, time_s: float) -> NDArray[np.uint8] | None:
        """What is seen of them, uint8 [H,W,4] with straight alpha, at a time; None if nothing is. The caller does not write to
        it."""


@dataclass(frozen=True, eq=False)
class StillForeground:
    """The same at all times, such as the bars and logos of the footage. rgba: uint8 [H,W,4]."""

    rgba: NDArray[np.uint8]

    def at(self, _time_s: float) -> NDArray[np.uint8]:
        """See `Foreground.at`."""
        return self.rgba


@dataclass(frozen=True, eq=False)
class TargetView:
    """What a rendered video shows besides the person, and how it sees them.

    camera: None for the reference view at all times. front: None if nothing is in front of the person. gain_rgb: from the light
    of the footage to that of the background, see `rendering.light_match`. others: people of the place, who are in front of the
    person or behind, by the ground under their feet. contact_darkness: how dark a soft shadow the person gets under the feet,
    besides the one that the footage shows, see `rendering.contact_shadow`.
    """

    background: Background
    camera: ViewCamera | None = None
    front: Foreground | None = None
    gain_rgb: tuple[float, float, float] = (1.0, 1.0, 1.0)
    others: tuple[StayingPerson, ...] = ()
    contact_darkness: float = 0.0

    def show(self, track: PoseTrack) -> PoseTrack:
        """A track in the reference view, in px of the rendered frames."""
        return track if self.camera is None else self.camera.show(track)
