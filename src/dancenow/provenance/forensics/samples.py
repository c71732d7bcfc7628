"""Samples for the forensic classifier: crops of a person from pairs of consecutive frames, a few per second of video.

A crop keeps the video's own pixels where possible: upsampling blurs, which looks synthetic, and downsampling sharpens, which
looks real. A body larger than the crop is sampled part by part, one part per sample. The crop is placed by the keypoints alone,
so that real and synthesized videos are sampled in the same way.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from dancenow.errors import InputError
from dancenow.media.source import VideoInput, VideoSource, open_video
from dancenow.pose.detectors.registry import DEFAULT_DETECTOR, create_detector
from dancenow.pose.person_crop import MARGIN, crop_image_softly
from dancenow.pose.pipeline import PosePipeline, detect_poses
from dancenow.pose.tracking.brief_appearance import find_brief_appearance
from dancenow.pose.tracking.reidentification import PeopleSurvey
from dancenow.progress import ProgressCallback, ignore_progress
from dancenow.skeleton import INDEX, LIMBS
from dancenow.types import Crop, Frame, FrameStatus, ImageRGB, Pose, PoseTrack

SAMPLES_PER_S: Final = 4.0
"""Most samples per second."""
_MIN_SAMPLES: Final = 12
"""Samples of a short video, if it has as many frame pairs."""
REFERENCE_FPS: Final = 30.0
"""The two frames of a pair are about 1/30 s apart: in faster videos, frames between them are skipped."""
BODY_MAP_STRIDE: Final = 4
"""The body map is this many times smaller than the image."""
PARTS: Final = ("neck", "right_ankle", "left_wrist", "left_ankle", "right_wrist", "right_hip")
"""Keypoints that the crop visits in turn when the body is larger than the crop."""
MAX_BODY_CROPS: Final = 2.0
"""Largest body extent, in crop sides; larger bodies are downsampled to it."""
_LIMB_THICKNESS, _HEAD_RADIUS = 0.3, 0.42
"""Thickness of a limb and radius of a head, in torso lengths."""


@dataclass(frozen=True, eq=False)
class ForensicSample:
    """One sample: images uint8 [2,S,S,3]; body map uint8 [S/4,S/4], 255 on the person; time; the crop; and its source, two
    frames and the pose [K] in the first one, frame px."""

    images: NDArray[np.uint8]
    body: NDArray[np.uint8]
    time_s: float
    crop: Crop
    frames_rgb: tuple[ImageRGB, ImageRGB]
    pose: Pose

    @classmethod
    def from_crop(cls, crop: Crop, frames_rgb: tuple[ImageRGB, ImageRGB], pose: Pose, time_s: float) -> Self:
        """Crop two frames."""
        images = np.stack([crop_image_softly(each, crop) for each in frames_rgb])
        return cls(images, body_map(crop.apply(pose), crop.size), time_s, crop, frames_rgb, pose)

    def all_parts(self) -> list[Self]:
        """The same moment through one crop per body part."""
        crops = [sample_crop(self.pose, self.crop.size, index) for index in range(len(PARTS))]
        distinct = {crop.to_canvas.tobytes(): crop for crop in crops}
        return [self.from_crop(each, self.frames_rgb, self.pose, self.time_s) for each in distinct.values()]


@dataclass(frozen=True, eq=False)
class SamplePlan:
    """Which frames to sample: the increasing indices of the pairs' first frames, the distance to the second frames in frames,
    and the poses [N,K] in the first frames, in frame px. people: most people seen at once in frames sampled over the video."""

    video: VideoSource
    starts: NDArray[np.int64]
    stride: int
    pose: Pose
    num_frames: int
    people: int = 1

    def __len__(self) -> int:
        return len(self.starts)


def plan_samples(
    video: VideoInput,
    person: int | None = None,
    use_cache: bool = True,
    on_progress: ProgressCallback = ignore_progress,
    survey: PeopleSurvey | None = None,
) -> SamplePlan:
    """Detect the person a few times per second and plan one sample per detection.

    A person who is in a small part of the video, too little to be followed, is looked for around where the survey of the whole
    video saw somebody. survey: of this video, if there is one already.

    Raises:
        UserError: the video cannot be read, or no person is in it.
    """
    source = open_video(video, accept_damaged=True)
    info = source.info
    every = max(1, round(float(info.fps) / SAMPLES_PER_S))
    if info.num_frames is not None:
        every = max(1, min(every, info.num_frames // _MIN_SAMPLES))
    stride = pair_stride(float(info.fps))
    try:
        track = detect_poses(
            source, person=person, every=every, use_cache=use_cache, survey=survey, accept_damaged=True, on_progress=on_progress
        )
    except InputError:
        survey = survey or PeopleSurvey(create_detector(DEFAULT_DETECTOR, on_progress), source, on_progress=on_progress)
        return _plan_brief_appearance(survey, person, every, stride)
    detected = np.flatnonzero(track.status != FrameStatus.MISSING)
    num_frames = info.num_frames or (len(track) - 1) * every + 1
    people = count_people(source, person, every)
    return SamplePlan(source, detected * every, stride, track.pose[detected], num_frames, people)


def count_people(source: VideoSource, person: int | None, every: int) -> int:
    """The most people seen at once when the track of these arguments was measured; 1 if that is not in the cache."""
    return max(PosePipeline.create().people_counts(source, person, every), default=1)


def _plan_brief_appearance(survey: PeopleSurvey, person: int | None, every: int, stride: int) -> SamplePlan:
    """The plan of a person who could not be followed. Raises UserError if there is none."""
    source = survey.source
    found = find_brief_appearance(survey, person, every)
    starts = np.array([each.frame for each in found], np.int64)
    poses = [each.landmarks.pose for each in found]
    pose = Pose(*(np.stack([getattr(each, name) for each in poses]) for name in ("xy", "confidence", "depth")))
    return SamplePlan(source, starts, stride, pose, source.info.num_frames or int(starts[-1]) + 1, max(survey.counts))


def pair_stride(fps: float) -> int:
    """Distance between the two frames of a pair, in frames."""
    return max(1, round(fps / REFERENCE_FPS))


def read_samples(plan: SamplePlan, side_px: int) -> Iterator[ForensicSample]:
    """Read the samples of a plan in order, decoding the video once; a pair that reaches past the end of the video is skipped.

    side_px: side of the images.
    """
    wanted = sorted({int(n) for start in plan.starts for n in (start, start + plan.stride)})
    sample_index = {int(start): i for i, start in enumerate(plan.starts)}
    waiting: dict[int, Frame] = {}
    for frame in plan.video.frames_at(wanted):
        first = waiting.pop(frame.index - plan.stride, None)
        if first is not None:
            index = sample_index[first.index]
            pose = plan.pose[index]
            crop = sample_crop(pose, side_px, index)
            yield ForensicSample.from_crop(crop, (first.image_rgb, frame.image_rgb), pose, float(first.time_s))
        if frame.index in sample_index:
            waiting[frame.index] = frame


def sample_crop(pose: Pose, side_px: int, index: int = 0) -> Crop:
    """The square crop around one pose (frame px): the whole body, or one of `PARTS` of a larger body at full resolution.

    index: of the sample; it selects the part.
    """
    valid = pose.confidence > 0
    low, high = pose.xy[valid].min(axis=0).astype(np.float64), pose.xy[valid].max(axis=0).astype(np.float64)
    extent = float((high - low).max()) * MARGIN
    scale = min(1.0, MAX_BODY_CROPS * side_px / max(extent, 1.0))
    half_px = (side_px - 1) / 2 / scale
    center = (low + high) / 2
    part = INDEX[PARTS[index % len(PARTS)]]
    if valid[part]:
        slack = np.maximum((high - low) / 2 * MARGIN - half_px, 0)
        center = np.clip(pose.xy[part].astype(np.float64), center - slack, center + slack)
    shift = scale * (half_px - center)
    if scale == 1.0:
        shift = np.rint(shift)  # whole pixels: nothing is interpolated
    return Crop(np.array([[scale, 0.0, shift[0]], [0.0, scale, shift[1]]]), side_px)


def body_map(pose: Pose, side_px: int) -> NDArray[np.uint8]:
    """Draw the body of a pose (image px): uint8 [S/4,S/4], 255 on limbs, trunk and head."""
    small = side_px // BODY_MAP_STRIDE
    body = np.zeros((small, small), np.uint8)
    xy = (np.clip(pose.xy / BODY_MAP_STRIDE, -1e4, 1e4) * 16).astype(np.int32)  # fixed point: 1/16 px
    valid = pose.confidence > 0
    trunk = [INDEX[name] for name in ("right_shoulder", "left_shoulder", "left_hip", "right_hip")]
    torso_px = float(np.linalg.norm(pose.xy[trunk[:2]].mean(axis=0) - pose.xy[trunk[2:]].mean(axis=0))) / BODY_MAP_STRIDE
    torso_px = torso_px if valid[trunk].all() and torso_px > 1 else small / 6
    for a, b in LIMBS:
        if valid[a] and valid[b]:
            cv2.line(body, xy[a].tolist(), xy[b].tolist(), 255, max(1, round(_LIMB_THICKNESS * torso_px)), cv2.LINE_8, 4)
    if valid[trunk].all():
        cv2.fillPoly(body, [xy[trunk]], 255, cv2.LINE_8, 4)
    if valid[INDEX["nose"]]:
        cv2.circle(body, xy[INDEX["nose"]].tolist(), round(16 * _HEAD_RADIUS * torso_px), 255, -1, cv2.LINE_8, 4)
    return body


def body_fraction(bodies: NDArray[np.uint8]) -> float:
    """Fraction of the image that the bodies [..., S/4, S/4] fill."""
    return float((bodies > 127).mean())


def extract_runs(
    frames: list[ImageRGB], track: PoseTrack, side_px: int, count: int, offsets: tuple[int, ...]
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Extract short runs of images for training, from a clip in memory and its poses, with the crops of `read_samples`.

    Returns:
        images uint8 [N,len(offsets),S,S,3] and body maps uint8 [N,S/4,S/4]; N is `count` or fewer, spread over the clip.
    """
    usable = np.flatnonzero(track.status[: max(len(frames) - offsets[-1], 0)] != FrameStatus.MISSING)
    chosen = usable[np.unique(np.linspace(0, len(usable) - 1, count).round().astype(int))] if len(usable) else usable
    images = np.empty((len(chosen), len(offsets), side_px, side_px, 3), np.uint8)
    bodies = np.empty((len(chosen), side_px // BODY_MAP_STRIDE, side_px // BODY_MAP_STRIDE), np.uint8)
    for i, start in enumerate(chosen):
        crop = sample_crop(track.pose[start], side_px, i)
        bodies[i] = body_map(crop.apply(track.pose[start]), side_px)
        for j, offset in enumerate(offsets):
            images[i, j] = crop_image_softly(frames[start + offset], crop)
    return images, bodies
