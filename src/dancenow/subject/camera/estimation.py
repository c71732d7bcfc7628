"""Estimate a `CameraTrajectory` from the background of a video.

Every frame is aligned with one of a few key frames, so that errors do not add up from frame to frame; the key frames are
aligned with each other jointly, over all pairs that show the same place.
"""

from collections.abc import Collection
from dataclasses import dataclass
from itertools import combinations
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from dancenow.pose.filtering.local_regression import nearest_in
from dancenow.progress import Progress, ProgressCallback, ignore_progress
from dancenow.subject.camera.corner_tracking import estimate_step
from dancenow.subject.camera.direct_alignment import Alignment, AlignmentKey, align, prepare_key, smooth
from dancenow.subject.camera.homography import (
    Homography,
    corner_shift_px,
    frame_corners,
    frame_grid,
    scale_homography,
    transform,
)
from dancenow.subject.camera.joint_alignment import Matches, align_key_frames
from dancenow.subject.camera.person_area import person_area
from dancenow.subject.camera.stillness import SAMPLES, stands_still
from dancenow.subject.camera.trajectory import CameraKind, CameraTrajectory
from dancenow.subject.camera_motion import STILL_FRACTION, BackgroundView
from dancenow.types import Frame, FrameStatus, PoseTrack

_SIDE_PX: Final = 640
"""Longer side of the frames that are aligned, at most."""
_GOOD_EXPLAINED, _MIN_EXPLAINED = 0.85, 0.5
"""Fraction of the edges that agree in a good alignment, and in one that is possible at all."""
_MIN_VISIBLE: Final = 0.6
"""Fraction of a key frame's edges in view; with fewer, the frame before becomes the next key frame."""
_MUCH_MORE_VISIBLE, _MUCH_MORE_EDGES = 1.1, 1.25
"""A frame that shows so much more background and edges becomes the next key frame: where a key frame shows nothing, because the
person is large, the motion of what it hides is only guessed.
"""
_MIN_OVERLAP: Final = 0.35
"""Of two key frames that are aligned with each other."""
_MAX_PAIRS: Final = 300
_TRAVEL_AGREEMENT: Final = 0.7
"""Of the edges of two key frames. Where less agrees in most pairs, near and far things shift against each other."""


@dataclass(frozen=True, eq=False)
class _Registration:
    """A frame in relation to a key frame. from_key: px of the key frame -> px of the frame, both reduced."""

    key: int
    from_key: Homography
    explained: float


@dataclass(frozen=True, eq=False)
class _Image:
    """A frame, reduced: gray uint8 [h,w], smoothed float32 [h,w], hidden bool [h,w], what is not background."""

    index: int
    gray: NDArray[np.uint8]
    smoothed: NDArray[np.float32]
    hidden: NDArray[np.bool_]

    @property
    def visible(self) -> float:
        """Fraction that shows background."""
        return 1 - float(self.hidden.mean())


class CameraEstimator:
    """Takes all frames of a video in order (`VideoSource.feed`) and estimates the trajectory; holds key frames and samples.

    track: of the person in the video, who is not background. overlay: bool [H,W], graphics and bars that stay where they are
    when the camera moves.
    """

    def __init__(
        self,
        track: PoseTrack,
        overlay: NDArray[np.bool_] | None = None,
        on_progress: ProgressCallback = ignore_progress,
    ) -> None:
        self._track, self._overlay, self._on_progress = track, overlay, on_progress
        self._scale = min(1.0, _SIDE_PX / max(track.width_px, track.height_px))
        self._keys: list[AlignmentKey] = []
        self._key_images: list[_Image] = []
        self._ties: dict[int, Homography] = {}
        self._registrations: list[_Registration] = []
        self._before: _Image | None = None
        self._velocity = np.eye(3)
        self._samples: dict[int, BackgroundView] = {}
        self._sampled = frozenset(np.linspace(0, len(track) - 1, SAMPLES).round().astype(int).tolist())

    @property
    def indices(self) -> Collection[int]:
        """All frames of the track."""
        return range(len(self._track))

    def take(self, frame: Frame) -> None:
        """Register the next frame."""
        image = self._reduce(frame)
        if self._before is None:
            self._begin(image)
        else:
            self._register(image, self._before)
        self._before = image
        if frame.index in self._sampled:
            self._samples[frame.index] = BackgroundView(image.gray, np.where(image.hidden, 0, 255).astype(np.uint8))
        self._on_progress(Progress("following the camera", frame.index + 1, len(self._track)))

    def _register(self, image: _Image, before: _Image) -> None:
        """Align with the last key frame, else with the frame before, which then becomes a key frame; else begin again."""
        last = self._registrations[-1]
        found = align(self._keys[-1], image.smoothed, image.hidden, self._velocity @ last.from_key)
        if not _is_good(found):
            step = estimate_step(before.gray, image.gray, before.hidden)
            if step is not None:
                found = _better(found, align(self._keys[-1], image.smoothed, image.hidden, step @ last.from_key))
            if not _is_good(found):
                key = prepare_key(before.index, before.smoothed, before.hidden)
                starts = [np.eye(3), self._velocity] if step is None else [step]
                closer = None
                for start in starts:
                    closer = _better(closer, align(key, image.smoothed, image.hidden, start))
                if closer is not None and closer.explained >= _MIN_EXPLAINED:
                    if before.index != self._keys[-1].index:
                        self._add_key(key, before, last.from_key)
                    found = closer
        if found is None or found.explained < _MIN_EXPLAINED:
            self._begin(image)
            return
        key_to_before = self._registrations[-1].from_key
        self._registrations.append(_Registration(len(self._keys) - 1, found.homography, found.explained))
        self._velocity = found.homography @ np.linalg.inv(key_to_before)
        if image.visible > _MUCH_MORE_VISIBLE * self._key_images[-1].visible:
            key = prepare_key(image.index, image.smoothed, image.hidden)
            if len(key.points) > _MUCH_MORE_EDGES * len(self._keys[-1].points):
                self._add_key(key, image, found.homography)

    def _begin(self, image: _Image) -> None:
        """Begin with a key frame that has no tie to those before it."""
        self._keys.append(prepare_key(image.index, image.smoothed, image.hidden))
        self._key_images.append(image)
        self._registrations.append(_Registration(len(self._keys) - 1, np.eye(3), 1.0))
        self._velocity = np.eye(3)

    def _add_key(self, key: AlignmentKey, image: _Image, from_last: Homography) -> None:
        """Make the frame before the next key frame; it is tied to the last key frame by its registration."""
        self._ties[len(self._keys)] = from_last
        self._keys.append(key)
        self._key_images.append(image)
        self._registrations[-1] = _Registration(len(self._keys) - 1, np.eye(3), self._registrations[-1].explained)

    def _reduce(self, frame: Frame) -> _Image:
        gray = _shrink(np.asarray(cv2.cvtColor(frame.image_rgb, cv2.COLOR_RGB2GRAY), np.uint8), self._scale)
        hidden = person_area(self._track.pose[frame.index], self._scale, gray.shape)
        if self._overlay is not None:
            hidden |= _shrink(self._overlay.astype(np.uint8) * 255, self._scale) > 0
        return _Image(frame.index, gray, smooth(gray), hidden)

    def estimate(self) -> CameraTrajectory:
        """The trajectory, once all frames were taken."""
        track = self._track
        to_first, component = self._chain_keys()
        reference = self._choose_reference(to_first, component)
        fixed = self._registrations[reference].key
        same = component == component[fixed]
        start = np.linalg.inv(to_first[fixed]) @ to_first
        start /= start[:, 2:, 2:]
        matches, agreement = self._match_keys(to_first, component)
        used = [pair for pair in matches if same[pair.first]]
        to_fixed = align_key_frames(len(self._keys), used, start, fixed)
        to_reference = np.stack([to_fixed[each.key] @ np.linalg.inv(each.from_key) for each in self._registrations])
        to_reference = np.linalg.inv(to_reference[reference]) @ to_reference
        known = np.array([same[each.key] for each in self._registrations])
        confidence = np.where(known, [each.explained for each in self._registrations], 0.0)
        present = np.flatnonzero(known)
        to_reference = to_reference[present[nearest_in(present, np.arange(len(known)))]]
        if stands_still(list(self._samples.values()), to_reference[list(self._samples)]):
            return CameraTrajectory.still(len(track), track.width_px, track.height_px)
        full = np.stack([scale_homography(each / each[2, 2], 1 / self._scale) for each in to_reference])
        kind = _kind(full, confidence, agreement, track.width_px, track.height_px)
        if kind is CameraKind.STILL:
            return CameraTrajectory.still(len(track), track.width_px, track.height_px)
        return CameraTrajectory(full, confidence, reference, kind, track.width_px, track.height_px)

    def _chain_keys(self) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """px of every key frame -> px of the first of its component [K,3,3], and the number of the component [K]."""
        to_first, component = [np.eye(3)], [0]
        for number in range(1, len(self._keys)):
            from_last = self._ties.get(number)
            to_first.append(np.eye(3) if from_last is None else to_first[-1] @ np.linalg.inv(from_last))
            component.append(component[-1] + (from_last is None))
        return np.stack(to_first), np.array(component)

    def _match_keys(self, to_first: NDArray[np.float64], component: NDArray[np.int64]) -> tuple[list[Matches], list[float]]:
        """Points of pairs of key frames that show the same place, and the fraction of their edges that agrees."""
        found, agreement = [], []
        for first, second, guess in self._overlapping_pairs(to_first, component):
            image = self._key_images[second]
            match = align(self._keys[first], image.smoothed, image.hidden, guess)
            if match is not None:
                agreement.append(match.explained)
            if match is not None and match.explained >= _GOOD_EXPLAINED:
                guess = match.homography
            elif second not in self._ties or first != second - 1:
                continue
            grid = frame_grid(self._keys[first].shape)
            there = transform(guess, grid)
            kept = _inside(there, self._keys[second].shape)
            found.append(Matches(first, second, grid[kept], there[kept]))
        return found, agreement

    def _overlapping_pairs(
        self, to_first: NDArray[np.float64], component: NDArray[np.int64]
    ) -> list[tuple[int, int, Homography]]:
        """Pairs of key frames that overlap, with the first estimate; all neighbors, and of the others an even selection."""
        pairs = []
        for first, second in combinations(range(len(self._keys)), 2):
            if component[first] == component[second]:
                guess = np.asarray(np.linalg.inv(to_first[second]) @ to_first[first], np.float64)
                if second == first + 1 or _overlap(guess, self._keys[first].shape) >= _MIN_OVERLAP:
                    pairs.append((first, second, guess))
        others = [pair for pair in pairs if pair[1] > pair[0] + 1]
        kept = others[:: max(1, -(-len(others) // _MAX_PAIRS))]
        return [*(pair for pair in pairs if pair[1] == pair[0] + 1), *kept]

    def _choose_reference(self, to_first: NDArray[np.float64], component: NDArray[np.int64]) -> int:
        """The frame in the middle of where the camera looks while the person is in view."""
        keys = np.array([each.key for each in self._registrations])
        measured = self._track.status[: len(keys)] == FrameStatus.MEASURED
        known = component[keys] == np.bincount(component[keys], weights=measured + 1e-3).argmax()
        height, width = self._keys[0].shape
        corners = frame_corners(width, height)
        places = np.stack([transform(to_first[e.key] @ np.linalg.inv(e.from_key), corners) for e in self._registrations])
        middle = np.median(places[known & measured] if (known & measured).any() else places[known], axis=0)
        distance = np.abs(places - middle).sum(axis=(1, 2))
        return int(np.where(known, distance, np.inf).argmin())


def _kind(
    to_reference: NDArray[np.float64], confidence: NDArray[np.float64], agreement: list[float], width_px: int, height_px: int
) -> CameraKind:
    shift_px = corner_shift_px(to_reference, width_px, height_px)
    known = confidence > 0
    if known.all() and np.percentile(shift_px, 98) <= STILL_FRACTION * max(width_px, height_px):
        return CameraKind.STILL
    return CameraKind.TRAVELING if agreement and np.median(agreement) < _TRAVEL_AGREEMENT else CameraKind.TURNING


def _is_good(found: Alignment | None) -> bool:
    return found is not None and found.explained >= _GOOD_EXPLAINED and found.visible >= _MIN_VISIBLE


def _better(one: Alignment | None, other: Alignment | None) -> Alignment | None:
    if one is None or other is None:
        return one or other
    return max(one, other, key=lambda each: each.explained)


def _overlap(guess: Homography, shape: tuple[int, int]) -> float:
    """Fraction of a frame that lies inside another one."""
    return float(_inside(transform(guess, frame_grid(shape)), shape).mean())


def _inside(points: NDArray[np.float64], shape: tuple[int, int]) -> NDArray[np.bool_]:
    limit = np.array([shape[1], shape[0]]) - 1
    return np.asarray(((points >= 0) & (points <= limit)).all(axis=-1))


def _shrink(image: NDArray[np.uint8], scale: float) -> NDArray[np.uint8]:
    if scale == 1:
        return image
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
