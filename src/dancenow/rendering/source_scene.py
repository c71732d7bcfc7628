"""The scene of the source video without its dancers, in whose places other people dance.

source, masks ─► survey as of footage: background, camera, exposure ─┐
                                                                      ▼
frame, masks of the dancers, background of the frame ─► remove_people ─► frame without them, and what passed in front
frame, masks of the people who stay ─► a layer each, in front of the new dancers or behind, by the ground under the feet
"""

import shutil
import tempfile
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from dancenow.errors import InputError
from dancenow.media.sink import MaskWriter
from dancenow.media.source import VideoSource, read_masks
from dancenow.pose.people_beside import PeopleBeside, find_beside
from dancenow.pose.separation.seen_parts import seen_parts
from dancenow.progress import Progress, ProgressCallback, ignore_progress
from dancenow.rendering.contact_shadow import StandingPerson, measure_darkness
from dancenow.rendering.depth_order import depth_lines, usual_height_px
from dancenow.rendering.light_match import match_light
from dancenow.rendering.placement import PlacedCamera
from dancenow.rendering.scene_choice import Dance, FrameSize, StagedDances, require_layers
from dancenow.subject.background.passing_objects import PassingObject
from dancenow.subject.background.person_removal import Removal, remove_people
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
    """See `SceneChoice`: the source video, in which the targets take the dancers' places."""

    has_alpha: Final = False
    is_target_view: Final = False

    def __init__(self, source: Path) -> None:
        self.files = (source,)
        self._folder = Path(tempfile.mkdtemp(prefix="dancenow-scene-"))
        weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)

    def require_suits(self, _frame: FrameSize, generates_background: bool) -> None:
        """See `SceneChoice.require_suits`."""
        require_layers(generates_background)

    def masks_of(self, source: VideoSource, person: int | None = None) -> Path:
        """See `SceneChoice.masks_of`."""
        if len(source.shots) > 1:
            raise InputError(
                f"{source} has {len(source.shots)} shots, and --scene source needs one without cuts; cut one shot out of it."
            )
        return self._folder / f"masks-{person or 'auto'}.mkv"

    def find_beside(self, source: VideoSource, people: Sequence[int | None], on_progress: ProgressCallback) -> PeopleBeside:
        """See `SceneChoice.find_beside`."""
        return find_beside(source, people, on_progress)

    def stage(self, dances: Sequence[Dance], others: Mapping[int, PoseTrack], on_progress: ProgressCallback) -> StagedDances:
        """See `SceneChoice.stage`."""
        source = dances[0].source
        tracks = {dance.person: dance.source_track for dance in dances}
        place, survey = self.remove_dancers(source, tracks, on_progress, others)
        stay = tuple(FilmedPerson(place, number, track) for number, track in enumerate(others.values()))
        front = PassedInFront(place, None if survey.overlays is None else survey.overlays.rgba)
        darkness = place.contact_darkness(on_progress)
        views = (
            TargetView(
                place,
                PlacedCamera.fit(dance.world_track, dance.source_track, dance.source_camera, holds_place=dance.holds_place),
                front,
                match_light(dance.target.plate.image_rgb, survey.plate.image_rgb),
                stay,
                contact_darkness=darkness,
            )
            for dance in dances
        )
        return StagedDances(tuple(views), _notes(survey, [self.masks_of(source, dance.person) for dance in dances]))

    def remove_dancers(
        self,
        source: VideoSource,
        tracks: Mapping[int | None, PoseTrack],
        on_progress: ProgressCallback = ignore_progress,
        others: Mapping[int, PoseTrack] = MappingProxyType({}),
    ) -> tuple["RemovedDancers", FootageSurvey]:
        """The source without some people, by number, whose masks lie at `masks_of`, and what was found out about it.

        others: of people who stay, whose masks lie there, too.

        Raises:
            UserError: the video cannot be read.
        """
        everyone: dict[int | None, PoseTrack] = dict([*tracks.items(), *others.items()])
        masks, first = [self.masks_of(source, person) for person in everyone], next(iter(tracks.values()))
        everybody = masks[0] if len(masks) == 1 else _merged_masks(masks, self._folder / "masks-everybody.mkv")
        measured = np.any([track.status == FrameStatus.MEASURED for track in everyone.values()], axis=0)
        survey = survey_footage(source, everybody, select_shots(source, first), measured, "keep", on_progress)
        detected = [_copied(path) for path in masks] if others else []  # refined masks leak onto whoever touches the person
        for each in masks:
            refine_masks(source, each, survey.background_of, exposure=survey.exposure, on_progress=on_progress)
        # The background of the masks shows the dancer's shadow where it was seen in it only; the plate does not.
        background_of = survey.background_of if survey.camera is not None else still_background(survey.plate)
        people = list(zip(masks, everyone.values(), strict=True))
        dancers, stay = people[: len(tracks)], people[len(tracks) :]
        return RemovedDancers(source, dancers, background_of, survey.exposure, stay, detected, keeps=self), survey


class RemovedDancers:
    """The source without its dancers, as a `Background`. Frames are streamed: times that go forward are cheap."""

    def __init__(
        self,
        source: VideoSource,
        people: Sequence[tuple[Path, PoseTrack]],
        background_of: Callable[[int], Plate],
        exposure: Exposure,
        others: Sequence[tuple[Path, PoseTrack]] = (),
        detected: Sequence[Path] = (),
        keeps: object = None,
    ) -> None:
        """people: masks of each dancer, one per frame, and track. background_of: the background of a frame by its number, in px
        of the frame. exposure: of the frames, relative to that of the background. others: masks and tracks of people who stay.
        detected: if somebody stays, the detector's own masks of all, the dancers first. keeps: the owner of the masks, which
        lives as long.
        """
        everyone = (*people, *others)
        self._source, self._masks = source, [*(masks for masks, _ in everyone), *detected]
        self._tracks, self._dancers = [track for _, track in everyone], len(people)
        self._nearest = _nearest_first(self._tracks) if others else None
        self._background_of, self._exposure, self._keeps = background_of, exposure, keeps
        self._passing = [self._learn_passing(masks, track) for masks, track in people]
        self._height_px, self._width_px = self._tracks[0].height_px, self._tracks[0].width_px
        self._known = np.ones((self._height_px, self._width_px), np.bool_)
        self._restart()

    def _learn_passing(self, masks: Path, track: PoseTrack) -> PassingObject | None:
        step = -(-len(track) // _LEARN_FRAMES)
        pairs = zip(self._source.frames(), read_masks(masks), strict=False)
        learned = ((frame, mask) for frame, mask in pairs if frame.index % step == 0 and frame.index < len(track))
        return PassingObject.learn((frame.image_rgb, mask, track.pose[frame.index]) for frame, mask in learned)

    def contact_darkness(self, on_progress: ProgressCallback = ignore_progress) -> float:
        """How dark the shadow under the feet of the dancers is, see `measure_darkness`."""
        return measure_darkness(self._standing_people(on_progress))

    def _standing_people(self, on_progress: ProgressCallback) -> Iterator[StandingPerson]:
        """The dancers in some frames in which they were found."""
        dancers = self._tracks[: self._dancers]
        lines, heights = depth_lines(dancers), [max(1.0, usual_height_px(track)) for track in dancers]
        step = -(-len(dancers[0]) // _LEARN_FRAMES)
        masks = zip(*(read_masks(path) for path in self._masks[: len(self._tracks)]), strict=False)
        for frame, of_people in zip(self._source.frames(0, len(dancers[0])), masks, strict=False):
            on_progress(Progress("measuring the shadow", frame.index + 1, len(dancers[0])))
            if frame.index % step or not self._exposure.usable[frame.index]:
                continue
            plate, mask = self._background_of(frame.index), np.asarray(np.max(of_people, axis=0), np.uint8)
            if not plate.known.any():  # a frame that the camera's motion does not place
                continue
            behind = self._exposure.replay(plate.image_rgb, frame.index)
            for track, ground_px, height_px in zip(dancers, lines[:, frame.index].tolist(), heights, strict=True):
                if track.status[frame.index] == FrameStatus.MEASURED:
                    yield StandingPerson(frame.image_rgb, behind, mask, track.pose[frame.index], ground_px, height_px)

    def _restart(self) -> None:
        self._frames: Iterator[tuple[Frame, tuple[NDArray[np.uint8], ...]]] = zip(
            self._source.frames(), zip(*(read_masks(masks) for masks in self._masks), strict=False), strict=False
        )
        self._index, self._shown = -1, _Shown(Removal(np.zeros((self._height_px, self._width_px, 3), np.uint8)))

    def removal_at(self, time_s: float) -> Removal:
        """The frame of that time without the dancers."""
        return self._shown_at(time_s).removal

    def other_at(self, number: int, time_s: float) -> NDArray[np.uint8] | None:
        """What is seen at that time of one of the people who stay, counted from 0: uint8 [H,W,4]; None if nothing is."""
        others = self._shown_at(time_s).others
        return others[number] if others else None

    def _shown_at(self, time_s: float) -> "_Shown":
        wanted = int(np.abs(self._tracks[0].time_s - time_s).argmin())
        if wanted < self._index:
            self._restart()
        if wanted > self._index:
            for frame, masks in self._frames:
                if frame.index == wanted:
                    self._shown = self._show(frame, masks)
                    break
            self._index = wanted
        return self._shown

    def _show(self, frame: Frame, masks: Sequence[NDArray[np.uint8]]) -> "_Shown":
        behind = self._exposure.replay(self._background_of(frame.index).image_rgb, frame.index)
        poses, dancers = [track.pose[frame.index] for track in self._tracks], self._dancers
        if self._nearest is None:
            return _Shown(remove_people(frame.image_rgb, masks, behind, poses, self._passing))
        order = self._nearest[:, frame.index].tolist()
        seen = seen_parts(masks[: len(poses)], masks[len(poses) :], poses, self._width_px, order)
        stay = np.asarray(np.max(seen[dancers:], axis=0), np.uint8)
        removal = remove_people(frame.image_rgb, seen[:dancers], behind, poses[:dancers], self._passing, stay)
        return _Shown(removal, tuple(_cut_out(frame.image_rgb, mask) for mask in seen[dancers:]))

    def at(self, time_s: float) -> ImageRGB:
        """See `Background.at`."""
        return self.removal_at(time_s).image_rgb

    def known_at(self, _time_s: float) -> NDArray[np.bool_]:
        """See `Background.known_at`."""
        return self._known


@dataclass(frozen=True, eq=False)
class _Shown:
    """What a frame shows. others: of each who stays, uint8 [H,W,4]; None if nothing is seen of them."""

    removal: Removal
    others: tuple[NDArray[np.uint8] | None, ...] = ()


@dataclass(frozen=True, eq=False)
class FilmedPerson:
    """Somebody who stays, as a `StayingPerson`. number: among those who stay, from 0."""

    place: RemovedDancers
    number: int
    track: PoseTrack

    def at(self, time_s: float) -> NDArray[np.uint8] | None:
        """See `StayingPerson.at`."""
        return self.place.other_at(self.number, time_s)


def _nearest_first(tracks: Sequence[PoseTrack]) -> NDArray[np.intp]:
    """The numbers of people in each frame, the nearest first: [N,T]."""
    return np.asarray(depth_lines(tracks).argsort(axis=0)[::-1])


def _cut_out(image_rgb: ImageRGB, mask: NDArray[np.uint8]) -> NDArray[np.uint8] | None:
    """A frame with a mask uint8 [h,w] as its alpha: uint8 [H,W,4]; None if it is empty."""
    alpha = cv2.resize(mask, image_rgb.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    return np.dstack([image_rgb, alpha]) if alpha.any() else None


class PassedInFront:
    """What passed in front of the dancer, and the bars and logos uint8 [H,W,4] of the source, as a `Foreground`."""

    def __init__(self, place: RemovedDancers, overlay: NDArray[np.uint8] | None = None) -> None:
        self._place, self._overlay = place, overlay

    def at(self, time_s: float) -> NDArray[np.uint8] | None:
        """See `Foreground.at`."""
        passed = self._place.removal_at(time_s).front
        if passed is None or self._overlay is None:
            return passed if self._overlay is None else self._overlay
        return np.where(self._overlay[..., 3:] >= passed[..., 3:], self._overlay, passed)


def _copied(masks: Path) -> Path:
    """A copy of the masks as they are now."""
    return Path(shutil.copyfile(masks, masks.with_stem(f"{masks.stem}-detected")))


def _merged_masks(masks: Sequence[Path], out: Path) -> Path:
    """Write masks of all people in one file."""
    with ExitStack() as stack:
        writer: MaskWriter | None = None
        for each in zip(*(read_masks(path) for path in masks), strict=True):
            merged = np.asarray(np.max(each, axis=0), np.uint8)
            writer = writer or stack.enter_context(MaskWriter(out, merged.shape[1], merged.shape[0]))
            writer.write(merged)
    return out


def _notes(survey: FootageSurvey, masks: Sequence[Path]) -> tuple[str, ...]:
    """What the user should know about the background behind the dancers."""
    behind = invented = 0
    for index, mask in ((index, mask) for path in masks for index, mask in enumerate(read_masks(path))):
        if index % 10 == 0 and mask.any():
            known = survey.background_of(index).known
            rows, columns = np.nonzero(mask > 128)
            at = (rows * known.shape[0] // mask.shape[0], columns * known.shape[1] // mask.shape[1])
            behind, invented = behind + len(rows), invented + int((~known[at]).sum())
    if invented <= _MANY * behind:
        return ()
    dancer = "the dancer" if len(masks) == 1 else "the dancers"
    return (
        f"{invented / behind:.0%} of what is behind {dancer} of the source was never seen and is filled in; film the empty"
        " place for a moment to see it.",
    )
