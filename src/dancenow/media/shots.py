"""Find the shots of a video: hard cuts, cross-fades, fades through black or white, frozen title cards and blank frames.

One pass over small copies of all frames, a few seconds of which are held; what each stage measures is in `frame_changes`. The
result is cached by the content of the file: `VideoSource.shots` reads it, and the pass that looks for damage writes it.
"""

import json
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Final, Literal, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from dancenow.media.frame_changes import Change, Thumbnail, contrast, normalize, unmatched_fraction
from dancenow.storage.atomic_io import complete_or_absent
from dancenow.storage.cache import CacheEntry, cache_entry, cache_key

ShotKind = Literal["scene", "transition", "card", "blank"]
"""scene: something moves. transition: a fade or cross-fade, whose frames belong to neither side. card: a still picture, such as
a title or logo. blank: black, white or of one color."""

_MIN_CHANGE_LEVELS: Final = 4.0
_CUT_UNMATCHED: Final = 0.35
_SAME_VIEW_UNMATCHED: Final = 0.3
_ISOLATED: Final = 0.2
"""How much more is unmatched at a cut than between the frames before and after it: a whip pan has no such frame."""
_JUMP_UNMATCHED, _JUMP_RATIO = 0.1, 2.2
"""A jump cut in one view: what is unmatched at least, and the change relative to the largest around it, under 1.8 in clips
without a cut."""
_REFRAMED, _REFRAMED_RATIO = 0.5, 2.5
"""A cut to the same place, framed a little differently: what is no longer in its place, and the change as above."""
_AROUND_S: Final = 0.25
_FLASH_S: Final = (0.1, 0.2, 0.4)
"""Times after which a view that comes back was only lit by a flash."""
_FADE_S: Final = (0.07, 0.12, 0.25, 0.5, 1.0)
"""Half of the time over which a fade is looked for."""
_FADE_CHANGED, _FADE_CONSISTENCY, _FADE_MIDDLE = 0.03, 0.4, (0.3, 0.7)
_FADE_EVIDENCE: Final = 1.0
"""Least sum of consistency and what is unmatched: dancers in both pictures move during a fade, which blurs either."""
_BLANK_CONTRAST: Final = 3.0
_STILL_LEVELS: Final = 4.0
_MOVING_FRACTION: Final = 0.01
"""In a still picture at most this fraction of the pixels changes by more than that within `_AROUND_S`."""
_STILL_FRACTION: Final = 0.4
_MIN_SHOT_FRAMES: Final = 2


@dataclass(frozen=True)
class Shot:
    """The frames [start, stop) of a video, which belong together."""

    start: int
    stop: int
    kind: ShotKind = "scene"

    def __post_init__(self) -> None:
        if not (0 <= self.start < self.stop and self.kind in get_args(ShotKind)):
            raise ValueError(f"not a shot: {self!r}")

    def __len__(self) -> int:
        return self.stop - self.start


def load_shots(video_sha256: str) -> tuple[Shot, ...] | None:
    """The cached shots of the video with this digest; None if they are not known."""
    entry = _entry(video_sha256)
    with entry.in_use():
        try:
            return tuple(Shot(*each) for each in json.loads(entry.path(".json").read_text("utf-8")))
        except (OSError, ValueError, TypeError):
            return None


def save_shots(video_sha256: str, shots: Sequence[Shot]) -> None:
    """Cache the shots of the video with this digest."""
    entry = _entry(video_sha256)
    with entry.in_use(), complete_or_absent(entry.path(".json")) as temporary:
        temporary.write_text(json.dumps([astuple(shot) for shot in shots]), "utf-8")


def _entry(video_sha256: str) -> CacheEntry:
    return cache_entry("shots", cache_key("shots", inputs=[video_sha256], modules=[__name__]))


def cut_frames(shots: Sequence[Shot]) -> tuple[int, ...]:
    """The first frame of every shot but the first."""
    return tuple(shot.start for shot in shots[1:])


def describe_cuts(shots: Sequence[Shot], time_s: NDArray[np.float64]) -> str | None:
    """How many cuts there are, and when: "are 2 cuts (at 1.2, 2.4 s)"; None without one. time_s: of the frames [T].

    A fade from one shot to another, with the blank frames in it, is one cut, in its middle.
    """
    edges: list[tuple[int, int]] = []
    for shot in shots:
        start, stop = (shot.start, shot.stop) if shot.kind in ("transition", "blank") else (shot.start, shot.start)
        if edges and start <= edges[-1][1]:
            edges[-1] = edges[-1][0], stop
        else:
            edges.append((start, stop))
    at = [(start + stop) // 2 for start, stop in edges if start > 0 and stop < len(time_s)]
    if not at:
        return None
    times = ", ".join(f"{time_s[frame]:.1f}" for frame in at[:5]) + (", ..." if len(at) > 5 else "")
    return f"{'is a cut' if len(at) == 1 else f'are {len(at)} cuts'} (at {times} s)"


class ShotFinder:
    """Finds the shots from thumbnails of all frames, which `take` gets in order, in memory that hardly grows."""

    def __init__(self, fps: Fraction | float) -> None:
        self._fps = float(fps)
        self._reach = max(self._frames(_FADE_S[-1]), self._frames(_FLASH_S[-1])) + 1
        self._held: deque[Thumbnail] = deque(maxlen=2 * self._reach + 1)
        self._last: NDArray[np.float32] | None = None
        self._count = 0
        self._change = [0.0]  # of each frame from the one before, normalized
        self._contrast: list[float] = []
        self._still: list[bool] = []
        self._cuts: list[int] = []
        self._fades: list[tuple[int, int]] = []

    def take(self, image: Thumbnail) -> None:
        """Compare the next frame with those before it."""
        normalized = normalize(image)
        if self._last is not None:
            self._change.append(float(cv2.absdiff(normalized, self._last).mean()))
        self._last = normalized
        self._held.append(image)
        self._count += 1
        self._contrast.append(contrast(image))
        earlier = self._held[max(0, len(self._held) - 1 - self._frames(_AROUND_S))]
        self._still.append(float((cv2.absdiff(image, earlier).max(axis=2) > _STILL_LEVELS).mean()) < _MOVING_FRACTION)
        self._examine(self._count - 1 - self._reach)

    def shots(self) -> tuple[Shot, ...]:
        """All shots, without a gap, once all frames were taken; empty for a video without frames."""
        for index in range(max(0, self._count - self._reach), self._count):
            self._examine(index)
        if not self._count:
            return ()
        kinds = self._kinds()
        starts = {0, *(c for c in self._cuts if kinds[c - 1] == kinds[c] == "scene")}
        starts |= {i for i in range(1, self._count) if kinds[i] != kinds[i - 1]}
        edges = [*sorted(starts), self._count]
        found = [Shot(a, b, kinds[a]) for a, b in pairwise(edges)]
        return tuple(self._classified(found))

    def _frames(self, time_s: float) -> int:
        return max(2, round(time_s * self._fps))

    def _at(self, index: int) -> Thumbnail | None:
        """The held frame with that number; None outside the video."""
        first = self._count - len(self._held)
        return self._held[index - first] if first <= index < self._count else None

    def _examine(self, index: int) -> None:
        if index < 1:
            return
        if self._is_cut(index):
            self._cuts.append(index)
        fade = self._fade(index)
        if fade is not None:
            self._fades.append(fade)

    def _is_cut(self, index: int) -> bool:
        """Whether the frame shows another scene than the one before it."""
        change = self._change[index]
        if change < _MIN_CHANGE_LEVELS or change < max(self._change[max(0, index - 2) : index + 3]):
            return False
        unmatched = self._unmatched(index - 1, index)
        reach = self._frames(_AROUND_S)
        around = self._change[max(1, index - reach) : index], self._change[index + 1 : index + 1 + reach]
        if unmatched < _CUT_UNMATCHED:
            enough = min(len(side) for side in around) >= _MIN_SHOT_FRAMES
            return enough and self._is_jump(index, unmatched, change / max(max(side) for side in around))
        usual = [self._unmatched(i - 1, i) for i in (index - 1, index + 1) if i >= 1]
        return unmatched > max(usual, default=0.0) + _ISOLATED and not self._is_flash(index)

    def _is_jump(self, index: int, unmatched: float, ratio: float) -> bool:
        """Whether the person has jumped in one view, or the camera by a little. ratio: of the change to those around it."""
        if unmatched >= _JUMP_UNMATCHED:
            return ratio > _JUMP_RATIO
        is_moved = ratio > _REFRAMED_RATIO and self._unmatched(index - 1, index, in_place=True) >= _REFRAMED
        return is_moved and not self._is_flash(index, in_place=True)

    def _is_flash(self, index: int, *, in_place: bool = False) -> bool:
        """Whether the view from before comes back in a moment, or was there a moment ago."""
        pairs = [pair for time_s in _FLASH_S for pair in self._pairs_over(index, self._frames(time_s))]
        return any(self._unmatched(*pair, in_place=in_place) < _SAME_VIEW_UNMATCHED for pair in pairs)

    def _pairs_over(self, index: int, frames: int) -> Iterator[tuple[int, int]]:
        yield index - 1, index + frames
        yield index - 1 - frames, index

    def _unmatched(self, before: int, after: int, *, in_place: bool = False) -> float:
        """`unmatched_fraction` of two frames; 1 outside the video, of which nothing is known."""
        a, b = self._at(before), self._at(after)
        return 1.0 if a is None or b is None else unmatched_fraction(a, b, in_place=in_place)

    def _fade(self, index: int) -> tuple[int, int] | None:
        """The frames [start, stop) of a fade in the middle of which the frame is; the longest of several."""
        middle = self._at(index)
        if middle is None:
            return None
        for half in sorted({self._frames(time_s) for time_s in _FADE_S}, reverse=True):
            if index % max(1, half // 4):  # the middle of a long fade is found to a fraction of its length
                continue
            before, after = self._at(index - half), self._at(index + half)
            if before is None or after is None:
                continue
            change = Change(before, after)
            if change.fraction < _FADE_CHANGED:
                continue
            mixture = change.mixture(middle)
            if mixture.consistency < _FADE_CONSISTENCY or not _FADE_MIDDLE[0] <= mixture.progress <= _FADE_MIDDLE[1]:
                continue
            unmatched = min(unmatched_fraction(before, after), unmatched_fraction(after, before))
            if unmatched >= _CUT_UNMATCHED and unmatched + mixture.consistency >= _FADE_EVIDENCE:
                return self._extent(change, index - half, index + half)
        return None

    def _extent(self, change: Change, first: int, last: int) -> tuple[int, int] | None:
        """The frames [start, stop) in which both scenes show, from the line through the middle of their progress."""
        frames = np.arange(first + 1, last)
        images = [self._at(int(i)) for i in frames]
        progress = np.array([change.mixture(image).progress for image in images if image is not None])
        inside = (progress > 0.15) & (progress < 0.85)
        if inside.sum() < 1:
            return None
        slope = float(np.polyfit(frames[inside], progress[inside], 1)[0]) if inside.sum() > 1 else 0.5
        if slope <= 0:
            return None
        center, at = float(frames[inside].mean()), float(progress[inside].mean())
        start, stop = center - at / slope, center + (1 - at) / slope
        return max(first, int(np.floor(start)) + 1), min(last, int(np.ceil(stop)))

    def _kinds(self) -> list[ShotKind]:
        """What each frame shows, before cards are told from scenes."""
        kinds: list[ShotKind] = ["scene"] * self._count
        for start, stop in self._fades:
            kinds[start:stop] = ["transition"] * (stop - start)
        blank = np.array(self._contrast) < _BLANK_CONTRAST
        for index in np.flatnonzero(blank):
            kinds[index] = "blank"
        return kinds

    def _classified(self, shots: list[Shot]) -> Iterator[Shot]:
        """Scenes in which nothing moves are cards, unless they are all of the video."""
        for shot in shots:
            still = self._still[shot.start : shot.stop]
            is_card = shot.kind == "scene" and len(shots) > 1 and np.mean(still) >= _STILL_FRACTION
            yield Shot(shot.start, shot.stop, "card") if is_card else shot
