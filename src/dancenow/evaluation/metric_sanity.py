"""Whether the metrics can be trusted: a real clip is damaged more and more, and every figure must follow where it should.

Which damage a figure must follow and which it may overlook, and why, is said here; the figures are those of `evaluate`.
"""

import tempfile
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
from dancenow.types import ImageRGB, PoseTrack

LEVELS: Final[dict[str, tuple[float, ...]]] = {
    "blur": (1, 2, 4),
    "shift": (2, 6, 12),
    "noise": (8, 20, 45),
    "freeze": (2, 4, 8),
    "identity swap": (1 / 4, 1 / 2, 1),
    "hide": (1 / 8, 1 / 4, 1 / 2),
}
"""How much of each damage; the undamaged clip comes before the first. Units are in `UNITS`."""
UNITS: Final[dict[str, str]] = {
    "blur": "sigma of a Gaussian, px",
    "shift": "px to the right, and half as many down",
    "noise": "standard deviation, levels of 0..255",
    "freeze": "frames for which each picture is held",
    "identity swap": "share of the frames that show the other dancer",
    "hide": "share of the frames, in one piece, without the dancer",
}
CRF: Final = 6
"""Damaged clips are encoded almost without loss: the damage should be what is measured."""

_PICTURES: Final = ("blur", "shift", "noise", "freeze", "identity swap", "hide")
MUST: Final[dict[str, tuple[str, ...]]] = {
    "SSIM": _PICTURES,
    "PSNR": _PICTURES,
    "perceptual": _PICTURES,
    "LPIPS": _PICTURES,
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
"""The damage that each figure must follow, step by step."""
_DETECTOR: Final = "the detector withstands it until it fails"
_SAME_DANCE: Final = "the other dancer dances the same dance"
_UNSEEN: Final = "where nobody is seen nothing is measured; missed keypoints count it"
MAY_OVERLOOK: Final[dict[str, dict[str, str]]] = {
    "flicker": {
        "freeze": "a held picture errs only as far as the motion goes, and the longer it is held the fewer jumps there are;"
        " stalling counts what is missing",
        "blur": "what is blurred is steadier",
        "shift": "a constant offset moves no point against another",
        "identity swap": "it flickers most when half the frames are swapped and not at all when all are",
        "hide": "a picture without a dancer is steady",
    },
    "stalling": dict.fromkeys(("blur", "noise"), "it looks at motion, not at detail")
    | {
        "shift": "what is shifted moves all the same",
        "identity swap": "the other dancer moves, too",
        "hide": "the grey that stands for the dancer moves as the dancer does",
    },
    "Fréchet": {
        "shift": "the description of a picture knows no place",
        "freeze": "held pictures are pictures of the same set",
        "hide": "it depends on which frames are sampled",
    },
    "identity": dict.fromkeys(("blur", "noise"), "it says who is seen, not how well")
    | dict.fromkeys(("shift", "freeze"), "it is the same person")
    | {"hide": _UNSEEN},
    "pose distance": {"blur": _DETECTOR, "noise": _DETECTOR, "identity swap": _SAME_DANCE, "hide": _UNSEEN},
    "missed keypoints": dict.fromkeys(("blur", "noise"), _DETECTOR)
    | dict.fromkeys(("shift", "freeze"), "everything is still in sight")
    | {"identity swap": _SAME_DANCE},
    "foot sliding": {
        "blur": _DETECTOR,
        "noise": _DETECTOR,
        "shift": "a constant offset has no speed",
        "identity swap": "tracks are smoothed over single frames, and where all are swapped nothing slides",
        "hide": _UNSEEN,
    },
    "ground error": {
        "blur": _DETECTOR,
        "noise": _DETECTOR,
        "freeze": "a foot that stands now mostly stood there a moment ago",
        "identity swap": _SAME_DANCE,
        "hide": _UNSEEN,
    },
}
"""Why a figure need not follow some damage."""


@dataclass(frozen=True, eq=False)
class _Material:
    """A clip, another dancer in the same dance, and where the dancer is: pictures, pictures, track, frames a second."""

    own: Sequence[ImageRGB]
    other: Sequence[ImageRGB]
    track: PoseTrack
    fps: Fraction


def monotonicity(
    clip: Path,
    levels: Mapping[str, Sequence[float]] = LEVELS,
    *,
    other: Path,
    num_frames: int = 48,
    every: int = 5,
    on_progress: ProgressCallback = ignore_progress,
) -> dict[str, Any]:
    """A table of every figure of `evaluate` under growing damage, as JSON values.

    Args:
        clip: the true video.
        levels: amounts per kind of damage, growing; kinds as in `LEVELS`.
        other: the same dance by somebody else, frame by frame, in a picture of the same size.
        num_frames: so many frames from the start of both are used.
        every: deep figures are taken of each `every`-th frame.

    Returns:
        "rows": one per figure and damage, with "values" from no damage to the most, "must" (the figure must follow),
        "follows" (it worsened at every step) and "reason" (why it need not); "failures": the rows that must and do not;
        "levels", "units", "clip", "other", "num_frames".

    Raises:
        UserError: a video cannot be read, they differ in size or are shorter than `num_frames`, or a kind is unknown.
    """
    if unknown := [kind for kind in levels if kind not in _DAMAGE]:
        raise OptionError(f"there is no damage {unknown[0]!r}; choose of {', '.join(_DAMAGE)}.")
    with tempfile.TemporaryDirectory(prefix="dancenow-") as folder:
        own, others = _first_frames(clip, num_frames), _first_frames(other, num_frames)
        if own[0].shape != others[0].shape:
            raise InputError(f"{clip} and {other} differ in size; give one dance of two people by one camera.")
        fps = probe(clip).fps
        true, swapped = (_write(Path(folder) / name, images, fps) for name, images in (("true.mp4", own), ("o.mp4", others)))
        track = detect_poses(true, on_progress=on_progress)
        material = _Material(own, others, track, fps)

        def measured(kind: str, level: float) -> Evaluation:
            pictures = [_DAMAGE[kind](material, t, level) for t in range(len(own))]
            path = _write(Path(folder) / "damaged.mp4", pictures, fps)
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
    """Whether a figure worsened at every step; None is a figure that could not be taken."""
    known = [value for value in values if value is not None]
    sign = 1 if better == "lower" else -1
    return len(known) == len(values) and all(sign * (after - before) > 0 for before, after in pairwise(known))


def _row(score: Score, kind: str, evaluations: list[Evaluation]) -> dict[str, Any]:
    found = [each.score(score.name, score.region).value for each in evaluations]
    values = [round(value, 6) if np.isfinite(value) else None for value in found]
    # What may be overlooked is said once for figures that differ in unit or in whom they compare with.
    family = next((name for name in MAY_OVERLOOK if score.name.startswith(name)), "")
    return {
        "name": score.name,
        "region": score.region,
        "unit": score.unit,
        "better": score.better,
        "damage": kind,
        "values": values,
        "must": kind in MUST[score.name],
        "follows": follows(values, score.better),
        "reason": MAY_OVERLOOK.get(family, {}).get(kind, ""),
    }


def _blur(material: _Material, t: int, sigma_px: float) -> ImageRGB:
    return np.asarray(cv2.GaussianBlur(material.own[t], (0, 0), sigma_px, borderType=cv2.BORDER_REFLECT), np.uint8)


def _shift(material: _Material, t: int, offset_px: float) -> ImageRGB:
    """To the right, and half as far down: along a direction in which the picture is not near itself again.

    The brick wall behind the dancer has courses of about 11.5 px and bricks of 34 px; 12 px to the right and down brought
    it onto itself by one course, and SSIM, which sees structure, rose again. 12 right and 6 down is half a course off.
    """
    image = material.own[t]
    matrix = np.array([[1, 0, offset_px], [0, 1, offset_px / 2]], np.float64)
    moved = cv2.warpAffine(image, matrix, image.shape[1::-1], flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(moved, np.uint8)


def _noise(material: _Material, t: int, spread: float) -> ImageRGB:
    noise = np.random.default_rng(t).normal(0, spread, material.own[t].shape)
    return np.clip(np.rint(material.own[t] + noise), 0, 255).astype(np.uint8)


def _freeze(material: _Material, t: int, hold: float) -> ImageRGB:
    return material.own[t - t % round(hold)]


_GOLDEN: Final = (5**0.5 - 1) / 2


def _swap(material: _Material, t: int, share: float) -> ImageRGB:
    """Spread by the golden ratio, which keeps no step with the frames that a figure samples; a larger share holds a smaller."""
    places = np.arange(len(material.own)) * _GOLDEN % 1
    return (material.other if (places < places[t]).sum() < share * len(places) else material.own)[t]


def _hide(material: _Material, t: int, share: float) -> ImageRGB:
    """In the middle of the clip, because tracks are filled over a few frames; grey stands where the dancer was."""
    count, image = len(material.own), material.own[t]
    if abs(t + 0.5 - count / 2) > share * count / 2:
        return image
    height, width = image.shape[:2]
    box = person_box(material.track.pose[t], width, height)
    hidden = image.copy()
    if box is not None:
        box.of(hidden)[:] = 128
    return hidden


_DAMAGE: Final[dict[str, Callable[[_Material, int, float], ImageRGB]]] = {
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
        raise InputError(f"{video} has {len(images)} frames but {count} are wanted; give a longer one.")
    return images


def _write(path: Path, images: Sequence[ImageRGB], fps: Fraction) -> Path:
    height, width = images[0].shape[:2]
    with VideoWriter(path, width, height, fps=fps, crf=CRF) as writer:
        for t, image in enumerate(images):
            writer.write(image, t / fps)
    return path
