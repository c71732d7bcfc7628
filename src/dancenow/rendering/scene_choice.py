"""What every scene implements, and what it gets and gives."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from dancenow.errors import OptionError
from dancenow.media.source import VideoSource
from dancenow.pose.people_beside import PeopleBeside
from dancenow.pose.retargeting.kept_half import KeptHalf
from dancenow.pose.retargeting.registry import Retargeter
from dancenow.progress import ProgressCallback
from dancenow.subject.camera.trajectory import CameraTrajectory
from dancenow.subject.target_appearance import Target
from dancenow.subject.target_view import CameraMode, TargetView
from dancenow.types import PoseTrack


@dataclass(frozen=True, eq=False)
class Dance:
    """A dance that was planned. person: whose dance in the source it is, None for the one who is followed by default.
    source_track: in px of the source's frames. world_track: on the target's body, in the reference view of the target.
    retargeter: what made it of the source's dance. keep: the half of the body that stands as in the footage. camera: how the
    target's footage's camera is used. source_camera: of the source.
    """

    source: VideoSource
    person: int | None
    source_track: PoseTrack
    world_track: PoseTrack
    target: Target
    retargeter: Retargeter
    keep: KeptHalf
    camera: CameraMode
    source_camera: CameraTrajectory

    @property
    def holds_place(self) -> bool:
        """Whether it stays in one place, because the legs stand."""
        return self.keep == "lower"

    @property
    def duration_s(self) -> float:
        """Of the whole dance."""
        return float(self.world_track.time_s[-1]) + 1 / self.world_track.fps


@dataclass(frozen=True, eq=False)
class StagedDances:
    """Dances in one scene. views: of each, all with the same background and foreground. notes: what the user should know about
    the scene, one sentence each.
    """

    views: tuple[TargetView, ...]
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

    def masks_of(self, source: VideoSource, person: int | None) -> Path | None:
        """Where the masks of a person of the source are to be written when they are detected; None if they are not needed.

        Raises:
            UserError: this source does not suit the scene.
        """

    def find_beside(self, source: VideoSource, people: Sequence[int | None], on_progress: ProgressCallback) -> PeopleBeside:
        """Who of the source is near the people who are danced, and is seen in the scene, too; see `people_beside.find_beside`.

        Raises:
            UserError: the video cannot be read, or nobody is found.
        """

    def stage(self, dances: Sequence[Dance], others: Mapping[int, PoseTrack], on_progress: ProgressCallback) -> StagedDances:
        """Put the dances of one source into it. others: tracks of those whom `find_beside` found, by number.

        Raises:
            UserError: a file cannot be read.
        """


def require_layers(generates_background: bool) -> None:
    """Raise UserError if a model generates whole frames."""
    if generates_background:
        raise OptionError(
            "a model of whole frames generates their background, too, so it goes with --scene target only; train one with the"
            " preset draft, draft-fast, standard or hd."
        )


def require_suits(place: SceneChoice, frame: FrameSize, generates_background: bool, *, is_alone: bool) -> None:
    """As `SceneChoice.require_suits`, and raise UserError if a model of whole frames is to dance beside others."""
    if generates_background and not is_alone:
        raise OptionError(
            "a model of whole frames generates their background, too, so it dances alone; train one with the preset draft,"
            " draft-fast, standard or hd."
        )
    place.require_suits(frame, generates_background)
