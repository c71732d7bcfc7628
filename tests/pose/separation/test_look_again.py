"""Looking again at two drawn people who cross: the detector never sees both, and wrong arms are found again."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from dancenow.media.sink import MaskWriter, VideoWriter
from dancenow.media.source import open_video, read_masks
from dancenow.pose.detectors.base import Landmarks
from dancenow.pose.detectors.regions import RotatedRect
from dancenow.pose.separation.look_again import Person, look_again
from dancenow.skeleton import INDEX, NUM_KEYPOINTS
from dancenow.types import FloatArray, FrameStatus, ImageRGB, Pose, PoseTrack

FRAMES, WIDTH, HEIGHT = 40, 160, 96
RED, GREEN = (220, 20, 20), (20, 170, 60)
WRONG_PX = 30.0
ARM = INDEX["left_wrist"]


class OneColorDetector:
    """Finds somebody where a picture is red, or green. seen: share of the other color in the pictures that it got."""

    def __init__(self) -> None:
        self.seen: list[float] = []

    def landmarks(self, image_rgb: ImageRGB, roi: RotatedRect) -> Landmarks:
        red, green = (np.abs(image_rgb.astype(int) - color).max(axis=2) < 60 for color in (RED, GREEN))
        more, less = (red, green) if red.sum() > green.sum() else (green, red)
        self.seen.append(float(less.sum() / max(more.sum(), 1)))
        x = float(np.nonzero(more)[1].mean()) if more.any() else 0.0
        logits: FloatArray = np.full((8, 8), 6.0, np.float32)
        return Landmarks(body(x), 1.0 if more.any() else 0.0, roi, roi, logits)


def body(x: float) -> Pose:
    """Upright at x, as high as the drawn people."""
    xy = np.tile(np.array([x, 50], np.float32), (NUM_KEYPOINTS, 1))
    for name, index in INDEX.items():
        side = -6 if name.startswith("right") else 6 if name.startswith("left") else 0
        place = {"shoulder": 32, "hip": 56, "knee": 70, "ankle": 84, "heel": 85, "toe": 85, "neck": 32, "nose": 24}
        xy[index] = x + side, next((y for part, y in place.items() if name.endswith(part)), 44 if "e" in name else 24)
    return Pose(xy, np.ones(NUM_KEYPOINTS, np.float32))


def way(number: int) -> np.ndarray:
    return np.linspace(30, 130, FRAMES) if number == 0 else np.linspace(130, 30, FRAMES)


def film(folder: Path, shift_px: int = 0) -> tuple[Path, list[Path]]:
    """Two who cross, red before green, in front of a wall; and masks that show both while they touch."""
    video, masks = folder / "two.mp4", [folder / f"{number}.mkv" for number in (0, 1)]
    with (
        VideoWriter(video, WIDTH, HEIGHT, fps=Fraction(20)) as writer,
        MaskWriter(masks[0], WIDTH, HEIGHT) as one,
        MaskWriter(masks[1], WIDTH, HEIGHT) as other,
    ):
        for frame in range(FRAMES):
            row = 150 + 60 * np.sin((np.arange(WIDTH) + shift_px * frame) / 5)
            image = np.repeat(np.repeat(row.astype(np.uint8)[None, :, None], HEIGHT, axis=0), 3, axis=2)
            shapes = []
            for number, color in ((1, GREEN), (0, RED)):
                x, mask = round(float(way(number)[frame])), np.zeros((HEIGHT, WIDTH), np.uint8)
                cv2.rectangle(image, (x - 10, 20), (x + 10, 86), color, -1)
                cv2.rectangle(mask, (x - 10, 20), (x + 10, 86), 255, -1)
                shapes.append(mask)
            writer.write(image, Fraction(frame, 20))
            touch = abs(way(0)[frame] - way(1)[frame]) < 20
            one.write(np.maximum(*shapes) if touch else shapes[1])
            other.write(np.maximum(*shapes) if touch else shapes[0])
    return video, masks


def track(number: int) -> PoseTrack:
    """Right while they are apart, with a wrong arm while they touch."""
    wrong = np.where(np.abs(way(0) - way(1)) < 20, WRONG_PX, 0)
    poses = [body(x) for x in way(number)]
    for pose, off in zip(poses, wrong, strict=True):
        pose.xy[ARM, 0] += off
    pose = Pose(*(np.stack([getattr(each, name) for each in poses]) for name in ("xy", "confidence", "depth")))
    status = np.full(FRAMES, FrameStatus.MEASURED, np.uint8)
    return PoseTrack(pose, np.arange(FRAMES) / 20, status, WIDTH, HEIGHT, "drawn", "0" * 64)


def test_each_person_is_looked_at_without_the_other(tmp_path: Path) -> None:
    video, masks = film(tmp_path)
    people = [Person(track(number), track(number), masks[number]) for number in (0, 1)]
    detector, out = OneColorDetector(), [tmp_path / f"out{number}.mkv" for number in (0, 1)]
    found = look_again(open_video(video), people, detector, out)  # type: ignore[arg-type]
    assert found is not None
    assert max(detector.seen) < 0.25
    for number, again in enumerate(found):
        seen = again.status == FrameStatus.MEASURED
        error = np.abs(again.pose.xy[:, ARM, 0] - way(number) - 6)
        assert error[seen].max() < 12 < WRONG_PX  # of who is half hidden, the middle of what is left is found
        assert seen[np.abs(way(0) - way(1)) > 10].all()
    overlap = [np.minimum(one, other).max() for one, other in zip(*(read_masks(path) for path in out), strict=True)]
    assert len(overlap) == FRAMES


@pytest.mark.parametrize("reason", ["nobody meets", "moving camera", "never alone", "no hips", "a cut"])
def test_tracks_stay_where_too_little_is_known(tmp_path: Path, reason: str) -> None:
    video, masks = film(tmp_path, shift_px=7 if reason == "moving camera" else 0)
    tracks = [track(0), track(1)]
    if reason == "nobody meets":
        tracks[1] = replace(tracks[1], status=np.full(FRAMES, FrameStatus.MISSING, np.uint8), pose=_nobody())
    if reason == "never alone":
        tracks[1] = track(0)
    if reason == "a cut":
        tracks = [replace(each, cuts=(FRAMES // 2,)) for each in tracks]
    filled = [_without_hips(each) if reason == "no hips" else each for each in tracks]
    people = [Person(*each) for each in zip(tracks, filled, masks, strict=True)]
    out = [tmp_path / "a.mkv", tmp_path / "b.mkv"]
    assert look_again(open_video(video), people, OneColorDetector(), out) is None  # type: ignore[arg-type]
    assert not out[0].exists()


def _without_hips(whole: PoseTrack) -> PoseTrack:
    """Somebody of whom the video shows nothing below the waist."""
    confidence = whole.pose.confidence.copy()
    confidence[:, [INDEX["right_hip"], INDEX["left_hip"]]] = 0
    return replace(whole, pose=replace(whole.pose, confidence=confidence))


def _nobody() -> Pose:
    zeros: FloatArray = np.zeros((FRAMES, NUM_KEYPOINTS), np.float32)
    return Pose(np.zeros((FRAMES, NUM_KEYPOINTS, 2), np.float32), zeros)
