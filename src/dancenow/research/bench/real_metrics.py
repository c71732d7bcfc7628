"""Metrics of the bench on real clips: in the boxes of person, head and hands, of the background, and of the poses.

All boxes come from the truth's keypoints. Regions that deep networks look at are brought to fixed sizes, so that clips of
different resolution can be compared and a hand is large enough for them.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dancenow.metrics.images import LEVELS, PSNR_CEILING_DB, psnr_db, sharpness, ssim_map
from dancenow.metrics.motion import estimate_motion, flicker_ratio, warping_error
from dancenow.metrics.perceptual import PerceptualDistance
from dancenow.metrics.poses import missed_keypoints, pose_distance_px, torso_px
from dancenow.metrics.regions import MIN_CONFIDENCE, Box, face_box, person_box
from dancenow.metrics.st_lpips import StLpips
from dancenow.skeleton import INDEX
from dancenow.types import ImageRGB, Pose, PoseTrack

METRICS: Final = {
    "SSIM": "higher", "PSNR": "higher", "perceptual": "lower", "ST-LPIPS": "lower", "sharpness": "", "flicker": "lower",
    "background PSNR": "higher", "background SSIM": "higher", "filmed background PSNR": "higher",
    "pose distance": "lower", "missed keypoints": "lower",
}  # fmt: skip
"""sharpness, flicker: as a ratio to the truth's, 1 is the truth's own. filmed background: what the training footage showed, as
opposed to what a moving camera sees for the first time in held-out time. pose distance: in torso lengths. missed keypoints: a
fraction of those detected in the truth. PSNR: in dB. Transfers: sharpness and flicker relative to the target's footage."""
_PERSON_SIDE_PX: Final = 512
"""Longer side, at most, of a person that deep networks look at."""
_PART_SIDES_PX: Final = {"head": 128, "hands": 64}
_HEAD_MARGIN_FRACTION: Final = 0.25
"""On every side of the face's box, for the hair."""
_HAND_SPREADS, _HAND_FOREARMS = 2.0, 0.5
"""Side of a hand's box: so many times the spread of its keypoints, and at least so many forearms."""
_MIN_HAND_PX: Final = 8
_MASK_LEVEL: Final = 25
"""A pixel above it may show the person."""
_MASK_MARGIN_FRACTION: Final = 0.02
"""Of the longer side of the frame: the person's edge and contact shadow are not background."""


@dataclass(frozen=True)
class NamedBox:
    """A box and the region it is averaged in: `person`, `head` or `hands`. key: tells the two hands apart."""

    key: str
    region: str
    box: Box


def region_boxes(pose: Pose, width_px: int, height_px: int) -> list[NamedBox]:
    """The visible boxes of a pose [K]."""
    found = [
        ("person", "person", person_box(pose, width_px, height_px)),
        ("head", "head", head_box(pose, width_px, height_px)),
        *((side, "hands", hand_box(pose, side, width_px, height_px)) for side in ("right", "left")),
    ]
    return [NamedBox(key, region, box) for key, region, box in found if box is not None]


def head_box(pose: Pose, width_px: int, height_px: int) -> Box | None:
    """The face's box with room for the hair; None where no face is detected."""
    box = face_box(pose, width_px, height_px)
    if box is None:
        return None
    margin_px = round(_HEAD_MARGIN_FRACTION * max(box.right - box.left, box.bottom - box.top))
    low = max(box.left - margin_px, 0), max(box.top - margin_px, 0)
    return Box(*low, min(box.right + margin_px, width_px), min(box.bottom + margin_px, height_px))


def hand_box(pose: Pose, side: str, width_px: int, height_px: int) -> Box | None:
    """A square around wrist and knuckles, twice their spread and at least half the forearm; None where not all are detected."""
    keypoints = [INDEX[f"{side}_{name}"] for name in ("wrist", "thumb", "index", "pinky")]
    elbow = INDEX[f"{side}_elbow"]
    if (pose.confidence[[*keypoints, elbow]] < MIN_CONFIDENCE).any():
        return None
    points = pose.xy[keypoints].astype(np.float64)
    forearm_px = float(np.linalg.norm(points[0] - pose.xy[elbow]))
    side_px = max(_HAND_SPREADS * float(np.ptp(points, axis=0).max()), _HAND_FOREARMS * forearm_px)
    return _square(points.mean(axis=0), side_px, width_px, height_px)


def _square(center: NDArray[np.float64], side_px: float, width_px: int, height_px: int) -> Box | None:
    left, top = np.clip(np.floor(center - side_px / 2), 0, [width_px, height_px]).astype(int).tolist()
    right, bottom = np.clip(np.ceil(center + side_px / 2), 0, [width_px, height_px]).astype(int).tolist()
    return Box(left, top, right, bottom) if min(right - left, bottom - top) >= _MIN_HAND_PX else None


class ReconstructionMeter:
    """Compares generated frames with true ones, in order; holds one frame of each.

    every: perceptual distance and ST-LPIPS are measured in each `every`-th frame.
    """

    def __init__(self, perceptual: PerceptualDistance, st_lpips: StLpips, every: int) -> None:
        self._distances = {"perceptual": perceptual.eval(), "ST-LPIPS": st_lpips}
        self._every = every
        self._values: dict[str, list[float]] = defaultdict(list)
        self._pairs: dict[str, list[tuple[float, float]]] = defaultdict(list)
        self._previous: tuple[ImageRGB, ImageRGB, dict[str, Box]] | None = None
        self.num_frames = 0

    def measure(
        self,
        truth_rgb: ImageRGB,
        pose: Pose,
        mask: NDArray[np.uint8],
        image_rgb: ImageRGB,
        filmed: NDArray[np.bool_] | None = None,
    ) -> None:
        """Add one frame. pose: of the truth [K]; mask: its person, uint8 [h,w]; filmed: background that training saw, [H,W]."""
        height, width = truth_rgb.shape[:2]
        similarity, boxes = ssim_map(image_rgb, truth_rgb), region_boxes(pose, width, height)
        for each in boxes:
            image, truth = each.box.crop(image_rgb), each.box.crop(truth_rgb)
            self._values[f"SSIM, {each.region}"].append(float(each.box.crop(similarity).mean()))
            self._values[f"PSNR, {each.region}"].append(psnr_db(image, truth))
            self._pairs[f"sharpness, {each.region}"].append((sharpness(image), sharpness(truth)))
            if self.num_frames % self._every == 0:
                self._measure_deep(image, truth, each.region)
        outside = background_pixels(mask, width, height)
        self._measure_background(image_rgb, truth_rgb, outside, similarity)
        if filmed is not None and (outside & filmed).any():
            self._values["filmed background PSNR"].append(_psnr_where(outside & filmed, image_rgb, truth_rgb))
        self._measure_flicker(image_rgb, truth_rgb, boxes)
        self._previous = truth_rgb, image_rgb, {each.key: each.box for each in boxes}
        self.num_frames += 1

    def scores(self) -> dict[str, float | None]:
        """Means over the frames, by metric and region; None where nothing could be measured."""
        scores = {name: float(np.mean(values)) for name, values in self._values.items()}
        for name, pairs in self._pairs.items():
            own, true = np.array(pairs, np.float64).T
            scores[name] = flicker_ratio(own, true) if name.startswith("flicker") else float(own.mean() / true.mean())
        return _rounded(scores)

    @torch.inference_mode()
    def _measure_deep(self, image_rgb: ImageRGB, truth_rgb: ImageRGB, region: str) -> None:
        tensors = [_to_tensor(_resize_region(each, region)) for each in (image_rgb, truth_rgb)]
        for name, distance in self._distances.items():
            if min(tensors[0].shape[-2:]) >= StLpips.min_side_px:
                self._values[f"{name}, {region}"].append(float(distance(*tensors)))

    def _measure_background(
        self, image_rgb: ImageRGB, truth_rgb: ImageRGB, outside: NDArray[np.bool_], similarity: NDArray[np.float32]
    ) -> None:
        if not outside.any():
            return
        self._values["background PSNR"].append(_psnr_where(outside, image_rgb, truth_rgb))
        self._values["background SSIM"].append(float(similarity[outside].mean()))

    def _measure_flicker(self, image_rgb: ImageRGB, truth_rgb: ImageRGB, boxes: Sequence[NamedBox]) -> None:
        if self._previous is None:
            return
        true_before, image_before, boxes_before = self._previous
        for each in boxes:
            if each.key not in boxes_before:
                continue
            box = each.box.union(boxes_before[each.key])
            true_pair = box.crop(true_before), box.crop(truth_rgb)
            motion = estimate_motion(*true_pair)
            own_error = warping_error(box.crop(image_before), box.crop(image_rgb), motion)
            self._pairs[f"flicker, {each.region}"].append((own_error, warping_error(*true_pair, motion)))


class TransferMeter:
    """Sharpness and flicker of a person without a truth, relative to footage of the same person."""

    def __init__(self) -> None:
        self._footage, self._result = _OwnMeter(), _OwnMeter()

    def add_footage(self, image_rgb: ImageRGB, pose: Pose) -> None:
        """Add a frame of the footage, in order; pose [K]."""
        self._footage.add(image_rgb, pose)

    def add_result(self, image_rgb: ImageRGB, pose: Pose) -> None:
        """Add a generated frame, in order; pose [K], as asked for."""
        self._result.add(image_rgb, pose)

    def scores(self) -> dict[str, float | None]:
        """The result's means over the footage's."""
        parts = {"sharpness, person": (self._result.sharpness, self._footage.sharpness)}
        parts["flicker, person"] = (self._result.errors, self._footage.errors)
        return _rounded({name: _mean(own) / _mean(true) for name, (own, true) in parts.items()})


class _OwnMeter:
    """Sharpness, and warping error along a video's own motion, in the person's box."""

    def __init__(self) -> None:
        self.sharpness: list[float] = []
        self.errors: list[float] = []
        self._previous: tuple[ImageRGB, Box] | None = None

    def add(self, image_rgb: ImageRGB, pose: Pose) -> None:
        box = person_box(pose, image_rgb.shape[1], image_rgb.shape[0])
        if box is not None:
            self.sharpness.append(sharpness(box.crop(image_rgb)))
            if self._previous is not None:
                around = box.union(self._previous[1])
                pair = around.crop(self._previous[0]), around.crop(image_rgb)
                self.errors.append(warping_error(*pair, estimate_motion(*pair)))
        self._previous = None if box is None else (image_rgb, box)


def pose_scores(track: PoseTrack, truth: PoseTrack) -> dict[str, float | None]:
    """Distances between poses detected on the result and the true ones, and keypoints that are missed."""
    count = min(len(track), len(truth))  # an encoder may lose a last frame
    pose, reference, torso = track.pose[:count], truth.pose[:count], torso_px(truth)
    scores = {
        f"pose distance, {part}": _mean(pose_distance_px(pose, reference, part) / torso) for part in ("all", "head", "hands")
    }
    detected = float((reference.confidence >= MIN_CONFIDENCE).sum())
    scores["missed keypoints"] = float(missed_keypoints(pose, reference).sum()) / detected if detected else float("nan")
    return _rounded(scores)


def background_pixels(mask: NDArray[np.uint8], width_px: int, height_px: int) -> NDArray[np.bool_]:
    """The pixels of a frame that are certainly not the person: bool [H,W]."""
    person = cv2.resize((mask > _MASK_LEVEL).astype(np.uint8), (width_px, height_px), interpolation=cv2.INTER_LINEAR)
    radius_px = max(2, round(_MASK_MARGIN_FRACTION * max(width_px, height_px)))
    around = cv2.dilate(person, np.ones((2 * radius_px + 1, 2 * radius_px + 1), np.uint8))
    return np.asarray(around == 0)


def _psnr_where(pixels: NDArray[np.bool_], image_rgb: ImageRGB, truth_rgb: ImageRGB) -> float:
    """PSNR in dB over some pixels, bool [H,W] with at least one."""
    difference = image_rgb[pixels].astype(np.float32) - truth_rgb[pixels]
    mean_square = float((difference * difference).mean())
    return min(float(10 * np.log10(LEVELS**2 / mean_square)), PSNR_CEILING_DB) if mean_square > 0 else PSNR_CEILING_DB


def _resize_region(image_rgb: ImageRGB, region: str) -> ImageRGB:
    if side_px := _PART_SIDES_PX.get(region):
        return np.asarray(cv2.resize(image_rgb, (side_px, side_px), interpolation=cv2.INTER_CUBIC), np.uint8)
    height, width = image_rgb.shape[:2]
    scale = _PERSON_SIDE_PX / max(height, width)
    if scale >= 1:
        return image_rgb
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(cv2.resize(image_rgb, size, interpolation=cv2.INTER_AREA), np.uint8)


def _to_tensor(image_rgb: ImageRGB) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(image_rgb)).permute(2, 0, 1)[None].float() / 127.5 - 1


def _mean(values: Sequence[float] | NDArray[np.float64]) -> float:
    known = np.asarray(values, np.float64)
    known = known[np.isfinite(known)]
    return float(known.mean()) if len(known) else float("nan")


def _rounded(scores: dict[str, float]) -> dict[str, float | None]:
    return {name: round(value, 5) if np.isfinite(value) else None for name, value in scores.items()}
