"""Measure `--scene source` against rendered truth: the place without its dancer, and the person who dances there.

Usage: python -m dancenow.research.recipes.scene_replacement CLIPS OUT.json [SOURCE MODEL TRUTH]

CLIPS is a folder; clips that are missing in it are rendered, and their dancers removed with detected poses. Measured against
the empty room: where the dancer was, and there and around it, where their shadow was. SOURCE, MODEL and TRUTH are a video, a
model and the video of the model's person in the same dance and their own place: the person in `--scene target` and the person
in `--scene source` are moved to where they are in TRUTH, frame by frame, and compared with it. Placement is not measured.
"""

import json
import sys
import tempfile
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from dancenow import pipeline
from dancenow.evaluation.frame_metrics import region_to_tensor
from dancenow.generators.registry import load_model
from dancenow.media.source import VideoSource, read_frames, read_masks
from dancenow.metrics.images import psnr_db, ssim_map
from dancenow.metrics.perceptual import PerceptualDistance
from dancenow.pose.pipeline import detect_poses
from dancenow.rendering.source_scene import SourceScene
from dancenow.research.bench.results import measurement_info
from dancenow.research.studio.clip import Clip, render_clip
from dancenow.storage.atomic_io import complete_or_absent
from dancenow.subject.target_appearance import Target
from dancenow.types import ImageRGB, Pose, PoseTrack, TransferResult

CASES: Final = (("ada", "pulse", "bright"), ("ben", "drift", "loft"))
FPS: Final = Fraction(12)
SECONDS: Final = 5.0
SIDE_PX: Final = 320
_EVERY: Final = 5
_MASK_LEVEL: Final = 25
_AROUND: Final = 0.15
"""How far shadows reach around a person, as a fraction of their size."""
_PERSON_LEVELS: Final = 14


def film(case: tuple[str, str, str], folder: Path) -> Clip:
    """The clip of a dancer, rendered unless it exists."""
    clip = Clip(folder / f"{'-'.join(case)}-{SIDE_PX}.mp4")
    if clip.video.exists():
        return clip
    return render_clip(*case, clip.video, fps=FPS, width_px=SIDE_PX, height_px=SIDE_PX, seconds=SECONDS, sound=False)


def measure_removal(case: tuple[str, str, str], folder: Path) -> dict[str, Any]:
    """PSNR in dB of the place without its dancer, over all measured frames, and that of the frame itself for comparison."""
    clip = film(case, folder)
    stored = cv2.imread(str(clip.background))
    assert stored is not None
    room = np.asarray(stored[..., ::-1], np.uint8)
    source = VideoSource.open(clip.video)
    scene = SourceScene(clip.video)
    track = detect_poses(source, masks=scene.masks_of(source))
    place, _ = scene.remove_dancers(source, {None: track})
    errors: dict[str, list[float]] = {"dancer": [], "dancer and shadow": [], "frame with the dancer": []}
    for index, (frame, mask) in enumerate(zip(source.frames(), read_masks(clip.masks), strict=True)):
        person = mask > _MASK_LEVEL
        if index % _EVERY or not person.any():
            continue
        _, _, width, height = cv2.boundingRect(person.view(np.uint8))
        reach = np.ones((2 * round(_AROUND * max(width, height)) + 1,) * 2, np.uint8)
        around = cv2.dilate(person.view(np.uint8), reach) > 0
        image = place.at(float(frame.time_s))
        for name, shown, area in (
            ("dancer", image, person),
            ("dancer and shadow", image, around),
            ("frame with the dancer", frame.image_rgb, around),
        ):
            errors[name].append(_squared_error(shown, room, area))
    decibels = {name: round(float(10 * np.log10(255**2 / np.mean(each))), 2) for name, each in errors.items()}
    return {"case": "-".join(case), "psnr_db": decibels}


def _squared_error(image: ImageRGB, truth: ImageRGB, area: NDArray[np.bool_]) -> float:
    return float(np.square(image[area].astype(np.float64) - truth[area]).mean())


@torch.inference_mode()
def measure_person(source: Path, model: Path, truth: Path) -> dict[str, Any]:
    """SSIM, PSNR and perceptual distance of the person to the truth, in both scenes."""
    with tempfile.TemporaryDirectory() as folder:
        results = {
            scene: pipeline.transfer(source, model, Path(folder) / f"{scene}.mp4", scene=scene)
            for scene in ("target", "source")
        }
        plate = Target.of_checkpoint(load_model(model)).plate.image_rgb
        distance = PerceptualDistance().eval()
        scores: dict[str, dict[str, list[float]]] = {scene: {"ssim": [], "psnr_db": [], "perceptual": []} for scene in results}
        for index, (true, *shown) in enumerate(_aligned(truth, results)):
            person = _differs(true, plate)
            if index % _EVERY or not person.any():
                continue
            for scene, image in zip(results, shown, strict=True):
                alone = np.where(person[..., None], image, true)
                scores[scene]["ssim"].append(float(ssim_map(alone, true)[person].mean()))
                scores[scene]["psnr_db"].append(psnr_db(alone[person], true[person]))
                tensors = (region_to_tensor(each, "person") for each in (alone, true))
                scores[scene]["perceptual"].append(float(distance(*tensors)))
    means = {scene: {name: round(float(np.mean(each)), 4) for name, each in parts.items()} for scene, parts in scores.items()}
    change = {name: round(means["source"][name] / means["target"][name] - 1, 3) for name in ("ssim", "perceptual")}
    return {"source": source.name, "model": model.name, "frames": len(scores["target"]["ssim"]), **means, "change": change}


def _aligned(truth: Path, results: dict[str, TransferResult]) -> Iterator[tuple[ImageRGB, ...]]:
    """Frames of the truth, and of each result moved to where the person is in the truth."""
    true_track = detect_poses(truth)
    videos = [read_frames(result.video) for result in results.values()]
    for true, *shown in zip(read_frames(truth), *videos, strict=False):
        size = true.image_rgb.shape[1::-1]
        moved = (
            cv2.warpAffine(
                frame.image_rgb,
                _similarity(result.target_track, true_track, true.index),
                size,
                flags=cv2.INTER_AREA,
                borderMode=cv2.BORDER_REPLICATE,
            )
            for frame, result in zip(shown, results.values(), strict=True)
        )
        yield true.image_rgb, *(np.asarray(image, np.uint8) for image in moved)


def _similarity(start: PoseTrack, end: PoseTrack, index: int) -> NDArray[np.float64]:
    """The scale and shift, float64 [2,3], between the poses of a frame of two tracks of one dance."""
    one, two = (_centered(track.pose[index]) for track in (start, end))
    scale = float((one[0] * two[0]).sum() / (one[0] ** 2).sum())
    return np.column_stack([np.eye(2) * scale, two[1] - scale * one[1]])


def _centered(pose: Pose) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    middle = pose.xy.mean(axis=0).astype(np.float64)
    return pose.xy - middle, middle


def _differs(image: ImageRGB, plate: ImageRGB) -> NDArray[np.bool_]:
    """The person in a picture of a known place."""
    different = (np.abs(image.astype(np.int16) - plate).max(axis=2) > _PERSON_LEVELS).astype(np.uint8)
    closed = cv2.morphologyEx(different, cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))
    return np.asarray(cv2.morphologyEx(closed, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8)) > 0)


def main() -> None:
    """Measure everything and write it."""
    folder, out, *clips = (Path(argument) for argument in sys.argv[1:])
    folder.mkdir(parents=True, exist_ok=True)
    result: dict[str, Any] = {"measured_on": measurement_info(), "removal": [measure_removal(case, folder) for case in CASES]}
    if clips:
        result["person"] = measure_person(*clips)
    with complete_or_absent(out) as temporary:
        temporary.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
