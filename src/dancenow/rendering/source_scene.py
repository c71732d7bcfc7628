"""The scene of the source video without its dancer, in whose place another person dances.

source, masks ─► survey as of footage: background, camera, exposure ─┐
                                                                      ▼
frame, mask of the dancer, background of the frame ─► remove_person ─► frame without them, and what passed in front
"""

import shutil
import tempfile
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dancenow.errors import InputError
from dancenow.media.source import VideoSource, read_masks
from dancenow.progress import ProgressCallback, ignore_progress
from dancenow.rendering.light_match import match_light
from dancenow.rendering.placement import PlacedCamera
from dancenow.rendering.scene_choice import Dance, FrameSize, StagedDance, require_layers
from dancenow.subject.background.passing_objects import PassingObject
from dancenow.subject.background.person_removal import Removal, remove_person
from dancenow.subject.exposure import Exposure
from dancenow.subject.footage_survey import FootageSurvey, survey_footage
from dancenow.subject.matte.refined_masks import refine_masks, still_background
from dancenow.subject.shot_selection import select_shots
from dancenow.subject.target_view import TargetView
from dancenow.types import Frame, FrameStatus, ImageRGB, Plate, PoseTrack

_MANY: Final = 0.1
"""If more of what is behind the dancer was never seen, the user is told."""
_LEARN_FRAMES: Final = 60
"""Frames from which the usual colors of the dancer are learned, at most."""


class SourceScene:
    """See `SceneChoice`: the source video, in which the target takes the dancer's place."""

    has_alpha: Final = False
    is_target_view: Final = False

    def __init__(self, source: Path) -> None:
        self.files = (source,)
        self._folder = Path(tempfile.mkdtemp(prefix="dancenow-scene-"))
        weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)

    def require_suits(self, _frame: FrameSize, generates_background: bool) -> None:
        """See `SceneChoice.require_suits`."""
        require_layers(generates_background)

    def masks_of(self, source: VideoSource) -> Path:
        """See `SceneChoice.masks_of`."""
        if len(source.shots) > 1:
            raise InputError(
                f"{source} has {len(source.shots)} shots, and --scene source needs one without cuts; cut one shot out of it."
            )
        return self._folder / "masks.mkv"

    def stage(self, dance: Dance, on_progress: ProgressCallback) -> StagedDance:
        """See `SceneChoice.stage`."""
        place, survey = self.remove_dancer(dance.source, dance.source_track, on_progress)
        front = PassedInFront(place, None if survey.overlays is None else survey.overlays.rgba)
        gain = match_light(dance.target.plate.image_rgb, survey.plate.image_rgb)
        camera = PlacedCamera.fit(dance.world_track, dance.source_track, dance.source_camera)
        return StagedDance(TargetView(place, camera, front, gain), _notes(survey, self.masks_of(dance.source)))

    def remove_dancer(
        self, source: VideoSource, track: PoseTrack, on_progress: ProgressCallback = ignore_progress
    ) -> tuple["RemovedDancer", FootageSurvey]:
        """The source without its dancer, whose masks lie at `masks_of`, and what was found out about it.

        Raises:
            UserError: the video cannot be read.
        """
        masks, measured = self.masks_of(source), track.status == FrameStatus.MEASURED
        survey = survey_footage(source, masks, select_shots(source, track), measured, "keep", on_progress)
        refine_masks(source, masks, survey.background_of, exposure=survey.exposure, on_progress=on_progress)
        # The background of the masks shows the dancer's shadow where it was seen in it only; the plate does not.
        background_of = survey.background_of if survey.camera is not None else still_background(survey.plate)
        return RemovedDancer(source, masks, track, background_of, survey.exposure, keeps=self), survey


class RemovedDancer:
    """The source without its dancer, as a `Background`. Frames are streamed: times that go forward are cheap."""

    def __init__(
        self,
        source: VideoSource,
        masks: Path,
        track: PoseTrack,
        background_of: Callable[[int], Plate],
        exposure: Exposure,
        keeps: object = None,
    ) -> None:
        """masks: of the dancer, one per frame. background_of: the background of a frame by its number, in px of the frame.
        exposure: of the frames, relative to that of the background. keeps: the owner of the masks, which must live as long.
        """
        self._source, self._masks, self._track = source, masks, track
        self._background_of, self._exposure, self._keeps = background_of, exposure, keeps
        step = -(-len(track) // _LEARN_FRAMES)
        pairs = zip(source.frames(), read_masks(masks), strict=False)
        learned = ((frame, mask) for frame, mask in pairs if frame.index % step == 0 and frame.index < len(track))
        self._passing = PassingObject.learn((frame.image_rgb, mask, track.pose[frame.index]) for frame, mask in learned)
        self._known = np.ones((track.height_px, track.width_px), np.bool_)
        self._restart()

    def _restart(self) -> None:
        self._pairs: Iterator[tuple[Frame, NDArray[np.uint8]]] = zip(
            self._source.frames(), read_masks(self._masks), strict=False
        )
        self._index, self._removal = -1, Removal(np.zeros((self._track.height_px, self._track.width_px, 3), np.uint8))

    def removal_at(self, time_s: float) -> Removal:
        """The frame of that time without the dancer."""
        wanted = int(np.abs(self._track.time_s - time_s).argmin())
        if wanted < self._index:
            self._restart()
        if wanted > self._index:
            for frame, mask in self._pairs:
                if frame.index == wanted:
                    self._removal = self._remove(frame, mask)
                    break
            self._index = wanted
        return self._removal

    def _remove(self, frame: Frame, mask: NDArray[np.uint8]) -> Removal:
        behind = self._exposure.replay(self._background_of(frame.index).image_rgb, frame.index)
        return remove_person(frame.image_rgb, mask, behind, self._track.pose[frame.index], self._passing)

    def at(self, time_s: float) -> ImageRGB:
        """See `Background.at`."""
        return self.removal_at(time_s).image_rgb

    def known_at(self, _time_s: float) -> NDArray[np.bool_]:
        """See `Background.known_at`."""
        return self._known


class PassedInFront:
    """What passed in front of the dancer, and the bars and logos uint8 [H,W,4] of the source, as a `Foreground`."""

    def __init__(self, place: RemovedDancer, overlay: NDArray[np.uint8] | None = None) -> None:
        self._place, self._overlay = place, overlay

    def at(self, time_s: float) -> NDArray[np.uint8] | None:
        """See `Foreground.at`."""
        passed = self._place.removal_at(time_s).front
        if passed is None or self._overlay is None:
            return passed if self._overlay is None else self._overlay
        return np.where(self._overlay[..., 3:] >= passed[..., 3:], self._overlay, passed)


def _notes(survey: FootageSurvey, masks: Path) -> tuple[str, ...]:
    """What the user should know about the background behind the dancer."""
    behind = invented = 0
    for index, mask in enumerate(read_masks(masks)):
        if index % 10 == 0 and mask.any():
            known = survey.background_of(index).known
            rows, columns = np.nonzero(mask > 128)
            at = (rows * known.shape[0] // mask.shape[0], columns * known.shape[1] // mask.shape[1])
            behind, invented = behind + len(rows), invented + int((~known[at]).sum())
    if invented <= _MANY * behind:
        return ()
    return (
        f"{invented / behind:.0%} of what is behind the dancer of the source was never seen and is filled in; film the empty"
        " place for a moment to see it.",
    )
