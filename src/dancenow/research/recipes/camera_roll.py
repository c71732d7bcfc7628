"""Measure how well the roll of a camera is told: views of real clips, as they are and turned by known angles.

Usage: python -m dancenow.research.recipes.camera_roll FOLDER RESULT.json

Nobody measured how the cameras were held. But a view turned by an angle has to give the roll of the clip plus that angle:
the error is the difference from the median of all views of a clip, turned back.
"""

import argparse
import json
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np

from dancenow.errors import UserError
from dancenow.media.source import VideoSource
from dancenow.pose.pipeline import detect_poses
from dancenow.research.bench.results import measurement_info
from dancenow.storage.atomic_io import complete_or_absent
from dancenow.subject.camera.roll import estimate_roll, median_lean, turn_about_center
from dancenow.subject.camera_motion import BackgroundView
from dancenow.subject.same_camera import background_views

TURNS: Final = (-20, -12, -6, 0, 6, 12, 20)
"""Degrees."""
VIDEOS: Final = (".mp4", ".mov", ".webm", ".mkv")


def turned(view: BackgroundView, angle_rad: float) -> BackgroundView:
    """The view as a camera turned by `angle_rad` shows it, enlarged so that few corners are empty."""
    height, width = view.gray.shape
    turn = turn_about_center(angle_rad, width, height)
    enlarge = np.array([[1.0, 0, -(width - 1) / 2], [0, 1, -(height - 1) / 2], [0, 0, 1 / (1 + 1.2 * abs(angle_rad))]])
    matrix = np.array([[1.0, 0, (width - 1) / 2], [0, 1, (height - 1) / 2], [0, 0, 1]]) @ enlarge @ turn
    gray = cv2.warpPerspective(view.gray, matrix, (width, height), borderMode=cv2.BORDER_REFLECT)
    background = cv2.warpPerspective(view.background, matrix, (width, height), flags=cv2.INTER_NEAREST)
    return BackgroundView(np.asarray(gray, np.uint8), np.asarray(background, np.uint8))


def measure_clip(clip: Path) -> dict[str, Any]:
    """The sure rolls of the longest shot of a clip, in degrees, turned back.

    Raises:
        UserError: nobody is found in it.
    """
    source = VideoSource.open(clip)
    track = detect_poses(source)
    shot = max(track.shots, key=lambda shot: shot.stop - shot.start)
    view, lean_rad = background_views(source, track, [shot])[0], median_lean(track.part(shot.start, shot.stop))
    found = {}
    for turn in np.deg2rad(TURNS):
        roll_rad = estimate_roll(turned(view, float(turn)), None if lean_rad is None else lean_rad + float(turn))
        if roll_rad is not None:
            found[f"{np.rad2deg(turn):.0f}"] = round(float(np.rad2deg(roll_rad - turn)), 2)
    return {"person leans": None if lean_rad is None else round(float(np.rad2deg(lean_rad)), 2), "roll by turn": found}


def main() -> None:
    """Measure all clips of a folder."""
    parser = argparse.ArgumentParser(description="the roll of a camera from the lines of a room")
    parser.add_argument("folder", type=Path)
    parser.add_argument("result", type=Path)
    options = parser.parse_args()
    clips, errors = dict[str, Any](), list[float]()
    for clip in sorted(path for path in options.folder.iterdir() if path.suffix in VIDEOS):
        try:
            clips[clip.stem] = measure_clip(clip)
        except UserError as error:
            print(clip.stem, error)
            continue
        rolls = np.array(list(clips[clip.stem]["roll by turn"].values()))
        errors += [] if not len(rolls) else np.abs(rolls - np.median(rolls)).tolist()
        print(clip.stem, json.dumps(clips[clip.stem]), flush=True)
    total = {
        "views": len(clips) * len(TURNS),
        "sure": len(errors),
        "median error, degrees": round(float(np.median(errors)), 2) if errors else None,
        "largest error, degrees": round(max(errors), 2) if errors else None,
    }
    with complete_or_absent(options.result) as temporary:
        temporary.write_text(json.dumps({**measurement_info(), "clips": clips, **total}, indent=1) + "\n", "utf-8")
    print(json.dumps(total))


if __name__ == "__main__":
    main()
