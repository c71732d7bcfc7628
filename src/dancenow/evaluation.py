"""Compare a result with the true video, frame by frame: pictures, motion and poses, each with a curve over time and a figure.

The reference is what the result should have been: a held-out recording of the same dance (the protocol of Everybody Dance
Now), or a rendered ground truth. Beside every figure stands the ideal, what the reference reaches when encoded once more.
"""

import math
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from dancenow import weights
from dancenow.compare import REGIONS, PictureJudge, PictureScores, Region
from dancenow.errors import UserError
from dancenow.metrics.motion import flicker_ratio
from dancenow.metrics.pictures import frechet_distance
from dancenow.metrics.poses import PARTS, foot_sliding, ground_error, missed_keypoints, pose_distance_px, torso_px
from dancenow.models.perceptual import PerceptualDistance
from dancenow.pose.detect import detect_poses
from dancenow.progress import Listener, Progress, silent
from dancenow.skeleton import NUM_KEYPOINTS
from dancenow.types import Frame, FrameStatus, Pose, PoseTrack, VideoInfo
from dancenow.video import VideoWriter, probe, read_frames

Curve = NDArray[np.float64]

RATE_TOLERANCE: Final = 0.005
"""Frame rates closer than this share are the same: 29.97 and 30 are (two frames in a minute are caught by their times)."""
MIN_DESCRIPTIONS: Final = 8
"""A Fréchet distance of fewer frames says nothing."""


@dataclass(frozen=True, eq=False)
class Score:
    """One figure: what was measured, where, its value, the ideal beside it, and its course over time.

    value: the mean of the curve, except for ratios and distances between sets; NaN if it could not be measured.
    ideal: the same figure for the reference encoded once more; None if it was not asked for. curve: float64 [T], NaN where
    not measured; empty where a figure has no course.
    """

    name: str
    region: str
    unit: str
    better: Literal["higher", "lower"]
    value: float
    ideal: float | None
    curve: Curve


@dataclass(frozen=True, eq=False)
class Evaluation:
    """All figures of one comparison, and what was compared."""

    out: Path
    reference: Path
    width_px: int
    height_px: int
    fps: float
    num_frames: int
    scores: tuple[Score, ...]

    def score(self, name: str, region: str) -> Score:
        """The figure of that name and region; KeyError if there is none."""
        for score in self.scores:
            if (score.name, score.region) == (name, region):
                return score
        raise KeyError(f"{name} of {region}")

    def to_json(self) -> dict[str, Any]:
        """JSON values; what could not be measured is null."""
        return {
            "out": str(self.out),
            "reference": str(self.reference),
            "width_px": self.width_px,
            "height_px": self.height_px,
            "fps": self.fps,
            "num_frames": self.num_frames,
            "scores": [
                {
                    "name": score.name,
                    "region": score.region,
                    "unit": score.unit,
                    "better": score.better,
                    "value": _number(score.value),
                    "ideal": None if score.ideal is None else _number(score.ideal),
                    "curve": [_number(float(value)) for value in score.curve],
                }
                for score in self.scores
            ],
        }


def evaluate(
    out: Path,
    reference: Path,
    *,
    track: PoseTrack | None = None,
    ideal: bool = True,
    every: int = 5,
    listen: Listener = silent,
) -> Evaluation:
    """Measure how far the video `out` is from the video `reference`, in constant memory for the pictures.

    Args:
        out: the result.
        reference: the true video: same size, frame rate and number of frames. Nothing is ever resized or dropped to fit.
        track: the reference's poses, if they are known; else they are detected.
        ideal: also measure the reference encoded once more as our results are, to show what is within reach.
        every: the perceptual distance is taken of each `every`-th frame.

    Raises:
        UserError: the videos differ in size, frame rate or length, one cannot be read, or nobody is in the reference.
    """
    if every < 1:
        raise UserError(f"the perceptual distance cannot be taken of each {every}th frame; give 1 or more.")
    info = probe(reference)
    _require_comparable(out, probe(out), reference, info)
    track = track or detect_poses(reference, listen=listen)
    with ExitStack() as stack:
        videos = [out]
        if ideal:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="dancenow-")))
            videos.append(_encoded_again(reference, info, folder / "ideal.mp4", listen))
        frames = _judge_pictures(videos, reference, track, PictureJudge(PerceptualDistance(), every), listen)
        if len(frames) != len(track):
            raise UserError(f"the track has {len(track)} poses but {reference} has {len(frames)} frames; detect it again.")
        tracks = [_track_or_nobody(video, track, listen) for video in videos]
    pictures = _picture_scores(frames)
    poses = [_pose_figures(each, track) for each in tracks]
    scores = [*pictures, *(_score(*figures) for figures in zip(*poses, strict=True))]
    return Evaluation(out, reference, info.width_px, info.height_px, float(info.fps), len(frames), tuple(scores))


@dataclass(frozen=True, eq=False)
class Figure:
    """A score of one video, before the ideal is put beside it."""

    name: str
    region: str
    unit: str
    better: Literal["higher", "lower"]
    curve: Curve
    value: float


def _score(figure: Figure, ideal: Figure | None = None) -> Score:
    beside = None if ideal is None else ideal.value
    return Score(figure.name, figure.region, figure.unit, figure.better, figure.value, beside, figure.curve)


def _judge_pictures(
    videos: list[Path], reference: Path, track: PoseTrack, judge: PictureJudge, listen: Listener
) -> list[list[PictureScores]]:
    """Per frame the scores of the reference by itself and of each video."""
    frames = []
    for pictures in _in_step([reference, *videos]):
        index = pictures[0].index
        if index >= len(track):
            raise UserError(f"the track has {len(track)} poses but {reference} has more frames; detect it again.")
        height, width = pictures[0].image_rgb.shape[:2]
        # A video of odd size is encoded with one more row or column; only the ideal can have it here.
        others = [picture.image_rgb[:height, :width] for picture in pictures[1:]]
        frames.append(judge.judge(pictures[0].image_rgb, track.pose[index], others))
        listen(Progress("compare pictures", index + 1, len(track)))
    return frames


def _in_step(paths: Sequence[Path]) -> Iterator[tuple[Frame, ...]]:
    """The videos' frames side by side; the first is the reference, and all must go with it."""
    first: Frame | None = None
    for index, frames in enumerate(zip_longest(*(read_frames(path) for path in paths))):
        short = [path for path, frame in zip(paths, frames, strict=True) if frame is None]
        if short:
            longer = next(path for path in paths if path not in short)
            raise UserError(f"{short[0]} ends after {index} frames but {longer} goes on; compare videos of one length.")
        # Half a frame apart they show different moments; the first gap gives the length of a frame.
        if first is not None and index == 1:
            half_s = (frames[0].time_s - first.time_s) / 2
        if first is None:
            first = frames[0]
        elif any(abs(frame.time_s - frames[0].time_s) > half_s for frame in frames):
            raise UserError(
                f"frame {index} is shown at {float(frames[0].time_s):.3f} s in {paths[0]} but at"
                f" {float(frames[1].time_s):.3f} s in {paths[1]}; compare videos with the same timing."
            )
        yield frames


def _picture_scores(frames: list[list[PictureScores]]) -> list[Score]:
    """Scores of the first video after the reference, with the second as ideal if there is one."""
    reference = [frame[0] for frame in frames]
    figures = [_picture_figures([frame[i] for frame in frames], reference) for i in range(1, len(frames[0]))]
    return [_score(*each) for each in zip(*figures, strict=True)]


def _picture_figures(own: list[PictureScores], reference: list[PictureScores]) -> list[Figure]:
    def curve(values: list[dict[Region, float]], region: Region) -> Curve:
        return np.array([value.get(region, math.nan) for value in values])

    figures = [_mean("SSIM", region, "", "higher", curve([score.ssim for score in own], region)) for region in REGIONS]
    figures += [_mean("PSNR", region, "dB", "higher", curve([score.psnr_db for score in own], region)) for region in REGIONS]
    figures += [
        _mean("perceptual", region, "", "lower", curve([score.perceptual for score in own], region)) for region in REGIONS
    ]
    errors, true_errors = (np.array([score.warping_error for score in scores]) for scores in (own, reference))
    figures.append(Figure("flicker", "person", "x", "lower", errors, flicker_ratio(errors, true_errors)))
    described = [(a.description, b.description) for a, b in zip(own, reference, strict=True)]
    sets = [np.array([d for d in column if d is not None]) for column in zip(*described, strict=True)]
    distance = frechet_distance(*sets) if len(sets[0]) >= MIN_DESCRIPTIONS else math.nan
    figures.append(Figure("Fréchet", "person", "", "lower", np.array([]), distance))
    return figures


def _pose_figures(own: PoseTrack, reference: PoseTrack) -> list[Figure]:
    ruler_px = torso_px(reference)
    distances_px = {part: pose_distance_px(own.pose, reference.pose, part) for part in PARTS}
    figures = [_mean("pose distance", part, "px", "lower", curve) for part, curve in distances_px.items()]
    figures += [
        _mean("pose distance, relative", part, "torso", "lower", curve / ruler_px) for part, curve in distances_px.items()
    ]
    figures.append(_mean("missed keypoints", "all", "per frame", "lower", missed_keypoints(own.pose, reference.pose)))
    figures.append(_mean("foot sliding", "feet", "torso/s", "lower", foot_sliding(own, reference)))
    figures.append(_mean("ground error", "feet", "torso", "lower", ground_error(own, reference)))
    return figures


def _mean(name: str, region: str, unit: str, better: Literal["higher", "lower"], curve: Curve) -> Figure:
    known = curve[np.isfinite(curve)]
    return Figure(name, region, unit, better, curve, float(known.mean()) if len(known) else math.nan)


def _track_or_nobody(video: Path, reference: PoseTrack, listen: Listener) -> PoseTrack:
    """The video's track; where the detector finds nobody, a track that misses every frame: a bad result, not an error."""
    weights.path("pose_landmark_full", listen)  # fails here if it must, and not where a failure means nobody
    try:
        found = detect_poses(video, listen=listen)
    except UserError:
        shape = (len(reference), NUM_KEYPOINTS)
        nobody = Pose(np.zeros((*shape, 2), np.float32), np.zeros(shape, np.float32))
        status = np.full(len(reference), FrameStatus.MISSING, np.uint8)
        size = reference.width_px, reference.height_px
        return PoseTrack(nobody, reference.time_s, status, *size, reference.detector, "")
    if len(found) != len(reference):
        raise UserError(f"{video} has {len(found)} frames but the reference has {len(reference)}.")
    return found


def _encoded_again(reference: Path, info: VideoInfo, path: Path, listen: Listener) -> Path:
    with VideoWriter(path, info.width_px, info.height_px, fps=info.fps) as writer:
        for frame in read_frames(reference):
            writer.write(frame.image_rgb, frame.time_s)
            listen(Progress("encode the ideal", frame.index + 1, info.num_frames))
    return path


def _require_comparable(out: Path, info: VideoInfo, reference: Path, true: VideoInfo) -> None:
    size, true_size = f"{info.width_px}x{info.height_px}", f"{true.width_px}x{true.height_px}"
    if size != true_size:
        raise UserError(f"{out} is {size} but {reference} is {true_size}; compare videos of one size.")
    if abs(float(info.fps / true.fps) - 1) > RATE_TOLERANCE:
        rates = f"{float(info.fps):.4g} frames a second but {reference} has {float(true.fps):.4g}"
        raise UserError(f"{out} has {rates}; compare videos of one frame rate.")
    if info.num_frames and true.num_frames and info.num_frames != true.num_frames:
        counts = f"{info.num_frames} frames but {reference} has {true.num_frames}"
        raise UserError(f"{out} has {counts}; compare videos of one length.")


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None
