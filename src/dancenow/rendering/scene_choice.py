"""What every scene implements, and what it gets and gives."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from dancenow.errors import OptionError
from dancenow.media.source import VideoSource
from dancenow.progress import ProgressCallback
from dancenow.subject.camera.trajectory import CameraTrajectory
from dancenow.subject.target_appearance import Target
from dancenow.subject.target_view import CameraMode, TargetView
from dancenow.types import PoseTrack


@dataclass(frozen=True, eq=False)
class Dance:
    """A dance that was planned. source_track: in px of the source's frames. world_track: on the target's body, in the reference
    view of the target. camera: how its footage's camera is used. source_camera: of the source.
    """

    source: VideoSource
    source_track: PoseTrack
    world_track: PoseTrack
    target: Target
    camera: CameraMode
    source_camera: CameraTrajectory

    @property
    def duration_s(self) -> float:
        """Of the whole dance."""
        return float(self.world_track.time_s[-1]) + 1 / self.world_track.fps


@dataclass(frozen=True, eq=False)
class StagedDance:
    """A dance in its scene. notes: what the user should know about the scene, one sentence each."""

    view: TargetView
    notes: tuple[str, ...] = ()


class FrameSize(Protocol):
    """Anything that has the size of a frame."""

    @property
    def width_px(self) -> int: ...
    @property
    def height_px(self) -> int: ...


class SceneChoice(Protocol):
    """What is around the person."""

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that it is read from."""

    @property
    def has_alpha(self) -> bool:
        """Whether the rendered frames have alpha."""

    @property
    def is_target_view(self) -> bool:
        """Whether its frame is that of the target's footage, in which the dance has to stay."""

    def require_suits(self, frame: FrameSize, generates_background: bool) -> None:
        """Check that it suits a target with frames of this size, and its model, before any long work.

        generates_background: whether the model generates whole frames.

        Raises:
            UserError: it does not.
        """

    def masks_of(self, source: VideoSource) -> Path | None:
        """Where the masks of the source dancer are to be written when they are detected; None if they are not needed.

        Raises:
            UserError: this source does not suit the scene.
        """

    def stage(self, dance: Dance, on_progress: ProgressCallback) -> StagedDance:
        """Put a dance into it.

        Raises:
            UserError: a file cannot be read.
        """


def require_layers(generates_background: bool) -> None:
    """Raise UserError if a model generates whole frames."""
    if generates_background:
        raise OptionError(
            "a model of whole frames generates their background, too, so it goes with --scene target only; train one with the"
            " preset draft, standard or hd."
        )
