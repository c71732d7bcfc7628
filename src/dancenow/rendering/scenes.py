"""The scenes that a dance can be shown in, by what the user names: those of the two videos, a color, a picture, or nothing.

A scene is a class that implements `SceneChoice`. It is opened, and what is wrong with it is said, before any long work.
"""

import re
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Self

import cv2
import numpy as np

from dancenow.errors import InputError, OptionError
from dancenow.media.source import VideoSource
from dancenow.pose.people_beside import PeopleBeside
from dancenow.progress import ProgressCallback
from dancenow.rendering.light_match import match_light
from dancenow.rendering.output import require_outputs
from dancenow.rendering.scene_choice import Dance, FrameSize, SceneChoice, StagedDances, require_layers
from dancenow.rendering.shared_place import share_place
from dancenow.rendering.source_scene import SourceScene
from dancenow.subject.background.base import Background, NoBackground, StillPlate
from dancenow.subject.background.picture import VideoBackground, cover_frame
from dancenow.subject.target_view import CameraMode, TargetView
from dancenow.types import ImageRGB, Plate, PoseTrack

COLORS: Final = {
    "black": "#000000", "white": "#ffffff", "gray": "#808080", "red": "#ff0000", "green": "#008000", "blue": "#0000ff",
    "yellow": "#ffff00", "cyan": "#00ffff", "magenta": "#ff00ff", "orange": "#ffa500", "purple": "#800080", "pink": "#ffc0cb",
    "brown": "#a52a2a",
}  # fmt: skip
"""Names of colors, as in CSS."""
MAX_ENLARGEMENT: Final = 2.0
"""A picture that must be enlarged by more to fill the frame is too small."""


@dataclass(frozen=True)
class TargetScene:
    """Where the target was filmed, with its bars and logos."""

    files: tuple[Path, ...] = ()
    has_alpha: bool = False
    is_target_view: bool = True

    def require_suits(self, _frame: FrameSize, _generates_background: bool) -> None:
        """See `SceneChoice.require_suits`: it always does."""

    def masks_of(self, _source: VideoSource, _person: int | None) -> None:
        """See `SceneChoice.masks_of`."""

    def find_beside(self, _source: VideoSource, people: Sequence[int | None], _on_progress: ProgressCallback) -> PeopleBeside:
        """See `SceneChoice.find_beside`: nobody of the source is seen."""
        return PeopleBeside.nobody(people)

    def stage(self, dances: Sequence[Dance], _others: Mapping[int, PoseTrack], _on_progress: ProgressCallback) -> StagedDances:
        """See `SceneChoice.stage`: the place of the first dance's target."""
        target = dances[0].target
        views = share_place(target.view(dances[0].camera), dances)
        gains = (match_light(dance.target.plate.image_rgb, target.plate.image_rgb) for dance in dances)
        return StagedDances(tuple(replace(view, gain_rgb=gain) for view, gain in zip(views, gains, strict=True)))


@dataclass(frozen=True)
class TransparentScene:
    """Nothing: the frames have alpha."""

    files: tuple[Path, ...] = ()
    has_alpha: bool = True
    is_target_view: bool = True

    def require_suits(self, _frame: FrameSize, generates_background: bool) -> None:
        """See `SceneChoice.require_suits`."""
        require_layers(generates_background)

    def masks_of(self, _source: VideoSource, _person: int | None) -> None:
        """See `SceneChoice.masks_of`."""

    def find_beside(self, _source: VideoSource, people: Sequence[int | None], _on_progress: ProgressCallback) -> PeopleBeside:
        """See `SceneChoice.find_beside`: nobody of the source is seen."""
        return PeopleBeside.nobody(people)

    def stage(self, dances: Sequence[Dance], _others: Mapping[int, PoseTrack], _on_progress: ProgressCallback) -> StagedDances:
        """See `SceneChoice.stage`."""
        track = dances[0].world_track
        return StagedDances(share_place(TargetView(NoBackground(track.width_px, track.height_px)), dances))


@dataclass(frozen=True, eq=False)
class PictureScene:
    """An image uint8 [h,w,3], or one color, which is an image of one pixel."""

    image_rgb: ImageRGB
    files: tuple[Path, ...] = ()
    has_alpha: bool = False
    is_target_view: bool = True

    @classmethod
    def of_color(cls, color: str) -> Self:
        """From #rrggbb."""
        return cls(np.frombuffer(bytes.fromhex(color[1:]), np.uint8).reshape(1, 1, 3))

    @classmethod
    def open(cls, path: Path) -> Self:
        """Read an image file.

        Raises:
            UserError: it cannot be read.
        """
        try:
            image = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_COLOR_RGB)
        except (OSError, cv2.error) as error:
            raise InputError(f"the scene {path} cannot be read; give another image.") from error
        if image is None:
            raise InputError(f"the scene {path} is damaged; give another image.")
        return cls(np.asarray(image, np.uint8), (path,))

    def require_suits(self, frame: FrameSize, generates_background: bool) -> None:
        """See `SceneChoice.require_suits`."""
        require_layers(generates_background)
        for path in self.files:
            require_large_enough(path, self.image_rgb.shape[1], self.image_rgb.shape[0], frame)

    def masks_of(self, _source: VideoSource, _person: int | None) -> None:
        """See `SceneChoice.masks_of`."""

    def find_beside(self, _source: VideoSource, people: Sequence[int | None], _on_progress: ProgressCallback) -> PeopleBeside:
        """See `SceneChoice.find_beside`: nobody of the source is seen."""
        return PeopleBeside.nobody(people)

    def stage(self, dances: Sequence[Dance], _others: Mapping[int, PoseTrack], _on_progress: ProgressCallback) -> StagedDances:
        """See `SceneChoice.stage`."""
        track = dances[0].world_track
        image = cover_frame(self.image_rgb, track.width_px, track.height_px)
        plate: Background = StillPlate(Plate(image, np.ones(image.shape[:2], np.bool_)))
        return StagedDances(share_place(TargetView(plate), dances))


@dataclass(frozen=True, eq=False)
class VideoScene:
    """A video, which runs along with the dance and starts again at its end."""

    video: VideoSource
    has_alpha: bool = False
    is_target_view: bool = True

    @property
    def files(self) -> tuple[Path, ...]:
        """See `SceneChoice.files`."""
        return (self.video.path,)

    def require_suits(self, frame: FrameSize, generates_background: bool) -> None:
        """See `SceneChoice.require_suits`."""
        require_layers(generates_background)
        require_large_enough(self.video.path, self.video.info.width_px, self.video.info.height_px, frame)

    def masks_of(self, _source: VideoSource, _person: int | None) -> None:
        """See `SceneChoice.masks_of`."""

    def find_beside(self, _source: VideoSource, people: Sequence[int | None], _on_progress: ProgressCallback) -> PeopleBeside:
        """See `SceneChoice.find_beside`: nobody of the source is seen."""
        return PeopleBeside.nobody(people)

    def stage(self, dances: Sequence[Dance], _others: Mapping[int, PoseTrack], _on_progress: ProgressCallback) -> StagedDances:
        """See `SceneChoice.stage`."""
        lasts_s = self.video.info.duration_s
        if lasts_s is None:  # the container does not say
            last = deque(self.video.frames(), maxlen=1)[0]
            lasts_s = float(last.time_s + 1 / self.video.info.fps)
        track, dance_s = dances[0].world_track, dances[0].duration_s
        views = share_place(TargetView(VideoBackground(self.video, track.width_px, track.height_px, lasts_s)), dances)
        if lasts_s >= dance_s - 1 / track.fps:
            return StagedDances(views)
        return StagedDances(
            views, (f"The scene {self.video.path.name} lasts {lasts_s:.1f} s and the dance {dance_s:.1f} s: it repeats.",)
        )


def open_scene(scene: str, camera: CameraMode, out: Path, page: Path | None, *inputs: Path) -> SceneChoice:
    """The scene that a user names: target, source, transparent, a color, or an image or video file.

    inputs: the source video, and the other files that are read. out: the video, page: of its report, which must be writable and
    overwrite neither the inputs nor the scene.

    Raises:
        UserError: there is no such scene, it cannot be read, or it does not go with this camera or this name of the video.
    """
    if scene != "target" and camera == "follow":
        raise OptionError(
            f"--camera follow repeats the camera of the target's footage, which --scene {scene} does not show; leave one out."
        )
    opened = SourceScene(inputs[0]) if scene == "source" else _open(scene)
    require_outputs(out, page, *inputs, *opened.files, has_alpha=opened.has_alpha)
    return opened


def _open(scene: str) -> SceneChoice:
    if scene == "target":
        return TargetScene()
    if scene == "transparent":
        return TransparentScene()
    color = COLORS.get(scene.lower(), scene.lower())
    if re.fullmatch("#[0-9a-f]{6}", color):
        return PictureScene.of_color(color)
    path = Path(scene)
    try:
        exists = path.exists()
    except OSError:  # a name that is too long, or a folder that may not be read
        exists = False
    if not exists:
        raise OptionError(
            f"there is no scene {scene!r}: give target, source, transparent, a color such as white or #20a040, or the name"
            " of an image or video file."
        )
    if path.is_file() and path.suffix.lower() != ".gif" and cv2.haveImageReader(str(path)):
        return PictureScene.open(path)
    return VideoScene(VideoSource.open(path))


def scene_name(scene: str) -> str:
    """What a report says: a file without its folders."""
    return Path(scene).name


def require_large_enough(path: Path, width: int, height: int, frame: FrameSize) -> None:
    """Raise UserError if a picture of width x height px must be enlarged too much to fill a frame."""
    if max(frame.width_px / width, frame.height_px / height) > MAX_ENLARGEMENT:
        raise InputError(
            f"the scene {path} of {width}x{height} px is too small for frames of {frame.width_px}x{frame.height_px} px; give"
            " one at least half as wide and as high."
        )
