"""Compare a result with the true video, frame by frame: pictures, motion and poses, each with a curve over time and a figure.

The reference is what the result should have been: a held-out recording of the same dance (the protocol of Everybody Dance
Now), or a rendered ground truth. Beside every figure stands the ideal, what the reference reaches when encoded once more.
"""

import math
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import zip_longest
from pathlib import Path
from typing import Any, Final, Self

import numpy as np

from dancenow.compatibility import renamed_keywords
from dancenow.errors import InputError, OptionError, UserError
from dancenow.evaluation.frame_metrics import REGIONS, FrameMetrics, FrameScores, ReferenceCache, Region
from dancenow.evaluation.identity_similarity import (
    IdentityEncoder,
    IdentitySimilarity,
    PersonDescriptor,
    PersonGallery,
    build_gallery,
)
from dancenow.evaluation.metric_summary import Better, Curve, Metric, identity_metrics, image_metrics, pose_metrics
from dancenow.execution import Execution, reporting
from dancenow.media.sink import VideoWriter
from dancenow.media.source import probe, read_frames
from dancenow.metrics.lpips import Lpips
from dancenow.metrics.perceptual import PerceptualDistance
from dancenow.pose.detectors.base import PoseDetector
from dancenow.pose.detectors.registry import create_detector
from dancenow.pose.pipeline import detect_poses
from dancenow.pose.tracking.pose_in_box import find_pose_in_box
from dancenow.progress import Progress, ProgressCallback, ignore_progress
from dancenow.skeleton import NUM_KEYPOINTS
from dancenow.storage import pretrained
from dancenow.types import Frame, FrameStatus, ImageRGB, Pose, PoseTrack, VideoInfo

RATE_TOLERANCE: Final = 0.005
"""Frame rates closer than this share are the same: 29.97 and 30 are (two frames in a minute are caught by their times)."""


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
    better: Better
    value: float
    ideal: float | None
    curve: Curve


@dataclass(frozen=True, eq=False)
class Evaluation:
    """All figures of one comparison, and what was compared; track: the reference's poses."""

    out: Path
    reference: Path
    width_px: int
    height_px: int
    fps: float
    num_frames: int
    scores: tuple[Score, ...]
    track: PoseTrack

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


@renamed_keywords(listen="on_progress")
def evaluate(
    out: Path,
    reference: Path,
    *,
    track: PoseTrack | None = None,
    target: Path | None = None,
    source: Path | None = None,
    ideal: bool = True,
    every: int = 5,
    execution: Execution | None = None,
    on_progress: ProgressCallback = ignore_progress,
) -> Evaluation:
    """Measure how far the video `out` is from the video `reference`, in constant memory for the pictures.

    Args:
        out: the result.
        reference: the true video: same size, frame rate and number of frames. Nothing is ever resized or dropped to fit.
        track: the reference's poses, if they are known; else they are detected.
        target: footage of the person who should be seen in `out`, of any size and length; else the reference is that footage.
        source: footage of the person whose dance it is: says also how much of them is left in `out`.
        ideal: also measure the reference encoded once more as our results are, to show what is within reach.
        every: the perceptual distance and the identity are taken of each `every`-th frame.
        execution: its token cancels the call.

    LPIPS is among the figures where its weights are installed (`dancenow.metrics.lpips`).

    Raises:
        UserError: the videos differ in size, frame rate or length, one cannot be read, or nobody is in the reference, the
            target or the source.
    """
    if every < 1:
        raise OptionError(f"the perceptual distance cannot be taken of each {every}th frame; give 1 or more.")
    on_progress = reporting(on_progress, execution)
    _require_comparable(out, probe(out), reference, probe(reference))
    truth = Truth.of(reference, track=track, target=target, source=source, every=every, on_progress=on_progress)
    return truth.evaluate(out, ideal=ideal, on_progress=on_progress)


@dataclass(frozen=True, eq=False)
class Truth:
    """A reference made ready: its poses and whose they are, looked at once for everything that is compared with it.

    track: a pose per frame; sparse: of each `pose_every`-th frame, what the results' poses are compared with. memory: what
    the frames showed to earlier comparisons, None where nothing is kept (see `compare.Memory` for its size).
    """

    video: Path
    info: VideoInfo
    track: PoseTrack
    sparse: PoseTrack
    observer: IdentityEncoder
    perceptual: PerceptualDistance
    target: PersonGallery
    source: PersonGallery | None
    every: int
    pose_every: int
    deep_regions: tuple[Region, ...]
    memory: ReferenceCache | None

    @classmethod
    def of(
        cls,
        video: Path,
        *,
        track: PoseTrack | None = None,
        target: Path | None = None,
        source: Path | None = None,
        every: int = 5,
        pose_every: int = 1,
        deep_regions: tuple[Region, ...] = REGIONS,
        remember: bool = False,
        on_progress: ProgressCallback = ignore_progress,
    ) -> Self:
        """Ready to compare.

        Args:
            video, track, target, source, every: as in `evaluate`.
            pose_every: the results' poses are detected on each `pose_every`-th frame only, and compared with poses of the
                reference that were detected so, too; it must divide `every`. What the detector follows is fewer frames a
                second; figures of poses keep their meaning, and have fewer frames to their mean.
            deep_regions: the perceptual distance is taken of these alone.
            remember: keep what is computed of the reference's frames, for a short clip that many results are compared with.

        Raises:
            UserError: the video cannot be read, or nobody is in it, the target or the source.
            ValueError: `pose_every` does not divide `every`.
        """
        if every % pose_every:
            raise ValueError(f"poses of each {pose_every}th frame are not there for each {every}th")
        info = probe(video)
        if track is not None and (track.width_px, track.height_px) != (info.width_px, info.height_px):
            sizes = f"{track.width_px}x{track.height_px} but {video} is {info.width_px}x{info.height_px}"
            raise InputError(f"the track was made at {sizes}; detect it again.")
        full = track or detect_poses(video, on_progress=on_progress)
        sparse = full
        if pose_every > 1:
            sparse = (
                detect_poses(video, every=pose_every, on_progress=on_progress) if track is None else _thinned(track, pose_every)
            )
        perceptual = PerceptualDistance()
        observer = IdentityEncoder(perceptual.trunk)
        person = build_gallery(video, full, observer, on_progress) if target is None else _met(target, observer, on_progress)
        other = None if source is None else _met(source, observer, on_progress)
        memory = ReferenceCache() if remember else None
        return cls(video, info, full, sparse, observer, perceptual, person, other, every, pose_every, deep_regions, memory)

    def evaluate(self, out: Path, *, ideal: bool = True, on_progress: ProgressCallback = ignore_progress) -> Evaluation:
        """All figures of a result; see `evaluate`."""
        _require_comparable(out, probe(out), self.video, self.info)
        with ExitStack() as stack:
            videos = [out]
            if ideal:
                folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="dancenow-")))
                videos.append(_encoded_again(self.video, self.info, folder / "ideal.mp4", on_progress))
            tracks = [_track_or_nobody(video, self, on_progress) for video in videos]
            frames = _judge(videos, self, tracks, on_progress)
        figures = [self._figures(frames, i, own) for i, own in enumerate(tracks)]
        scores = tuple(_score(*each) for each in zip(*figures, strict=True))
        size = self.info.width_px, self.info.height_px
        return Evaluation(out, self.video, *size, float(self.info.fps), len(frames), scores, self.track)

    def judge(self, pictures: FrameMetrics, reference: Frame, others: list[ImageRGB], own: list[PoseTrack]) -> "_Judged":
        """One frame of the reference and of the videos that have these tracks."""
        judged = pictures.measure(reference.image_rgb, self.track.pose[reference.index], others)
        if reference.index % self.every:
            unknown = [IdentitySimilarity(math.nan, math.nan)] * len(others)
            return _Judged(judged, unknown, None if self.source is None else unknown)
        portraits = [self._portrait(image, reference.index, each) for image, each in zip(others, own, strict=True)]
        to_source = None if self.source is None else [self.source.compare(portrait) for portrait in portraits]
        return _Judged(judged, [self.target.compare(portrait) for portrait in portraits], to_source)

    def _portrait(self, image_rgb: ImageRGB, index: int, own: PoseTrack) -> PersonDescriptor:
        """Who is in a picture of a result: where its own track was measured; else, whoever stands where the reference does.

        The detector follows one person, and passes over frames in which that person is suddenly another: to leave these out
        of the mean would hide what is asked. A pose filled in from the frames around says nothing of who is in this one.
        """
        place = index // self.pose_every
        if own.status[place] == FrameStatus.MEASURED:
            return self.observer.describe(image_rgb, own.pose[place])
        if self.track.status[index] == FrameStatus.MISSING:
            return PersonDescriptor(None, None)
        pose = find_pose_in_box(self.detector, image_rgb, self.track.pose[index])
        return PersonDescriptor(None, None) if pose is None else self.observer.describe(image_rgb, pose)

    @cached_property
    def detector(self) -> PoseDetector:
        """The detector, for single pictures."""
        return create_detector()

    def _figures(self, frames: list["_Judged"], number: int, own: PoseTrack) -> list[Metric]:
        """All figures of the video with that number; the curves of poses are spread over all frames."""
        pictures = image_metrics([f.pictures[number + 1] for f in frames], [f.pictures[0] for f in frames])
        to_source = [f.to_source[number] for f in frames if f.to_source is not None]
        identity = identity_metrics([f.to_target[number] for f in frames], to_source or None)
        poses = [_spread(figure, len(frames), self.pose_every) for figure in pose_metrics(own, self.sparse)]
        return [*pictures, *identity, *poses]


def _thinned(track: PoseTrack, every: int) -> PoseTrack:
    return replace(track, pose=track.pose[::every], time_s=track.time_s[::every], status=track.status[::every])


def _spread(figure: Metric, count: int, every: int) -> Metric:
    """With a curve of `count` frames, NaN between those that were measured."""
    if every == 1:
        return figure
    curve = np.full(count, np.nan)
    curve[::every] = figure.curve
    return replace(figure, curve=curve)


def _met(video: Path, observer: IdentityEncoder, on_progress: ProgressCallback) -> PersonGallery:
    return build_gallery(video, detect_poses(video, on_progress=on_progress), observer, on_progress)


@dataclass(frozen=True, eq=False)
class _Judged:
    """One frame: pictures of the reference by itself and then of each video; likenesses of each video."""

    pictures: list[FrameScores]
    to_target: list[IdentitySimilarity]
    to_source: list[IdentitySimilarity] | None


def _judge(videos: list[Path], truth: Truth, own: list[PoseTrack], on_progress: ProgressCallback) -> list[_Judged]:
    pictures_of = FrameMetrics(
        truth.perceptual, truth.every, Lpips.installed(), deep_regions=truth.deep_regions, cache=truth.memory
    )
    frames, count = [], len(truth.track)
    for pictures in _in_step([truth.video, *videos]):
        index = pictures[0].index
        if index >= count:
            raise InputError(f"the track has {count} poses but {truth.video} has more frames; detect it again.")
        height, width = pictures[0].image_rgb.shape[:2]
        # A video of odd size is encoded with one more row or column; only the ideal can have it here.
        others = [picture.image_rgb[:height, :width] for picture in pictures[1:]]
        frames.append(truth.judge(pictures_of, pictures[0], others, own))
        on_progress(Progress("compare pictures", index + 1, count))
    if len(frames) != count:
        raise InputError(f"the track has {count} poses but {truth.video} has {len(frames)} frames; detect it again.")
    return frames


def _score(figure: Metric, ideal: Metric | None = None) -> Score:
    beside = None if ideal is None else ideal.value
    return Score(figure.name, figure.region, figure.unit, figure.better, figure.value, beside, figure.curve)


def _in_step(paths: Sequence[Path]) -> Iterator[tuple[Frame, ...]]:
    """The videos' frames side by side; the first is the reference, and all must go with it."""
    first: Frame | None = None
    for index, frames in enumerate(zip_longest(*(read_frames(path) for path in paths))):
        short = [path for path, frame in zip(paths, frames, strict=True) if frame is None]
        if short:
            longer = next(path for path in paths if path not in short)
            raise InputError(f"{short[0]} ends after {index} frames but {longer} goes on; compare videos of one length.")
        # Half a frame apart they show different moments; the first gap gives the length of a frame.
        if first is not None and index == 1:
            half_s = (frames[0].time_s - first.time_s) / 2
        if first is None:
            first = frames[0]
        elif any(abs(frame.time_s - frames[0].time_s) > half_s for frame in frames):
            raise InputError(
                f"frame {index} is shown at {float(frames[0].time_s):.3f} s in {paths[0]} but at"
                f" {float(frames[1].time_s):.3f} s in {paths[1]}; compare videos with the same timing."
            )
        yield frames


def _track_or_nobody(video: Path, truth: Truth, on_progress: ProgressCallback) -> PoseTrack:
    """The video's track; where the detector finds nobody, a track that misses every frame: a bad result, not an error."""
    pretrained.path("pose_landmark_full", on_progress)  # fails here if it must, and not where a failure means nobody
    reference = truth.sparse
    try:
        found = detect_poses(video, every=truth.pose_every, on_progress=on_progress)
    except UserError:
        shape = (len(reference), NUM_KEYPOINTS)
        nobody = Pose(np.zeros((*shape, 2), np.float32), np.zeros(shape, np.float32))
        status = np.full(len(reference), FrameStatus.MISSING, np.uint8)
        size = reference.width_px, reference.height_px
        return PoseTrack(nobody, reference.time_s, status, *size, reference.detector, "")
    if len(found) != len(reference):
        counts = f"the track has {len(reference)} poses but {video} has {len(found)} frames"
        raise InputError(f"{counts}; detect it again, or compare videos of one length.")
    return found


def _encoded_again(reference: Path, info: VideoInfo, path: Path, on_progress: ProgressCallback) -> Path:
    with VideoWriter(path, info.width_px, info.height_px, fps=info.fps) as writer:
        for frame in read_frames(reference):
            writer.write(frame.image_rgb, frame.time_s)
            on_progress(Progress("encode the ideal", frame.index + 1, info.num_frames))
    return path


def _require_comparable(out: Path, info: VideoInfo, reference: Path, true: VideoInfo) -> None:
    size, true_size = f"{info.width_px}x{info.height_px}", f"{true.width_px}x{true.height_px}"
    if size != true_size:
        raise InputError(f"{out} is {size} but {reference} is {true_size}; compare videos of one size.")
    if abs(float(info.fps / true.fps) - 1) > RATE_TOLERANCE:
        rates = f"{float(info.fps):.4g} frames a second but {reference} has {float(true.fps):.4g}"
        raise InputError(f"{out} has {rates}; compare videos of one frame rate.")
    if info.num_frames and true.num_frames and info.num_frames != true.num_frames:
        counts = f"{info.num_frames} frames but {reference} has {true.num_frames}"
        raise InputError(f"{out} has {counts}; compare videos of one length.")


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None
