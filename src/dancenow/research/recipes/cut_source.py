"""Measure what cuts in a source cost: one dance, uncut and joined from views, retargeted to one target.

    python -m dancenow.research.recipes.cut_source SOURCE TARGET RESULT.json

SOURCE is a clip of one shot, TARGET one of another person. Of SOURCE, the second third is enlarged, as by another camera; a
hard cut leads to it and a cross-fade back, and the last frames fade to black. The dance goes on meanwhile, so that the poses of
the uncut clip are the truth. `joined, cuts unknown` is the same video taken as one shot. Errors are in percent of the torso.
"""

import json
import sys
import tempfile
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from dancenow.media.shots import Shot
from dancenow.media.sink import VideoWriter
from dancenow.media.source import VideoSource
from dancenow.metrics.poses import torso_px
from dancenow.pose.pipeline import detect_poses
from dancenow.pose.retargeting.registry import complete_body, retarget
from dancenow.skeleton import INDEX
from dancenow.storage.atomic_io import complete_or_absent
from dancenow.subject.same_camera import fit_videos
from dancenow.types import FrameStatus, ImageRGB, Plate, PoseTrack

NUM_FRAMES: Final = 290
CUT, FADE, BLACK = 90, (174, 186), (270, 280)
"""Frames: where the enlarged part begins, where it fades into the normal one, and where the end fades to black."""
SCALE: Final = 1.35
HEELS: Final = [INDEX["right_heel"], INDEX["left_heel"]]


def enlarged(image_rgb: ImageRGB) -> ImageRGB:
    """The image around a point below its center, as a camera that is nearer sees it."""
    height, width = image_rgb.shape[:2]
    matrix = np.array([[SCALE, 0, (1 - SCALE) * width / 2], [0, SCALE, (0.527 - 0.586 * SCALE) * height]])
    return np.asarray(cv2.warpAffine(image_rgb, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE), np.uint8)


def joined(image_rgb: ImageRGB, frame: int) -> ImageRGB:
    """What the joined video shows in a frame."""
    enlargement = np.clip((FADE[1] - frame) / (FADE[1] - FADE[0] + 1), 0, 1) if frame >= CUT else 0.0
    light = np.clip((BLACK[1] - frame) / (BLACK[1] - BLACK[0]), 0, 1)
    near = enlarged(image_rgb) if enlargement else image_rgb
    return np.asarray(np.rint(light * (enlargement * near + (1 - enlargement) * image_rgb.astype(np.float32))), np.uint8)


def write_videos(source: VideoSource, folder: Path) -> tuple[VideoSource, VideoSource]:
    """The uncut and the joined video."""
    paths, (width, height) = (folder / "uncut.mp4", folder / "joined.mp4"), (source.info.width_px, source.info.height_px)
    with (
        VideoWriter(paths[0], width, height, fps=source.info.fps) as whole,
        VideoWriter(paths[1], width, height, fps=source.info.fps) as cut,
    ):
        for frame in source.frames(0, NUM_FRAMES):
            time_s = Fraction(frame.index) / source.info.fps
            whole.write(frame.image_rgb, time_s)
            cut.write(joined(frame.image_rgb, frame.index), time_s)
    return VideoSource.open(paths[0]), VideoSource.open(paths[1])


def result_of(source: VideoSource, target: PoseTrack, plate: Plate) -> tuple[PoseTrack, str]:
    """The target track of a source, and what the retargeter says."""
    dance = complete_body(detect_poses(source, use_cache=False), target)
    retargeter = fit_videos("auto", source, dance, target, plate)
    return retarget(dance, retargeter, target), str(retargeter)


def compare(name: str, result: PoseTrack, said: str, truth: PoseTrack) -> dict[str, Any]:
    """Errors of each part of the joined video against the result of the uncut one."""
    row: dict[str, Any] = {"source": name, "retargeter": said}
    off_px = np.linalg.norm(result.pose.xy - truth.pose.xy, axis=-1)
    shown = result.status != FrameStatus.MISSING
    parts = {"before": (0, CUT), "enlarged": (CUT, FADE[0]), "cross-fade": FADE, "after": (FADE[1], BLACK[0]),
             "fade and black": (BLACK[0], len(result))}  # fmt: skip
    for part, (start, stop) in parts.items():
        frames = start + np.flatnonzero(shown[start:stop])
        row[part] = {"shown": len(frames), "frames": stop - start}
        if len(frames):
            row[part] |= {
                "error": round(100 * float(off_px[frames].mean()) / torso_px(truth), 1),
                "ground_px": round(_ground_px(result, frames) - _ground_px(truth, frames), 1),
                "size": round(_size_px(result, frames) / _size_px(truth, frames), 3),
            }
    return row


def _ground_px(track: PoseTrack, frames: NDArray[np.int64]) -> float:
    return float(np.median(track.pose.xy[frames][:, HEELS, 1].max(axis=1)))


def _size_px(track: PoseTrack, frames: NDArray[np.int64]) -> float:
    hips = track.pose.xy[frames][:, [INDEX["right_hip"], INDEX["left_hip"]]].mean(axis=1)
    return float(np.median(np.linalg.norm(track.pose.xy[frames, INDEX["neck"]] - hips, axis=1)))


def main() -> None:
    """Join, detect, retarget, and write the result."""
    source, footage, out = VideoSource.open(Path(sys.argv[1])), VideoSource.open(Path(sys.argv[2])), Path(sys.argv[3])
    target = detect_poses(footage)
    images = np.stack([frame.image_rgb for frame in footage.frames(0, 300, 12)])
    plate = Plate(np.median(images, axis=0).astype(np.uint8), np.ones(images.shape[1:3], bool))
    with tempfile.TemporaryDirectory() as folder:
        uncut, cut = write_videos(source, Path(folder))
        truth, _ = result_of(uncut, target, plate)
        rows = [compare("joined", *result_of(cut, target, plate), truth)]
        found = [(shot.start, shot.stop, shot.kind) for shot in cut.shots]
        cut.__dict__["shots"] = (Shot(0, NUM_FRAMES),)
        rows.append(compare("joined, cuts unknown", *result_of(cut, target, plate), truth))
    with complete_or_absent(out) as temporary:
        temporary.write_text(json.dumps({"shots": found, "rows": rows}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
