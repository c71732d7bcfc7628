"""Measure the background plate where the exposure changes, and what is left of the shadow of a person who stays in place.

    python -m dancenow.research.recipes.background_conditions SUBJECT RESULT.json

SUBJECT is a prepared folder of a clip with steady light and a still camera. Its video is changed as by a flickering lamp, a
fade, an automatic white balance and black frames; truth is the plate of the unchanged video. Shadows are measured in rendered
rooms, whose truth is the empty room. All differences are in levels of 255, after a blur of 2 px.
"""

import json
import math
import sys
import tempfile
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from dancenow.media.sink import VideoWriter
from dancenow.media.source import open_video, read_masks
from dancenow.pose.track_io import load_track
from dancenow.research.studio.clip import Clip, render_clip
from dancenow.storage.atomic_io import complete_or_absent
from dancenow.subject.background.background_plate import PlateEstimator, estimate_plate
from dancenow.subject.exposure import Exposure
from dancenow.subject.exposure_measurement import ExposureMeter
from dancenow.subject.subject import Subject
from dancenow.types import FrameStatus, Plate

ROOMS: Final = (("dov", "spark", "loft"), ("eve", "drift", "bright"), ("chi", "pulse", "loft"))
_Change = Callable[[NDArray[np.float64], float, int], NDArray[np.float64]]


def _white_balance(levels: NDArray[np.float64], time_s: float, _index: int) -> NDArray[np.float64]:
    shift = 0.12 * math.sin(2 * math.pi * time_s / 5)
    return np.asarray(levels * np.array([1 + shift, 1, 1 - shift]))


CHANGES: Final[dict[str, _Change]] = {
    "brightness 18 levels up and down in 3 s": lambda levels, time_s, _: levels + 17.8 * math.sin(2 * math.pi * time_s / 3),
    "gamma .7 to 1.3 in 4 s": lambda levels, time_s, _: (
        255 * (levels / 255) ** (1 / (1 + 0.3 * math.sin(math.pi * time_s / 2)))
    ),
    "fade in, 30 frames": lambda levels, _, index: levels * min(1, index / 30),
    "white balance 12% in 5 s": _white_balance,
    "15 black frames": lambda levels, _, index: levels * (0.02 if 120 <= index < 135 else 1),
}


def plates(subject: Subject, video: Path) -> tuple[Plate, Plate]:
    """The plates of a changed copy of a subject's video, without and with correction of the exposure."""
    measured = subject.track.status == FrameStatus.MEASURED
    masks, found = subject.folder / "masks.mkv", []
    for corrected in (False, True):
        source, meter = open_video(video), ExposureMeter(masks, measured)
        estimator = PlateEstimator(source, masks, measured)
        source.feed(estimator, meter)
        found.append(estimator.estimate(meter.exposure() if corrected else Exposure.constant(len(measured))))
    return found[0], found[1]


def ghost(plate: Plate, truth: Plate) -> dict[str, float]:
    """Differences where both were seen; one that is everywhere, which is only another reference exposure, does not count."""
    difference = cv2.GaussianBlur(plate.image_rgb.astype(np.float32) - truth.image_rgb, (0, 0), 2)
    apart = np.abs(difference - np.median(difference, axis=(0, 1))).max(axis=2)[plate.known & truth.known]
    return {"largest": round(float(apart.max()), 1), "99th percentile": round(float(np.percentile(apart, 99)), 1)}


def exposure_rows(subject: Subject) -> Iterator[dict[str, Any]]:
    """One row for each change."""
    truth = plates(subject, subject.video)[0]
    info = subject.source.info
    with tempfile.TemporaryDirectory() as folder:
        for name, change in CHANGES.items():
            video = Path(folder) / "changed.mp4"
            with VideoWriter(video, info.width_px, info.height_px, fps=Fraction(info.fps)) as writer:
                for frame in subject.read_frames():
                    levels = change(frame.image_rgb.astype(np.float64), float(frame.time_s), frame.index)
                    writer.write(np.clip(np.rint(levels), 0, 255).astype(np.uint8), frame.time_s)
            kept, corrected = plates(subject, video)
            yield {"change": name, "not corrected": ghost(kept, truth), "corrected": ghost(corrected, truth)}


def shadow_row(clip: Clip) -> dict[str, float]:
    """Errors of the plate of a rendered clip, in the whole room and below the height of the feet."""
    track = load_track(clip.track)
    plate = estimate_plate(clip.video, clip.masks, track.status == FrameStatus.MEASURED)
    room = np.asarray(cv2.imread(str(clip.background), cv2.IMREAD_COLOR_RGB), np.float32)
    error = cv2.GaussianBlur(plate.image_rgb.astype(np.float32) - room, (0, 0), 2)
    bottoms = [np.flatnonzero(mask.any(axis=1)).max() / len(mask) for mask in read_masks(clip.masks) if mask.any()]
    floor = error[round((float(np.median(bottoms)) - 0.1) * len(error)) :]
    return {
        "rms": round(float(np.sqrt(np.square(error).mean())), 2),
        "floor, mean absolute": round(float(np.abs(floor).mean()), 2),
        "floor, mean": round(float(floor.mean()), 2),
        "floor, darker by more than 6 levels": round(float((floor.mean(axis=2) < -6).mean()), 4),
    }


def main(subject_folder: Path, result: Path) -> None:
    """Measure both and write one JSON file."""
    subject = Subject.open(subject_folder)
    rows: dict[str, Any] = {"exposure": list(exposure_rows(subject)), "shadow": []}
    with tempfile.TemporaryDirectory() as folder:
        for identity, dance, room in ROOMS:
            clip = render_clip(
                identity, dance, room, Path(folder) / f"{identity}.mp4", fps=Fraction(12), width_px=320, height_px=320,
                seconds=8, sound=False,
            )  # fmt: skip
            rows["shadow"].append({"person": identity, "room": room, **shadow_row(clip)})
    with complete_or_absent(result) as temporary:
        temporary.write_text(json.dumps(rows, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
