"""Look again at people who touch, at each with the others painted out.

The landmark network looks at a crop around one person. If somebody else is in it, the arms of the one are taken for those of
the other. So their pixels are replaced by the background first.

    masks, frames ─► background, colors by place of each person  (while nobody touches them)
    frames in which people may touch ─► whose pixels ─► frame without the others ─► landmarks and mask
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from dancenow.media.sink import MaskWriter
from dancenow.media.source import VideoSource, read_masks
from dancenow.pose.detectors.base import Landmarks, PoseDetector
from dancenow.pose.separation.colors_by_place import ColorsByPlace, color_bins
from dancenow.pose.separation.pixel_owners import PixelOwners
from dancenow.pose.separation.places import meetings, trunks
from dancenow.pose.separation.still_background import MAX_SAMPLES, StillBackground
from dancenow.pose.tracking.pose_in_box import find_in_box
from dancenow.progress import Progress, ProgressCallback, ignore_progress
from dancenow.types import Frame, FrameStatus, ImageRGB, Pose, PoseTrack

_LEARN_FRAMES: Final = 60
"""Frames from which the colors of a person are learned, at most."""
_MIN_FRAMES: Final = 6
"""Of a person who is seen alone in fewer frames, nothing is known."""

Masks = dict[int, NDArray[np.uint8] | None]


@dataclass(frozen=True, eq=False)
class Person:
    """One of several people. measured: their track before any filter. filled: the same after all filters, with gaps filled.
    masks: of each frame.
    """

    measured: PoseTrack
    filled: PoseTrack
    masks: Path


def look_again(
    source: VideoSource,
    people: Sequence[Person],
    detector: PoseDetector,
    masks_out: Sequence[Path],
    on_progress: ProgressCallback = ignore_progress,
) -> list[PoseTrack] | None:
    """The measured tracks of the people, with better poses where they touch, and better masks of them, written to `masks_out`.

    None, and nothing is written, if there is nothing to do or too little is known: nobody is close to anybody, the camera
    moves, there are cuts, or somebody is hardly seen alone or without hips.

    Raises:
        UserError: the video cannot be read, or the masks cannot be written.
    """
    meeting = meetings([person.filled for person in people])
    owners = _learn(source, people, np.asarray(meeting.any(axis=1))) if meeting.any() else None
    if owners is None:
        return None
    poses = [_Changed.of(person.measured) for person in people]
    with ExitStack() as stack:
        writers = list[MaskWriter]()
        for frame, masks in _frames(source, people):
            size = next(mask.shape for mask in masks.values() if mask is not None)
            writers = writers or [stack.enter_context(MaskWriter(path, size[1], size[0])) for path in masks_out]
            found = _look(frame, masks, people, meeting[..., frame.index], owners, detector)
            for number, writer in enumerate(writers):
                if number in found:
                    landmarks, foreign = found[number]
                    poses[number].set(frame.index, landmarks)
                    masks[number] = _without(landmarks, foreign, size, frame.image_rgb.shape[1])
                writer.write(_mask(masks, number))
            on_progress(Progress("telling people apart", frame.index + 1, len(people[0].measured)))
    return [changed.track(person.measured) for changed, person in zip(poses, people, strict=True)]


def _frames(source: VideoSource, people: Sequence[Person]) -> Iterator[tuple[Frame, Masks]]:
    """Every frame with the masks of all people."""
    streams = zip(*(read_masks(person.masks) for person in people), strict=True)
    for frame, masks in zip(source.frames(), streams, strict=False):
        if frame.index >= len(people[0].measured):
            return
        yield frame, dict(enumerate(masks))


def _learn(source: VideoSource, people: Sequence[Person], meets: NDArray[np.bool_]) -> PixelOwners | None:
    """What tells the people apart. meets: bool [N,T], who is close to somebody."""
    measured = np.stack([person.measured.status == FrameStatus.MEASURED for person in people])
    alone = measured & ~meets
    places = [trunks(person.filled, is_alone) for person, is_alone in zip(people, alone, strict=True)]
    if people[0].measured.cuts or any(trunk is None for trunk in places) or (alone.sum(axis=1) < _MIN_FRAMES).any():
        return None
    scale, every = 1.0, -(-len(people[0].measured) // MAX_SAMPLES)
    chosen = [set(np.flatnonzero(each)[:: -(-int(each.sum()) // _LEARN_FRAMES)].tolist()) for each in alone]
    colors, samples = [ColorsByPlace() for _ in people], list[tuple[ImageRGB, NDArray[np.uint8]]]()
    for frame, masks in _frames(source, people):
        shown = [number for number in range(len(people)) if frame.index in chosen[number]]
        is_sample = frame.index % every == 0
        if not shown and not is_sample:
            continue
        small = _small(frame.image_rgb, _mask(masks, 0).shape)
        scale = small.shape[1] / frame.image_rgb.shape[1]
        if is_sample:
            samples.append((small, np.asarray(np.max([_mask(masks, number) for number in masks], axis=0), np.uint8)))
        bins = color_bins(small) if shown else None
        for number in shown:
            trunk = places[number]
            if bins is not None and trunk is not None:
                colors[number].learn(bins, _mask(masks, number), trunk[frame.index] * scale)
    background = StillBackground.of(samples)
    if background is None:
        return None
    known = {number: trunk * scale for number, trunk in enumerate(places) if trunk is not None}
    return PixelOwners(background, dict(enumerate(colors)), known)


def _look(
    frame: Frame,
    masks: Masks,
    people: Sequence[Person],
    meeting: NDArray[np.bool_],
    owners: PixelOwners,
    detector: PoseDetector,
) -> dict[int, tuple[Landmarks | None, NDArray[np.bool_]]]:
    """The landmarks of everybody who meets somebody in a frame, None where they are hidden; and what was painted out.

    Without those who were found at first and not again, though little of them is hidden.
    """
    index = frame.index
    close = [number for number in range(len(people)) if meeting[number].any()]
    if not close:
        return {}
    small = _small(frame.image_rgb, _mask(masks, 0).shape)
    seen: Masks = {
        number: masks[number] if people[number].measured.status[index] == FrameStatus.MEASURED else None for number in close
    }
    found = {}
    for number, foreign in owners.of_others(small, seen, index, close).items():
        image = _painted_out(frame.image_rgb, foreign, owners.background)
        is_measured = people[number].measured.status[index] == FrameStatus.MEASURED
        expected = (people[number].measured if is_measured else people[number].filled).pose[index]
        landmarks = find_in_box(detector, image, expected)
        if landmarks is not None or not is_measured or _is_mostly(foreign, _mask(masks, number)):
            found[number] = (landmarks, foreign)
    return found


def _is_mostly(foreign: NDArray[np.bool_], mask: NDArray[np.uint8]) -> bool:
    """Whether most of a mask belongs to somebody else."""
    own = mask > 127
    return bool((foreign & own).sum() * 2 >= own.sum())


def _painted_out(image_rgb: ImageRGB, foreign: NDArray[np.bool_], background: StillBackground) -> ImageRGB:
    """A frame uint8 [H,W,3] with the background where somebody else is: bool [h,w]."""
    size = image_rgb.shape[1::-1]
    hidden = cv2.dilate(foreign.view(np.uint8), np.ones((3, 3), np.uint8)).astype(np.float32)
    alpha = cv2.resize(cv2.GaussianBlur(hidden, (0, 0), 1.0), size, interpolation=cv2.INTER_LINEAR)[..., None]
    behind = cv2.resize(background.image_rgb, size, interpolation=cv2.INTER_LINEAR)
    return np.asarray(np.rint(image_rgb * (1 - alpha) + behind * alpha), np.uint8)


def _without(
    landmarks: Landmarks | None, foreign: NDArray[np.bool_], size: tuple[int, ...], frame_width_px: int
) -> NDArray[np.uint8]:
    """The mask of somebody without what was painted out; empty if they are hidden."""
    if landmarks is None:
        return np.zeros(size[:2], np.uint8)
    return np.where(foreign, np.uint8(0), landmarks.mask(size[1], size[0], frame_width_px))


def _small(image_rgb: ImageRGB, shape: tuple[int, ...]) -> ImageRGB:
    return np.asarray(cv2.resize(image_rgb, (shape[1], shape[0]), interpolation=cv2.INTER_AREA), np.uint8)


def _mask(masks: Masks, number: int) -> NDArray[np.uint8]:
    mask = masks[number]
    assert mask is not None
    return mask


@dataclass(frozen=True, eq=False)
class _Changed:
    """Copies of what a track holds, to be changed frame by frame."""

    pose: Pose
    status: NDArray[np.uint8]

    @classmethod
    def of(cls, track: PoseTrack) -> "_Changed":
        return cls(Pose(track.pose.xy.copy(), track.pose.confidence.copy(), track.pose.depth.copy()), track.status.copy())

    def set(self, frame: int, landmarks: Landmarks | None) -> None:
        """Put in what was found in a frame."""
        self.status[frame] = FrameStatus.MISSING if landmarks is None else FrameStatus.MEASURED
        xy, confidence, depth = (0, 0, 0) if landmarks is None else (
            landmarks.pose.xy, landmarks.pose.confidence, landmarks.pose.depth
        )  # fmt: skip
        self.pose.xy[frame], self.pose.confidence[frame], self.pose.depth[frame] = xy, confidence, depth

    def track(self, before: PoseTrack) -> PoseTrack:
        """The changed track."""
        return replace(before, pose=self.pose, status=self.status)
