"""Measure heads in views that the footage does not show: as the dance has them, and turned to the nearest view of the footage.

Usage: python -m dancenow.research.recipes.unseen_heads RESULT.json SHEET.png MODEL SUBJECT DANCE.mp4 [DANCE.mp4 ...]

There is no truth for somebody else's dance. What can be told is whether a head looks like any head of the footage: the
perceptual distance and ST-LPIPS of each rendered head to the nearest one of the footage. Only frames with a turned head count.
SUBJECT is the prepared folder that MODEL was trained on. SHEET shows some heads: of the dance, as it has them, turned.
"""

import argparse
import json
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from dancenow.evaluation.frame_metrics import region_to_tensor
from dancenow.execution import Execution
from dancenow.generators.registry import load_model, renderer_of
from dancenow.media.source import VideoSource, read_frames_at
from dancenow.metrics.perceptual import PerceptualDistance
from dancenow.metrics.regions import face_box
from dancenow.metrics.st_lpips import StLpips
from dancenow.pose.pipeline import PosePipeline, detect_poses
from dancenow.pose.retargeting.head_views import turn_heads
from dancenow.pose.retargeting.registry import complete_body, retarget
from dancenow.progress import ignore_progress
from dancenow.rendering.renderer import Renderer, render_frames
from dancenow.research.bench.results import measurement_info
from dancenow.storage.atomic_io import complete_or_absent
from dancenow.subject.camera.source_camera import source_camera
from dancenow.subject.same_camera import fit_videos
from dancenow.subject.subject import Subject
from dancenow.types import FrameStatus, ImageRGB, PoseTrack

FRAMES: Final = 12
"""Of each dance, evenly over those whose head is turned by most."""
FOOTAGE_FRAMES: Final = 40
_MOVED_TORSO: Final = 0.03
"""Mean way of the keypoints of a head that is turned, as a fraction of the body's height in the frame."""
_SHOWN: Final = 4


def plan_dance(clip: Path, renderer: Renderer) -> tuple[PoseTrack, PoseTrack, PoseTrack]:
    """The dance of a clip, in its own px, on the target's body, and there with turned heads."""
    source, target = VideoSource.open(clip), renderer.target
    track = detect_poses(source)
    filmed_by = source_camera(source, track, target, ignore_progress)
    whole = complete_body(track, target.track)
    retargeter = fit_videos("auto", source, whole, target.track, target.plate, filmed_by)
    plain = retarget(filmed_by.to_world(whole), retargeter, target.track)
    return track, plain, turn_heads(plain, target.track)[0]


def turned_frames(plain: PoseTrack, turned: PoseTrack) -> NDArray[np.int64]:
    """Frames in which heads are turned, evenly."""
    moved = np.linalg.norm(plain.pose.xy - turned.pose.xy, axis=2).max(axis=1)
    height = np.ptp(plain.pose.xy[..., 1], axis=1)
    found = np.flatnonzero((moved > _MOVED_TORSO * height) & (plain.status == FrameStatus.MEASURED))
    spread = np.unique(np.linspace(0, len(found) - 1, min(FRAMES, len(found))).round().astype(int))
    return np.asarray(found[spread], np.int64)


def render_heads(renderer: Renderer, track: PoseTrack, frames: NDArray[np.int64]) -> list[ImageRGB]:
    """The heads of some frames as the model renders them."""
    shown = PosePipeline.create().for_rendering(track)
    with closing(render_frames(renderer, renderer.target.view("still"), shown, frames)) as images:
        return _heads(images, shown, frames)


def read_heads(video: Path, track: PoseTrack, frames: NDArray[np.int64]) -> list[ImageRGB]:
    """The heads of some frames of a recording."""
    return _heads((frame.image_rgb for frame in read_frames_at(video, frames.tolist())), track, frames)


def _heads(images: Any, track: PoseTrack, frames: NDArray[np.int64]) -> list[ImageRGB]:
    found = []
    for image, index in zip(images, frames.tolist(), strict=True):
        box = face_box(track.pose[index], image.shape[1], image.shape[0])
        if box is not None:
            found.append(box.crop(image))
    return found


@torch.inference_mode()
def nearest(heads: Sequence[ImageRGB], footage: Sequence[ImageRGB]) -> dict[str, float]:
    """Mean distances of heads to the nearest ones of the footage."""
    metrics = {"perceptual": PerceptualDistance(), "ST-LPIPS": StLpips.pretrained()}
    own, others = ([region_to_tensor(each, "face") for each in group] for group in (heads, footage))
    result = {}
    for name, metric in metrics.items():
        least = [min(float(metric(head, other)) for other in others) for head in own]
        result[name] = round(float(np.mean(least)), 4)
    return result


def main() -> None:
    """Measure all dances, and draw a sheet."""
    parser = argparse.ArgumentParser(description="heads in views that the footage does not show")
    parser.add_argument("result", type=Path)
    parser.add_argument("sheet", type=Path)
    parser.add_argument("model", type=Path)
    parser.add_argument("subject", type=Path)
    parser.add_argument("dances", type=Path, nargs="+")
    options = parser.parse_args()
    torch.set_num_threads(1)
    renderer, subject = renderer_of(load_model(options.model), Execution(threads=1)), Subject.open(options.subject)
    measured = np.flatnonzero(subject.track.status == FrameStatus.MEASURED)
    spread = measured[np.linspace(0, len(measured) - 1, min(FOOTAGE_FRAMES, len(measured))).round().astype(int)]
    footage = read_heads(subject.video, subject.track, spread)
    rows, dances = [], {}
    for clip in options.dances:
        track, plain, turned = plan_dance(clip, renderer)
        frames = turned_frames(plain, turned)
        if not len(frames):
            continue
        heads = {"as in the dance": render_heads(renderer, plain, frames), "turned": render_heads(renderer, turned, frames)}
        dances[clip.stem] = {"frames": len(frames), **{name: nearest(each, footage) for name, each in heads.items()}}
        print(clip.stem, json.dumps(dances[clip.stem]), flush=True)
        rows += [each[:: max(1, len(each) // _SHOWN)][:_SHOWN] for each in (read_heads(clip, track, frames), *heads.values())]
    sheet = np.vstack(
        [np.hstack([cv2.resize(head, (256, 256), interpolation=cv2.INTER_CUBIC) for head in row]) for row in rows]
    )
    cv2.imwrite(str(options.sheet), sheet[..., ::-1])
    result = {**measurement_info(), "footage": subject.folder.name, "preset": options.model.stem, "dances": dances}
    with complete_or_absent(options.result) as temporary:
        temporary.write_text(json.dumps(result, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
