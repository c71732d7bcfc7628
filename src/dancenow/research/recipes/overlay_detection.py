"""Measure what is found of overlays that are drawn on rendered clips, where the truth is known, and on clips without truth.

    python -m dancenow.research.recipes.overlay_detection RENDERED.mp4 FILMED RESULT.json

RENDERED shows one person before a still camera; it is moved as a hand would, overlays are drawn on it, and it is encoded.
FILMED is a folder of videos; of each the fraction of the picture that is found as an overlay is measured, without person masks.
"""

import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from dancenow.media.sink import MaskWriter, VideoWriter
from dancenow.media.source import VideoSource
from dancenow.storage.atomic_io import complete_or_absent
from dancenow.subject.overlay_detection.finder import find_overlays
from dancenow.subject.overlays import put_over
from dancenow.types import ImageRGB

FRAMES: Final = 60
SUFFIXES: Final = (".mp4", ".mov", ".mkv", ".webm")
Rgba = NDArray[np.uint8]

CAMERAS: Final[dict[str, Callable[[int], tuple[float, float]]]] = {
    "still": lambda _: (0.0, 0.0),
    "shake": lambda i: (4 * np.sin(1.7 * i) + 2 * np.sin(0.3 * i), 3 * np.cos(1.1 * i)),
    "pan": lambda i: (30 * np.sin(0.21 * i), 2 * np.cos(1.1 * i)),
}


def letters(shape: tuple[int, int], words: str, at: tuple[int, int], alpha: float = 1.0) -> Rgba:
    """White words of one opacity, uint8 [H,W,4]."""
    opacity = np.zeros(shape, np.uint8)
    cv2.putText(opacity, words, at, cv2.FONT_HERSHEY_SIMPLEX, 1.1, 255, 3, cv2.LINE_AA)
    return np.dstack([np.full((*shape, 3), 255, np.uint8), np.rint(opacity * alpha).astype(np.uint8)])


def draw(kind: str, room: ImageRGB) -> Rgba:
    """The overlay of a kind for frames like `room`."""
    height, width = room.shape[:2]
    rgba = np.zeros((height, width, 4), np.uint8)
    if kind == "bars":
        rgba[: height // 8, :, 3] = rgba[-height // 8 :, :, 3] = 255
    if kind == "border":
        blurred = cv2.GaussianBlur(room, (0, 0), width / 28)
        for part in (slice(0, width // 5), slice(width - width // 5, width)):
            rgba[:, part, :3], rgba[:, part, 3] = blurred[:, part], 255
    if kind == "caption":
        rgba = letters((height, width), "my first dance", (width // 5, height - height // 12))
    if kind in ("logo", "faint logo"):
        rgba = letters((height, width), "demoTV", (width - width // 3, height // 8), 1.0 if kind == "logo" else 0.4)
    return rgba


def film(frames: list[ImageRGB], room: ImageRGB, camera: str, rgba: Rgba, folder: Path) -> ImageRGB:
    """Write the clip and the masks; return the room as the middle frame shows it, without overlay."""
    height, width = room.shape[:2]
    shown = room
    with (
        VideoWriter(folder / "clip.mp4", width, height, fps=Fraction(25), crf=20) as video,
        MaskWriter(folder / "masks.mkv", width, height) as masks,
    ):
        for i, frame in enumerate(frames):
            to_view = cv2.getRotationMatrix2D((width / 2, height / 2), 0, 1.15)
            to_view[:, 2] += np.array(CAMERAS[camera](i))
            person = (np.abs(frame.astype(np.int16) - room).max(axis=2) > 24).astype(np.uint8) * 255
            person = cv2.morphologyEx(
                cv2.morphologyEx(person, cv2.MORPH_OPEN, np.ones((3, 3))), cv2.MORPH_CLOSE, np.ones((15, 15))
            )
            image, mask, view = (
                cv2.warpAffine(each, to_view, (width, height), borderMode=cv2.BORDER_REFLECT) for each in (frame, person, room)
            )
            shown = np.asarray(view, np.uint8) if i == FRAMES // 2 else shown
            drawn = np.asarray(image, np.uint8)
            put_over(drawn, rgba)
            video.write(drawn, Fraction(i, 25))
            masks.write(np.where(rgba[..., 3] == 255, 0, mask).astype(np.uint8))
    return shown


def rendered_rows(path: Path) -> Iterator[dict[str, Any]]:
    """Every overlay before every camera: overlap of the masks, and the error of the overlay over the empty room, in levels."""
    source = VideoSource.open(path)
    count = source.info.num_frames or FRAMES
    indices = np.unique(np.linspace(0, count - 1, FRAMES).round().astype(int)).tolist()
    frames = [frame.image_rgb for frame in source.frames_at(indices)]
    room = np.asarray(np.median(np.stack(frames[::2]), axis=0), np.uint8)
    for kind in ("none", "bars", "border", "caption", "logo", "faint logo"):
        for camera in CAMERAS:
            truth = draw(kind, room)
            with tempfile.TemporaryDirectory() as folder:
                shown = film(frames, room, camera, truth, Path(folder))
                found = find_overlays(Path(folder) / "clip.mp4", Path(folder) / "masks.mkv", len(frames))
            row: dict[str, Any] = {
                "overlay": kind,
                "camera": camera,
                "found": 0.0 if found is None else float(found.mask.mean()),
            }
            if kind != "none":
                hidden = truth[..., 3] > 0
                mask = np.zeros_like(hidden) if found is None else found.mask
                row["iou"] = round(float((mask & hidden).sum() / (mask | hidden).sum()), 3)
            if kind != "none" and found is not None:
                got, expected = shown.copy(), shown.copy()
                put_over(got, found.rgba)
                put_over(expected, truth)
                row["error_levels"] = round(float(np.abs(got.astype(int) - expected).max(axis=2)[hidden].mean()), 2)
            print(row, flush=True)
            yield row


def filmed_rows(folder: Path) -> Iterator[dict[str, Any]]:
    """Fraction of the picture that is found, per video."""
    for path in sorted(each for each in folder.iterdir() if each.suffix in SUFFIXES):
        source = VideoSource.open(path)
        found = find_overlays(source, None, source.info.num_frames or 300)
        row = {"clip": path.stem, "found": 0.0 if found is None else round(float(found.mask.mean()), 4)}
        print(row, flush=True)
        yield row


def main() -> None:
    """Measure, and write the result."""
    rendered, filmed, out = (Path(each) for each in sys.argv[1:4])
    result = {
        "what": "overlays found on a rendered clip with drawn overlays, and fraction of filmed clips found (without masks)",
        "rendered": list(rendered_rows(rendered)),
        "filmed": list(filmed_rows(filmed)),
    }
    with complete_or_absent(out) as temporary:
        temporary.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
