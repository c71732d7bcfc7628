"""Measure how well shots are found, on clips joined in memory, so that the cuts are known.

    python -m dancenow.research.recipes.shot_detection CLIPS RESULT.json

CLIPS is a folder of videos without cuts. Pairs are joined by hard cuts, cross-fades and fades through black or white; one clip
is cut with a jump or a zoom; clips are shaken, lit by flashes or dimmed, which is no cut. A cut counts as found if a boundary
lies within two frames of it, a fade if a transition overlaps it.
"""

import json
import sys
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from dancenow.media.frame_changes import SIDE_PX
from dancenow.media.shots import Shot, ShotFinder
from dancenow.media.source import VideoSource
from dancenow.storage.atomic_io import complete_or_absent

SECONDS: Final = 8.0
ROUNDS: Final = 12
TOLERANCE: Final = 2
SUFFIXES: Final = (".mp4", ".mov", ".mkv", ".webm")

Images = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Clip:
    """Small frames uint8 [T,h,w,3], twice as large as thumbnails, and their rate."""

    name: str
    images: Images
    fps: float


@dataclass(frozen=True, eq=False)
class Joined:
    """A joined video, and the frames [start, stop) in which it changes; None without a cut."""

    images: Images
    truth: tuple[int, int] | None


def read_clip(path: Path) -> Clip:
    """The first seconds of a video."""
    source = VideoSource.open(path)
    fps = float(source.info.fps)
    scale = 2 * SIDE_PX / max(source.info.width_px, source.info.height_px)
    size = round(source.info.width_px * scale), round(source.info.height_px * scale)
    frames = source.frames(0, round(SECONDS * fps))
    images = [cv2.resize(frame.image_rgb, size, interpolation=cv2.INTER_AREA) for frame in frames]
    return Clip(path.stem, np.asarray(np.stack(images), np.uint8), fps)


def _halves(a: Clip, b: Clip, rng: np.random.Generator) -> tuple[Images, Images]:
    """A part of either clip, of about a second and a half at least, in the size of the first."""
    parts = []
    for clip in (a, b):
        length = min(len(clip.images), round(rng.uniform(1.5, 3) * a.fps))
        start = int(rng.integers(0, len(clip.images) - length + 1))
        parts.append(clip.images[start : start + length])
    size = a.images.shape[2:0:-1]
    return parts[0], np.stack([cv2.resize(image, size, interpolation=cv2.INTER_AREA) for image in parts[1]])


def _blend(before: Images, after: Images, fraction: NDArray[np.float64]) -> Images:
    weight = fraction[:, None, None, None]
    return np.asarray(np.rint(before * (1 - weight) + after * weight), np.uint8)


def cut(a: Clip, b: Clip, rng: np.random.Generator) -> Joined:
    """A hard cut to another clip."""
    first, second = _halves(a, b, rng)
    return Joined(np.concatenate([first, second]), (len(first), len(first)))


def cross_fade(a: Clip, b: Clip, rng: np.random.Generator) -> Joined:
    """A cross-fade over .2 to 1.2 s."""
    first, second = _halves(a, b, rng)
    count = min(max(3, round(rng.uniform(0.2, 1.2) * a.fps)), len(first) - 2, len(second) - 2)
    fraction = np.arange(1, count + 1) / (count + 1)
    mixed = _blend(first[-count:], second[:count], fraction)
    start = len(first) - count
    return Joined(np.concatenate([first[:-count], mixed, second[count:]]), (start, len(first)))


def fade_through(level: int) -> Callable[[Clip, Clip, np.random.Generator], Joined]:
    """A fade to a level and from it to another clip."""

    def fade(a: Clip, b: Clip, rng: np.random.Generator) -> Joined:
        first, second = _halves(a, b, rng)
        count = min(max(3, round(rng.uniform(0.15, 0.6) * a.fps)), len(first) - 2, len(second) - 2)
        fraction = np.arange(1, count + 1) / count
        flat = np.full_like(first[:count], level)
        out, back = _blend(first[-count:], flat, fraction), _blend(flat, second[:count], fraction)
        start = len(first) - count
        return Joined(np.concatenate([first[:-count], out, back, second[count:]]), (start, start + 2 * count))

    return fade


def jump(a: Clip, b: Clip, rng: np.random.Generator) -> Joined:  # noqa: ARG001
    """A second or more of one clip is left out."""
    length = len(a.images)
    skip = min(round(rng.uniform(1, 2) * a.fps), length // 2)
    start = int(rng.integers(length // 4, max(length // 4 + 1, 3 * length // 4 - skip)))
    return Joined(np.concatenate([a.images[:start], a.images[start + skip :]]), (start, start))


def zoom(a: Clip, b: Clip, rng: np.random.Generator) -> Joined:  # noqa: ARG001
    """The clip goes on without a gap, enlarged by 1.5 to 2."""
    middle, (height, width) = len(a.images) // 2, a.images.shape[1:3]
    scale = float(rng.uniform(1.5, 2))
    matrix = np.array([[scale, 0, (1 - scale) * width / 2], [0, scale, (1 - scale) * height / 2]])
    near = np.stack([cv2.warpAffine(image, matrix, (width, height)) for image in a.images[middle:]])
    return Joined(np.concatenate([a.images[:middle], near]), (middle, middle))


def uncut(a: Clip, b: Clip, rng: np.random.Generator) -> Joined:  # noqa: ARG001
    """The clip as it is."""
    return Joined(a.images, None)


def flash(a: Clip, b: Clip, rng: np.random.Generator) -> Joined:  # noqa: ARG001
    """A photographer's flash: bright for one to four frames."""
    start, count = int(rng.integers(2, len(a.images) - 6)), int(rng.integers(1, 5))
    images = a.images.copy()
    lit = images[start : start + count] * rng.uniform(1.5, 3.0) + rng.uniform(20, 90)
    images[start : start + count] = np.clip(lit, 0, 255).astype(np.uint8)
    return Joined(images, None)


def exposure(a: Clip, b: Clip, rng: np.random.Generator) -> Joined:  # noqa: ARG001
    """The light changes by up to a half within a quarter of a second to a second."""
    middle, count = len(a.images) // 2, max(2, round(rng.uniform(0.25, 1) * a.fps))
    ramp = np.clip((np.arange(len(a.images)) - middle) / count, 0, 1)
    gain = 1 + (rng.uniform(0.5, 1.6) - 1) * ramp
    return Joined(np.clip(a.images * gain[:, None, None, None], 0, 255).astype(np.uint8), None)


def shake(a: Clip, b: Clip, rng: np.random.Generator) -> Joined:  # noqa: ARG001
    """A hand that shakes by up to 3% of the frame, and a pan by as much in every frame for a third of the time."""
    height, width = a.images.shape[1:3]
    steps = rng.normal(0, 0.01 * width, (len(a.images), 2))
    steps[len(steps) // 3 : 2 * len(steps) // 3, 0] += 0.03 * width * rng.choice([-1, 1])
    at = np.cumsum(steps - steps.mean(axis=0) * 0.5, axis=0)
    moved = [
        cv2.warpAffine(image, np.array([[1, 0, dx], [0, 1, dy]], float), (width, height), borderMode=cv2.BORDER_REFLECT)
        for image, (dx, dy) in zip(a.images, at, strict=True)
    ]
    return Joined(np.asarray(np.stack(moved), np.uint8), None)


KINDS: Final[Mapping[str, Callable[[Clip, Clip, np.random.Generator], Joined]]] = {
    "cut": cut, "cross-fade": cross_fade, "through black": fade_through(0), "through white": fade_through(255), "jump": jump,
    "zoom": zoom, "uncut": uncut, "flash": flash, "exposure": exposure, "shake": shake,
}  # fmt: skip


def find(images: Images, fps: float) -> tuple[Shot, ...]:
    """The shots of joined frames."""
    finder = ShotFinder(fps)
    for image in images:
        finder.take(np.asarray(cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), np.uint8))
    return finder.shots()


def score(shots: tuple[Shot, ...], truth: tuple[int, int] | None) -> tuple[int, int, int]:
    """True cuts found, false ones, and missed ones. A transition and the blank frames within it count as one."""
    changes = [(shot.start, shot.stop) for shot in shots if shot.kind in ("transition", "blank")]
    changes += [(b.start, b.start) for a, b in pairwise(shots)
                if not {a.kind, b.kind} & {"transition", "blank"}]  # fmt: skip
    if truth is None:
        return 0, len(changes), 0
    near = [start <= truth[1] + TOLERANCE and stop >= truth[0] - TOLERANCE for start, stop in changes]
    return int(any(near)), near.count(False), int(not any(near))


def measure(clips: list[Clip]) -> list[dict[str, Any]]:
    """A row per kind: how many were found, missed and invented; and the names of the clips with an error."""
    rows = []
    for number, (kind, join) in enumerate(KINDS.items()):
        rng = np.random.default_rng(number)
        count: dict[str, int] = defaultdict(int)
        wrong = []
        for _ in range(ROUNDS):
            a, b = (clips[int(i)] for i in rng.choice(len(clips), 2, replace=False))
            joined = join(a, b, rng)
            found, false, missed = score(find(joined.images, a.fps), joined.truth)
            count["found"], count["false"], count["missed"] = (
                count["found"] + found, count["false"] + false, count["missed"] + missed,
            )  # fmt: skip
            wrong += [f"{a.name}, {b.name}"] if false or missed else []
        rows.append({"kind": kind, "videos": ROUNDS, **count, "wrong": wrong})
        print(rows[-1], flush=True)
    return rows


def main() -> None:
    """Join, find, and write the result."""
    folder, out = Path(sys.argv[1]), Path(sys.argv[2])
    clips = [read_clip(path) for path in sorted(folder.iterdir()) if path.suffix in SUFFIXES]
    rows = measure(clips)
    found, false, missed = (sum(row[name] for row in rows) for name in ("found", "false", "missed"))
    summary = {"recall": round(found / (found + missed), 3), "precision": round(found / max(found + false, 1), 3)}
    with complete_or_absent(out) as temporary:
        temporary.write_text(json.dumps({"summary": summary, "clips": [c.name for c in clips], "rows": rows}, indent=1) + "\n")
    print(json.dumps(summary))


if __name__ == "__main__":
    main()
