"""Compare a result with its reference video, frame by frame: images, motion, poses and identity, each as a score and a curve.

The reference is what the result should be: a held-out recording of the same dance (the protocol of Everybody Dance Now), or a
rendered ground truth. Each score comes with its ideal: what the reference itself reaches after re-encoding.
"""

import math
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
from dancenow.media.source import VideoInput, VideoSource, open_video
from dancenow.metrics.lpips import Lpips
from dancenow.metrics.perceptual import PerceptualDistance
from dancenow.pose.detectors.base import PoseDetector
from dancenow.pose.detectors.registry import create_detector
from dancenow.pose.pipeline import detect_poses
from dancenow.pose.tracking.pose_in_box import find_pose_in_box
from dancenow.progress import Progress, ProgressCallback, ignore_progress
from dancenow.skeleton import NUM_KEYPOINTS
from dancenow.storage import pretrained
from dancenow.storage.unfinished import scratch_folder
from dancenow.types import Frame, FrameStatus, ImageRGB, Pose, PoseTrack

RATE_TOLERANCE: Final = 0.005
"""Relative difference below which frame rates count as equal, as 29.97 and 30; the frame times show whether they drift."""


@dataclass(frozen=True, eq=False)
class Score:
    """One score: what was measured, where, its value, its ideal, and its curve over time.

    value: the mean of the curve, except for ratios and distances between sets; NaN if it could not be measured.
    ideal: the same score of the re-encoded reference; None if it was not asked for. curve: float64 [T], NaN where not
    measured; empty if there is none.
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
    """All scores of one comparison, and what was compared. track: the reference's poses."""

    out: Path
    reference: Path
    width_px: int
    height_px: int
    fps: float
    num_frames: int
    scores: tuple[Score, ...]
    track: PoseTrack

    def score(self, name: str, region: str) -> Score:
        """The score with that name and region; KeyError if there is none."""
        for score in self.scores:
            if (score.name, score.region) == (name, region):
                return score
        raise KeyError(f"{name} of {region}")

    def to_json(self) -> dict[str, Any]:
        """Convert to JSON values; what could not be measured is null."""
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
    out: VideoInput,
    reference: VideoInput,
    *,
    track: PoseTrack | None = None,
    target: VideoInput | None = None,
    source: VideoInput | None = None,
    ideal: bool = True,
    every: int = 5,
    execution: Execution | None = None,
    on_progress: ProgressCallback = ignore_progress,
) -> Evaluation:
    """Measure how much the video `out` differs from the video `reference`; images take constant memory.

    Args:
        out: the result.
        reference: the true video, with the same size, frame rate and number of frames. Nothing is resized or dropped to fit.
        track: the reference's poses, if they are known; otherwise they are detected.
        target: footage of the person who should appear in `out`, of any size and length; by default the reference.
        source: footage of the source person: adds scores of how much of their identity remains in `out`.
        ideal: also measure the re-encoded reference, to show the best that can be reached.
        every: measure the perceptual distance and the identity in each `every`-th frame.
        execution: its token cancels the call.

    LPIPS is included if its weights are installed (`dancenow.metrics.lpips`).

    Raises:
        UserError: the videos differ in size, frame rate or length, one cannot be read, or nobody is in the reference, the
            target or the source.
    """
    if every < 1:
        raise OptionError(f"the perceptual distance cannot be measured in every {every}th frame; give 1 or more.")
    on_progress = reporting(on_progress, execution)
    out, reference = open_video(out), open_video(reference)
    _require_comparable(out, reference)
    prepared = PreparedReference.of(reference, track=track, target=target, source=source, every=every, on_progress=on_progress)
    return prepared.evaluate(out, ideal=ideal, on_progress=on_progress)


@dataclass(frozen=True, eq=False)
class PreparedReference:
    """A reference with its poses and identities, computed once for all results that are compared with it.

    track: a pose per frame. sparse: a pose per `pose_every`-th frame, to compare the results' poses with. cache: features of
    the reference's frames from earlier comparisons, or None (see `frame_metrics.ReferenceCache` for its size).
    """

    video: VideoSource
    track: PoseTrack
    sparse: PoseTrack
    encoder: IdentityEncoder
    perceptual: PerceptualDistance
    target: PersonGallery
    source: PersonGallery | None
    every: int
    pose_every: int
    deep_regions: tuple[Region, ...]
    cache: ReferenceCache | None

    @classmethod
    def of(
        cls,
        video: VideoInput,
        *,
        track: PoseTrack | None = None,
        target: VideoInput | None = None,
        source: VideoInput | None = None,
        every: int = 5,
        pose_every: int = 1,
        deep_regions: tuple[Region, ...] = REGIONS,
        use_cache: bool = False,
        on_progress: ProgressCallback = ignore_progress,
    ) -> Self:
        """Detect the poses and identities of a reference.

        Args:
            video, track, target, source, every: as in `evaluate`.
            pose_every: detect the results' poses in each `pose_every`-th frame only, and compare them with poses of the
                reference detected in the same way; it must divide `every`. The scores keep their meaning and average fewer
                frames.
            deep_regions: measure the perceptual distance in these regions only.
            use_cache: keep the features of the reference's frames, for a short clip that many results are compared with.

        Raises:
            UserError: the video cannot be read, or nobody is found in it, the target or the source.
            ValueError: `pose_every` does not divide `every`.
        """
        if every % pose_every:
            raise ValueError(f"every {every}th frame is not among every {pose_every}th, in which poses are detected")
        video = open_video(video)
        info = video.info
        if track is not None and (track.width_px, track.height_px) != (info.width_px, info.height_px):
            sizes = f"{track.width_px}x{track.height_px} but {video} is {info.width_px}x{info.height_px}"
            raise InputError(f"the track was made at {sizes}; detect it again.")
        full = track or detect_poses(video, on_progress=on_progress)
        sparse = full
        if pose_every > 1:
            sparse = (
                detect_poses(video, every=pose_every, on_progress=on_progress)
                if track is None
                else _subsample(track, pose_every)
            )
        perceptual = PerceptualDistance()
        encoder = IdentityEncoder(perceptual.trunk)
        if target is None:
            target_gallery = build_gallery(video, full, encoder, on_progress)
        else:
            target_gallery = _detect_gallery(target, encoder, on_progress)
        source_gallery = None if source is None else _detect_gallery(source, encoder, on_progress)
        cache = ReferenceCache() if use_cache else None
        return cls(
            video, full, sparse, encoder, perceptual, target_gallery, source_gallery, every, pose_every, deep_regions, cache
        )

    def evaluate(self, out: VideoInput, *, ideal: bool = True, on_progress: ProgressCallback = ignore_progress) -> Evaluation:
        """Compute all scores of a result; see `evaluate`."""
        out, info = open_video(out), self.video.info
        _require_comparable(out, self.video)
        with ExitStack() as stack:
            videos = [out]
            if ideal:
                folder = stack.enter_context(scratch_folder())
                videos.append(_reencode(self.video, folder / "ideal.mp4", on_progress))
            tracks = [_detect_or_missing(video, self, on_progress) for video in videos]
            frames = _measure(videos, self, tracks, on_progress)
        metrics = [self._metrics(frames, i, track) for i, track in enumerate(tracks)]
        scores = tuple(_score(*each) for each in zip(*metrics, strict=True))
        size = info.width_px, info.height_px
        return Evaluation(out.path, self.video.path, *size, float(info.fps), len(frames), scores, self.track)

    def measure_frame(
        self, metrics: FrameMetrics, reference: Frame, images_rgb: list[ImageRGB], tracks: list[PoseTrack]
    ) -> "_FrameMeasurement":
        """Measure one frame of the compared videos against the same frame of the reference. tracks: of the videos."""
        scores = metrics.measure(reference.image_rgb, self.track.pose[reference.index], images_rgb)
        if reference.index % self.every:
            unknown = [IdentitySimilarity(math.nan, math.nan)] * len(images_rgb)
            return _FrameMeasurement(scores, unknown, None if self.source is None else unknown)
        descriptors = [
            self._describe_person(image, reference.index, track) for image, track in zip(images_rgb, tracks, strict=True)
        ]
        to_source = None if self.source is None else [self.source.compare(descriptor) for descriptor in descriptors]
        return _FrameMeasurement(scores, [self.target.compare(descriptor) for descriptor in descriptors], to_source)

    def _describe_person(self, image_rgb: ImageRGB, index: int, track: PoseTrack) -> PersonDescriptor:
        """Describe the person in a frame of a result: at the result's measured pose, else at the reference's position.

        The detector follows one person and misses frames in which another person suddenly appears. Leaving these out of the
        mean would hide the change of identity. A pose that was filled in does not show who is in the frame.
        """
        row = index // self.pose_every
        if track.status[row] == FrameStatus.MEASURED:
            return self.encoder.describe(image_rgb, track.pose[row])
        if self.track.status[index] == FrameStatus.MISSING:
            return PersonDescriptor(None, None)
        pose = find_pose_in_box(self.detector, image_rgb, self.track.pose[index])
        return PersonDescriptor(None, None) if pose is None else self.encoder.describe(image_rgb, pose)

    @cached_property
    def detector(self) -> PoseDetector:
        """The detector for single images."""
        return create_detector()

    def _metrics(self, frames: list["_FrameMeasurement"], video_index: int, track: PoseTrack) -> list[Metric]:
        """All metrics of one compared video; the curves of poses are spread over all frames."""
        images = image_metrics([f.images[video_index + 1] for f in frames], [f.images[0] for f in frames])
        to_source = [f.to_source[video_index] for f in frames if f.to_source is not None]
        identity = identity_metrics([f.to_target[video_index] for f in frames], to_source or None)
        poses = [_spread_curve(metric, len(frames), self.pose_every) for metric in pose_metrics(track, self.sparse)]
        return [*images, *identity, *poses]


def _subsample(track: PoseTrack, every: int) -> PoseTrack:
    return replace(track, pose=track.pose[::every], time_s=track.time_s[::every], status=track.status[::every])


def _spread_curve(metric: Metric, count: int, every: int) -> Metric:
    """Extend the curve to `count` frames, with NaN between the measured ones."""
    if every == 1:
        return metric
    curve = np.full(count, np.nan)
    curve[::every] = metric.curve
    return replace(metric, curve=curve)


def _detect_gallery(video: VideoInput, encoder: IdentityEncoder, on_progress: ProgressCallback) -> PersonGallery:
    source = open_video(video)
    return build_gallery(source, detect_poses(source, on_progress=on_progress), encoder, on_progress)


@dataclass(frozen=True, eq=False)
class _FrameMeasurement:
    """One frame. images: scores of the reference against itself, then of each video. Similarities are of each video."""

    images: list[FrameScores]
    to_target: list[IdentitySimilarity]
    to_source: list[IdentitySimilarity] | None


def _measure(
    videos: list[VideoSource], reference: PreparedReference, tracks: list[PoseTrack], on_progress: ProgressCallback
) -> list[_FrameMeasurement]:
    metrics = FrameMetrics(
        reference.perceptual, reference.every, Lpips.installed(), deep_regions=reference.deep_regions, cache=reference.cache
    )
    measurements, count = [], len(reference.track)
    for frames in _synchronized([reference.video, *videos]):
        index = frames[0].index
        if index >= count:
            raise InputError(f"the track has {count} poses but {reference.video} has more frames; detect it again.")
        height, width = frames[0].image_rgb.shape[:2]
        # A video of odd size is encoded with one more row or column; only the ideal can have it here.
        images = [frame.image_rgb[:height, :width] for frame in frames[1:]]
        measurements.append(reference.measure_frame(metrics, frames[0], images, tracks))
        on_progress(Progress("compare frames", index + 1, count))
    if len(measurements) != count:
        raise InputError(f"the track has {count} poses but {reference.video} has {len(measurements)} frames; detect it again.")
    return measurements


def _score(metric: Metric, ideal: Metric | None = None) -> Score:
    ideal_value = None if ideal is None else ideal.value
    return Score(metric.name, metric.region, metric.unit, metric.better, metric.value, ideal_value, metric.curve)


def _synchronized(videos: Sequence[VideoSource]) -> Iterator[tuple[Frame, ...]]:
    """Yield the videos' frames together; raise UserError if one differs from the first, the reference, in length or timing."""
    first: Frame | None = None
    for index, frames in enumerate(zip_longest(*(video.frames() for video in videos))):
        ended = [video for video, frame in zip(videos, frames, strict=True) if frame is None]
        if ended:
            longer = next(video for video in videos if video not in ended)
            raise InputError(f"{ended[0]} ends after {index} frames but {longer} goes on; compare videos of one length.")
        # Half a frame apart they show different moments; the first interval gives the duration of a frame.
        if first is not None and index == 1:
            half_s = (frames[0].time_s - first.time_s) / 2
        if first is None:
            first = frames[0]
        elif any(abs(frame.time_s - frames[0].time_s) > half_s for frame in frames):
            raise InputError(
                f"frame {index} is shown at {float(frames[0].time_s):.3f} s in {videos[0]} but at"
                f" {float(frames[1].time_s):.3f} s in {videos[1]}; compare videos with the same timing."
            )
        yield frames


def _detect_or_missing(video: VideoSource, prepared: PreparedReference, on_progress: ProgressCallback) -> PoseTrack:
    """The video's track. If nobody is found, every frame is MISSING: that is a bad result, not an error."""
    pretrained.path("pose_landmark_full", on_progress)  # missing weights are an error, and must not look like nobody found
    reference = prepared.sparse
    try:
        track = detect_poses(video, every=prepared.pose_every, on_progress=on_progress)
    except UserError:
        shape = (len(reference), NUM_KEYPOINTS)
        pose = Pose(np.zeros((*shape, 2), np.float32), np.zeros(shape, np.float32))
        status = np.full(len(reference), FrameStatus.MISSING, np.uint8)
        size = reference.width_px, reference.height_px
        return PoseTrack(pose, reference.time_s, status, *size, reference.detector, "")
    if len(track) != len(reference):
        counts = f"the track has {len(reference)} poses but {video} has {len(track)} frames"
        raise InputError(f"{counts}; detect it again, or compare videos of one length.")
    return track


def _reencode(reference: VideoSource, path: Path, on_progress: ProgressCallback) -> VideoSource:
    info = reference.info
    with VideoWriter(path, info.width_px, info.height_px, fps=info.fps) as writer:
        for frame in reference.frames():
            writer.write(frame.image_rgb, frame.time_s)
            on_progress(Progress("encode the ideal", frame.index + 1, info.num_frames))
    return VideoSource.open(path)


def _require_comparable(out: VideoSource, reference: VideoSource) -> None:
    info, reference_info = out.info, reference.info
    size, reference_size = f"{info.width_px}x{info.height_px}", f"{reference_info.width_px}x{reference_info.height_px}"
    if size != reference_size:
        raise InputError(f"{out} is {size} but {reference} is {reference_size}; compare videos of one size.")
    if abs(float(info.fps / reference_info.fps) - 1) > RATE_TOLERANCE:
        rates = f"{float(info.fps):.4g} frames a second but {reference} has {float(reference_info.fps):.4g}"
        raise InputError(f"{out} has {rates}; compare videos of one frame rate.")
    if info.num_frames and reference_info.num_frames and info.num_frames != reference_info.num_frames:
        counts = f"{info.num_frames} frames but {reference} has {reference_info.num_frames}"
        raise InputError(f"{out} has {counts}; compare videos of one length.")


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None
