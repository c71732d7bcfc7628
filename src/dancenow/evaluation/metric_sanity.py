"""Sanity check of the metrics: a real clip is damaged in growing amounts, and every metric must follow where it should.

This module defines which damage a metric must follow and which it may ignore, and why; the metrics are those of `evaluate`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np

from dancenow.errors import InputError, OptionError
from dancenow.evaluation.evaluator import Evaluation, Score, evaluate
from dancenow.media.sink import VideoWriter
from dancenow.media.source import probe, read_frames
from dancenow.metrics.regions import person_box
from dancenow.pose.pipeline import detect_poses
from dancenow.progress import Progress, ProgressCallback, ignore_progress
from dancenow.storage.unfinished import scratch_folder
from dancenow.types import ImageRGB, PoseTrack

LEVELS: Final[dict[str, tuple[float, ...]]] = {
    "blur": (1, 2, 4),
    "shift": (2, 6, 12),
    "noise": (8, 20, 45),
    "freeze": (2, 4, 8),
    "identity swap": (1 / 4, 1 / 2, 1),
    "hide": (1 / 8, 1 / 4, 1 / 2),
}
"""Amounts of each kind of damage; the undamaged clip comes before the first. Units are in `UNITS`."""
UNITS: Final[dict[str, str]] = {
    "blur": "sigma of a Gaussian, px",
    "shift": "px to the right, and half as many down",
    "noise": "standard deviation, levels of 0..255",
    "freeze": "frames for which each image is frozen",
    "identity swap": "fraction of frames that show the other person",
    "hide": "fraction of frames, in one piece, without the person",
}
DAMAGED_CRF: Final = 6
"""Damaged clips are encoded almost losslessly, so that the damage dominates."""

_ALL_KINDS: Final = ("blur", "shift", "noise", "freeze", "identity swap", "hide")
MUST_FOLLOW: Final[dict[str, tuple[str, ...]]] = {
    "SSIM": _ALL_KINDS,
    "PSNR": _ALL_KINDS,
    "perceptual": _ALL_KINDS,
    "LPIPS": _ALL_KINDS,
    "flicker": ("noise",),
    "stalling": ("freeze",),
    "Fréchet": ("blur", "noise", "identity swap"),
    "identity": ("identity swap",),
    "identity of the source": ("identity swap",),
    "identity margin": ("identity swap",),
    "pose distance": ("shift", "freeze"),
    "pose distance, relative": ("shift", "freeze"),
    "missed keypoints": ("hide",),
    "foot sliding": ("freeze",),
    "ground error": ("shift",),
}
"""The kinds of damage that each metric must follow, step by step."""
_DETECTOR: Final = "the detector is robust to it until it fails"
_SAME_DANCE: Final = "the other person performs the same motion"
_NO_DETECTION: Final = "nothing is measured where nobody is detected; missed keypoints count it"
MAY_IGNORE: Final[dict[str, dict[str, str]]] = {
    "flicker": {
        "freeze": "a frozen image errs only as far as the motion goes, and jumps less often the longer it is frozen;"
        " stalling measures it",
        "blur": "a blurred video is steadier",
        "shift": "a constant offset moves no point against another",
        "identity swap": "it flickers most when half the frames are swapped and not at all when all are",
        "hide": "an image without a person is steady",
    },
    "stalling": dict.fromkeys(("blur", "noise"), "it measures motion, not detail")
    | {
        "shift": "a shifted video moves the same way",
        "identity swap": "the other person moves, too",
        "hide": "the gray that replaces the person moves with the person",
    },
    "Fréchet": {
        "shift": "the descriptor of an image does not depend on position",
        "freeze": "frozen images belong to the same set",
        "hide": "it depends on which frames are sampled",
    },
    "identity": dict.fromkeys(("blur", "noise"), "it measures who is visible, not how well")
    | dict.fromkeys(("shift", "freeze"), "it is the same person")
    | {"hide": _NO_DETECTION},
    "pose distance": {"blur": _DETECTOR, "noise": _DETECTOR, "identity swap": _SAME_DANCE, "hide": _NO_DETECTION},
    "missed keypoints": dict.fromkeys(("blur", "noise"), _DETECTOR)
    | dict.fromkeys(("shift", "freeze"), "everything is still visible")
    | {"identity swap": _SAME_DANCE},
    "foot sliding": {
        "blur": _DETECTOR,
        "noise": _DETECTOR,
        "shift": "a constant offset has no speed",
        "identity swap": "tracks are smoothed over single frames, and where all are swapped nothing slides",
        "hide": _NO_DETECTION,
    },
    "ground error": {
        "blur": _DETECTOR,
        "noise": _DETECTOR,
        "freeze": "a foot that stands now mostly stood there just before",
        "identity swap": _SAME_DANCE,
        "hide": _NO_DETECTION,
    },
}
"""Why a metric need not follow some kinds of damage."""


@dataclass(frozen=True, eq=False)
class _Clip:
    """A clip, another person performing the same motion, frame by frame, and the poses: images, images, track, frames per
    second.
    """

    own: Sequence[ImageRGB]
    other: Sequence[ImageRGB]
    track: PoseTrack
    fps: Fraction


def check_monotonicity(
    clip: Path,
    levels: Mapping[str, Sequence[float]] = LEVELS,
    *,
    other: Path,
    num_frames: int = 48,
    every: int = 5,
    on_progress: ProgressCallback = ignore_progress,
) -> dict[str, Any]:
    """Measure every metric of `evaluate` under growing damage; return a table as JSON values.

    Args:
        clip: the real video.
        levels: amounts per kind of damage, growing; kinds as in `LEVELS`.
        other: the same motion by another person, frame by frame, in a frame of the same size.
        num_frames: number of frames used from the start of both.
        every: deep metrics are measured on every n-th frame.

    Returns:
        "rows": one per metric and kind of damage, with "values" from no damage to the most, "must" (the metric must follow),
            "follows" (it worsened at every step) and "reason" (why it need not); "failures": the rows that must follow and do
            not; "levels", "units", "clip", "other", "num_frames".

    Raises:
        UserError: a video cannot be read, they differ in size or are shorter than `num_frames`, or a kind is unknown.
    """
    if unknown := [kind for kind in levels if kind not in _DAMAGE]:
        raise OptionError(f"there is no damage {unknown[0]!r}; choose from {', '.join(_DAMAGE)}.")
    with scratch_folder() as folder:
        own, others = _first_frames(clip, num_frames), _first_frames(other, num_frames)
        if own[0].shape != others[0].shape:
            raise InputError(f"{clip} and {other} differ in size; give the same motion of two people from one camera.")
        fps = probe(clip).fps
        true, swapped = (
            _write_video(Path(folder) / name, images, fps) for name, images in (("true.mp4", own), ("o.mp4", others))
        )
        track = detect_poses(true, on_progress=on_progress)
        frames = _Clip(own, others, track, fps)

        def measured(kind: str, level: float) -> Evaluation:
            images = [_DAMAGE[kind](frames, t, level) for t in range(len(own))]
            path = _write_video(Path(folder) / "damaged.mp4", images, fps)
            return evaluate(path, true, track=track, source=swapped, ideal=False, every=every)

        undamaged = evaluate(true, true, track=track, source=swapped, ideal=False, every=every)
        steps = [(kind, level) for kind, amounts in levels.items() for level in amounts]
        results: dict[str, list[Evaluation]] = {kind: [undamaged] for kind in levels}
        for done, (kind, level) in enumerate(steps, start=1):
            results[kind].append(measured(kind, level))
            on_progress(Progress("damage", done, len(steps), note=f"{kind} {level:g}"))
    rows = [_row(score, kind, evaluations) for kind, evaluations in results.items() for score in undamaged.scores]
    return {
        "clip": clip.name,
        "other": other.name,
        "num_frames": num_frames,
        "levels": {kind: [0, *amounts] for kind, amounts in levels.items()},
        "units": {kind: UNITS[kind] for kind in levels},
        "rows": rows,
        "failures": [row for row in rows if row["must"] and not row["follows"]],
    }


def follows(values: Sequence[float | None], better: str) -> bool:
    """Whether a metric worsened at every step; None is an unknown value."""
    known = [value for value in values if value is not None]
    sign = 1 if better == "lower" else -1
    return len(known) == len(values) and all(sign * (after - before) > 0 for before, after in pairwise(known))


def _row(score: Score, kind: str, evaluations: list[Evaluation]) -> dict[str, Any]:
    found = [each.score(score.name, score.region).value for each in evaluations]
    values = [round(value, 6) if np.isfinite(value) else None for value in found]
    # One entry covers metrics that differ only in the unit or in the person they compare with.
    family = next((name for name in MAY_IGNORE if score.name.startswith(name)), "")
    return {
        "name": score.name,
        "region": score.region,
        "unit": score.unit,
        "better": score.better,
        "damage": kind,
        "values": values,
        "must": kind in MUST_FOLLOW[score.name],
        "follows": follows(values, score.better),
        "reason": MAY_IGNORE.get(family, {}).get(kind, ""),
    }


def _blur(clip: _Clip, t: int, sigma_px: float) -> ImageRGB:
    return np.asarray(cv2.GaussianBlur(clip.own[t], (0, 0), sigma_px, borderType=cv2.BORDER_REFLECT), np.uint8)


def _shift(clip: _Clip, t: int, offset_px: float) -> ImageRGB:
    """Shift to the right, and half as far down: in a direction in which the image does not match itself.

    The brick wall behind the person has courses of about 11.5 px and bricks of 34 px; 12 px to the right and down aligned it
    with itself by one course, and SSIM, which measures structure, rose again. 12 right and 6 down is off by half a course.
    """
    image = clip.own[t]
    matrix = np.array([[1, 0, offset_px], [0, 1, offset_px / 2]], np.float64)
    moved = cv2.warpAffine(image, matrix, image.shape[1::-1], flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(moved, np.uint8)


def _noise(clip: _Clip, t: int, spread: float) -> ImageRGB:
    noise = np.random.default_rng(t).normal(0, spread, clip.own[t].shape)
    return np.clip(np.rint(clip.own[t] + noise), 0, 255).astype(np.uint8)


def _freeze(clip: _Clip, t: int, hold: float) -> ImageRGB:
    return clip.own[t - t % round(hold)]


_GOLDEN: Final = (5**0.5 - 1) / 2


def _swap(clip: _Clip, t: int, fraction: float) -> ImageRGB:
    """Spread by the golden ratio, which does not coincide with the frames a metric samples; a larger fraction includes a
    smaller one.
    """
    places = np.arange(len(clip.own)) * _GOLDEN % 1
    return (clip.other if (places < places[t]).sum() < fraction * len(places) else clip.own)[t]


def _hide(clip: _Clip, t: int, fraction: float) -> ImageRGB:
    """In the middle of the clip, because tracks are filled over a few frames; gray replaces the person."""
    count, image = len(clip.own), clip.own[t]
    if abs(t + 0.5 - count / 2) > fraction * count / 2:
        return image
    height, width = image.shape[:2]
    box = person_box(clip.track.pose[t], width, height)
    hidden = image.copy()
    if box is not None:
        box.crop(hidden)[:] = 128
    return hidden


_DAMAGE: Final[dict[str, Callable[[_Clip, int, float], ImageRGB]]] = {
    "blur": _blur,
    "shift": _shift,
    "noise": _noise,
    "freeze": _freeze,
    "identity swap": _swap,
    "hide": _hide,
}


def _first_frames(video: Path, count: int) -> list[ImageRGB]:
    images = [frame.image_rgb for frame in read_frames(video, 0, count)]
    if len(images) < count:
        raise InputError(f"{video} has {len(images)} frames but {count} are needed; give a longer one.")
    return images


def _write_video(path: Path, images: Sequence[ImageRGB], fps: Fraction) -> Path:
    height, width = images[0].shape[:2]
    with VideoWriter(path, width, height, fps=fps, crf=DAMAGED_CRF) as writer:
        for t, image in enumerate(images):
            writer.write(image, t / fps)
    return path
