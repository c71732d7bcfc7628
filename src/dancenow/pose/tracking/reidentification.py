"""Detect people in sampled frames, describe their appearance, and group the detections of one person (re-identification).

An appearance is a set of color histograms of body parts, sampled between the keypoints, so that it does not depend on the pose;
people are distinguished by it as in color-based tracking (Comaniciu et al., 2003).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from dancenow.errors import InputError, OptionError
from dancenow.media.shots import Shot
from dancenow.media.source import VideoInput, VideoSource
from dancenow.pose.detectors.base import Landmarks, PoseDetector
from dancenow.pose.detectors.regions import RotatedRect
from dancenow.progress import ProgressCallback, ignore_progress, track
from dancenow.skeleton import INDEX, NUM_OPENPOSE
from dancenow.types import FloatArray, Frame, ImageRGB, Pose

MIN_SCORE: Final = 0.5
"""Landmark score below which the region shows no person."""
SAME_APPEARANCE: Final = 0.93
"""Detections at least this similar are one person, if no more than seconds lie between them."""
SAME_APPEARANCE_LATER: Final = 0.97
"""The same if the person may have left in between: others in similar clothes reach 0.95, and losing footage is better than
following another person."""
_LIKE_ONE, _LIKE_OTHERS = 0.85, 0.15
"""Similarity to one of several people, and by how much it exceeds that to the others, that tell whom a detection shows."""
_CLEARLY_OTHER: Final = 0.05
"""A part whose similarity with others exceeds that with the person by this much shows others."""
_DISTINCT: Final = 0.1
"""Two people look different in a part if their similarity is this much below 1."""
_BINS: Final = 10
_TRUNK: Final = [INDEX[f"{side}_{part}"] for side in ("right", "left") for part in ("shoulder", "hip")]
_SAMPLES: Final = (12, 40)
_SAMPLES_PER_SHOT: Final = 2
_SHORT_S: Final = 0.4
"""A video shorter than that by its own clock hardly is one; some programs write wrong clocks."""
_SEVERAL_FRACTION: Final = 0.2
"""Fraction of the sampled frames in which another person may pass by."""


@dataclass(frozen=True, eq=False)
class Detection:
    """One person in one frame. appearance: float32 [5,3,bins], see `appearance_of`; prominence: of large and central people;
    frame: the number of the frame."""

    time_s: float
    landmarks: Landmarks
    appearance: FloatArray
    prominence: float
    frame: int = 0


def describe(frame: Frame, landmarks: Landmarks) -> Detection:
    """The detection of the person with these landmarks."""
    height_px, width_px = frame.image_rgb.shape[:2]
    xy = landmarks.pose.xy
    tall_px = float(np.ptp(xy[:, 1]))
    off_center = min(1.0, abs(float(xy[:, 0].mean()) - width_px / 2) / (width_px / 2))
    prominence = tall_px / height_px * (1 - 0.5 * off_center)
    return Detection(float(frame.time_s), landmarks, appearance_of(frame.image_rgb, landmarks.pose), prominence, frame.index)


def appearance_of(image_rgb: ImageRGB, pose: Pose) -> FloatArray:
    """Square roots of histograms, float32 [5,3,bins]: head, torso, thighs, shins, forearms by L, a and b of CIELAB."""
    at = {name: pose.xy[index] for name, index in INDEX.items()}
    u, v = (g.ravel()[:, None] for g in np.meshgrid(np.linspace(0.1, 0.9, 8), np.linspace(0.1, 0.9, 12)))
    ears = (at["right_ear"] + at["left_ear"]) / 2
    reach_px = float(np.linalg.norm(ears - at["neck"])) or 1.0
    head = ears + (np.concatenate([u, v], axis=1) - 0.5) * np.float32(1.3 * reach_px)
    upper = at["right_shoulder"] * (1 - u) + at["left_shoulder"] * u
    lower = at["right_hip"] * (1 - u) + at["left_hip"] * u
    parts = [head, upper * (1 - v) + lower * v]
    for above, below in (("hip", "knee"), ("knee", "ankle"), ("elbow", "wrist")):
        sides = [at[f"{side}_{above}"] * (1 - v) + at[f"{side}_{below}"] * v for side in ("right", "left")]
        parts.append(np.concatenate([middle + (u - 0.5) * np.float32(0.2 * reach_px) for middle in sides]))
    return np.stack([_histograms(image_rgb, points) for points in parts])


def similarity(appearance: FloatArray, others: Iterable[FloatArray]) -> float:
    """Highest Bhattacharyya coefficient of an appearance with any of `others`, in [0,1]; 0 if there are none."""
    return max((float((appearance * other).sum(axis=2).mean()) for other in others), default=0.0)


def parts_of_others(
    appearance: FloatArray, own: Sequence[FloatArray], others: Sequence[FloatArray], margin: float = 0.0
) -> NDArray[np.bool_]:
    """bool [5]: which parts of an appearance show somebody else, who crosses before the person or mixes with them.

    own, others: known appearances. Parts in which the two look alike tell nothing. All True if the parts together look more
    like somebody else, or not like the person by more than `margin`.
    """
    if not own or not others:
        return np.zeros(len(appearance), bool)
    mine, theirs = np.stack(own), np.stack(others)
    like_own = (mine * appearance).sum(axis=3).mean(axis=2).max(axis=0)
    like_other = (theirs * appearance).sum(axis=3).mean(axis=2).max(axis=0)
    distinct = 1 - np.einsum("apcb,opcb->aop", mine, theirs).max(axis=(0, 1)) / appearance.shape[1]
    if float((distinct * (like_other - like_own + margin)).sum()) > 1e-6:
        return np.ones(len(appearance), bool)
    return np.asarray((like_other > like_own + _CLEARLY_OTHER) & (distinct > _DISTINCT))


def find_people(detector: PoseDetector, frame: Frame, windows: Iterable[RotatedRect | None]) -> list[Detection]:
    """Detect all people in any of the windows (None: the whole image), each once, most prominent first.

    Windows come from coarse to fine: in a fine one, a hand or leg of a nearby person looks like a person, so candidates on a
    body that was already detected are skipped.
    """
    found: list[Detection] = []
    for window in windows:
        for candidate in detector.detect(frame.image_rgb, window):
            if any(_is_on(s.landmarks.pose, np.array([[candidate.roi.x_px, candidate.roi.y_px]])) for s in found):
                continue
            landmarks = detector.landmarks(frame.image_rgb, candidate.roi)
            if landmarks.score > MIN_SCORE:
                # The candidate's region is rough: search again in the region of the body found in it.
                landmarks = detector.landmarks(frame.image_rgb, landmarks.next_roi)
            if is_person(landmarks, frame.image_rgb) and not any(overlap(landmarks.pose, s.landmarks.pose) for s in found):
                found.append(describe(frame, landmarks))
    return sorted(found, key=lambda s: -s.prominence)


def overlap(a: Pose, b: Pose) -> bool:
    """Whether most of the trunk of one body lies in the box of the other."""
    return _is_on(a, b.xy[_TRUNK]) or _is_on(b, a.xy[_TRUNK])


def is_person(landmarks: Landmarks, image_rgb: ImageRGB) -> bool:
    """Whether the landmarks score as a person, and at least half the trunk (shoulders and hips) is inside the image, and sure.

    Of what lies outside nothing can be seen, so it says nothing about whether this is a person.
    """
    height_px, width_px = image_rgb.shape[:2]
    trunk = landmarks.pose.xy[_TRUNK]
    inside = ((trunk >= 0) & (trunk <= [width_px - 1, height_px - 1])).all(axis=1)
    if landmarks.score <= MIN_SCORE or int(inside.sum()) < 2:
        return False
    confidence = landmarks.pose.confidence[_TRUNK]
    return max(float(confidence.mean()), float(confidence[inside].mean())) > 0.6


def search_windows(image_rgb: ImageRGB, side_px: float) -> list[RotatedRect | None]:
    """Square windows of about `side_px` that cover the image with half overlaps; the first is the whole image (None)."""
    height_px, width_px = image_rgb.shape[:2]
    windows: list[RotatedRect | None] = [None]
    if side_px >= 0.8 * max(height_px, width_px):
        return windows
    xs, ys = _centers(width_px, side_px), _centers(height_px, side_px)
    return windows + [RotatedRect(x, y, side_px, 0.0) for y in ys for x in xs]


def sample_people(
    detector: PoseDetector, source: VideoSource, samples: int | None = None, on_progress: ProgressCallback = ignore_progress
) -> list[list[Detection]]:
    """Detect everybody in frames sampled over the whole video, including small people; one list per sampled frame.

    Without `samples`, one frame per four seconds is sampled, but at least 12 and at most 40.

    Raises:
        UserError: the video cannot be read.
    """
    info = source.info
    count = info.num_frames or int((info.duration_s or 0) * info.fps)
    samples = samples or min(max(round(count / info.fps / 4), _SAMPLES[0]), _SAMPLES[1])
    step = max(1, count // samples) if count else max(1, round(2 * info.fps))  # some containers do not say their length
    sampled = []
    scenes = [shot for shot in source.shots if shot.kind == "scene"]
    if len(source.shots) > 1 and scenes:
        frames = source.frames_at(_sample_scenes(scenes, samples))
    else:
        frames = source.frames(min(step // 2, 10), None, step)
    for frame in track(frames, "looking for people", samples, on_progress):
        height_px, width_px = frame.image_rgb.shape[:2]
        near_px = min(height_px, width_px)
        found = find_people(detector, frame, search_windows(frame.image_rgb, near_px))
        if not found:
            found = find_people(detector, frame, search_windows(frame.image_rgb, near_px / 2))
        sampled.append(found)
    return sampled


def _sample_scenes(scenes: Sequence[Shot], samples: int) -> list[int]:
    """Numbers of frames inside the scenes: about `samples` of them, evenly, but `_SAMPLES_PER_SHOT` of each at least."""
    total = sum(len(scene) for scene in scenes)
    numbers = []
    for scene in scenes:
        count = min(max(round(samples * len(scene) / total), _SAMPLES_PER_SHOT), len(scene))
        numbers += [scene.start + (2 * k + 1) * len(scene) // (2 * count) for k in range(count)]
    return numbers


@dataclass(frozen=True, eq=False)
class PersonSelection:
    """Detections of the person to follow, at most one per frame, and of others who are visible in the same frames."""

    person: list[Detection]
    others: list[Detection]


def select_person(samples: list[list[Detection]], person: int | None, video: VideoInput) -> PersonSelection:
    """Select the person to follow.

    Without `person`, the one who is largest, most central and most often detected. Else number `person`, counted from 1 by
    size and centrality in the frame that shows most people.

    Raises:
        UserError: nobody was detected, or fewer people than `person`.
    """
    everybody = [each for people in samples for each in people]
    if not everybody:
        raise nobody_found(video)
    if person is None:
        followed = max((_same_person(s, samples) for s in everybody), key=lambda group: sum(s.prominence for s in group))
    else:
        fullest = numbered_people(samples)
        if not 1 <= person <= len(fullest):
            count = len(fullest)
            seen = (
                f"{count} people are seen at once; give a number from 1 to {count}" if count > 1 else "1 person is seen at once"
            )
            raise OptionError(f"{video} has no person {person}: at most {seen}.")
        followed = _told_apart([_same_person(each, samples) for each in fullest], samples)[person - 1]
    others = [each for people in samples if any(s in followed for s in people) for each in people if each not in followed]
    return PersonSelection(followed, others)


def numbered_people(samples: list[list[Detection]]) -> list[Detection]:
    """The people in the sampled frame that shows most, in the order of their numbers; empty if nobody was detected."""
    return max(samples, key=lambda people: (len(people), sum(each.prominence for each in people)), default=[])


def nobody_found(video: VideoInput) -> InputError:
    """The error for a video in which nobody is found."""
    duration_s = video.info.duration_s if isinstance(video, VideoSource) else None
    if duration_s is not None and duration_s < _SHORT_S:
        clock = f"lasts only {duration_s:.2f} s by its own clock"
        return InputError(f"no person was found in {video}, which {clock}; convert it again or film longer.")
    return InputError(f"no person was found in {video}; film one whole person, well lit and not too far away.")


@dataclass(frozen=True, eq=False)
class PeopleSurvey:
    """All people in frames sampled over a video, see `sample_people`. The frames are read once, when first needed."""

    detector: PoseDetector
    source: VideoSource
    samples: int | None = None
    on_progress: ProgressCallback = ignore_progress

    @cached_property
    def detections(self) -> list[list[Detection]]:
        """One list per sampled frame. Raises UserError as `sample_people`."""
        return sample_people(self.detector, self.source, self.samples, self.on_progress)

    @property
    def counts(self) -> list[int]:
        """How many people are in each sampled frame. Raises UserError as `sample_people`."""
        return [len(people) for people in self.detections]


def several_people(counts: list[int], person: int | None) -> str | None:
    """Say how many people are in the frame and who is followed; None for one person alone. counts: per sampled frame."""
    several = sum(count > 1 for count in counts)
    if several <= _SEVERAL_FRACTION * len(counts):
        return None
    who = "the largest, most central and most often seen one" if person is None else f"person {person}"
    return (
        f"several people are in the frame ({max(counts)} at once, in {several} of {len(counts)} sampled frames), and {who} is"
        " followed"
    )


def _same_person(seed: Detection, samples: list[list[Detection]]) -> list[Detection]:
    """At most one detection per frame whose appearance matches the seed, or a match in the sampled frame before or after."""
    start = next(i for i, people in enumerate(samples) if any(each is seed for each in people))
    group = {start: seed}
    for index in [*range(start - 1, -1, -1), *range(start + 1, len(samples))]:
        adjacent = [group[i].appearance for i in (index - 1, index + 1) if i in group]
        known = [s.appearance for s in group.values()]
        enough = [
            (similarity(s.appearance, known), s)
            for s in samples[index]
            if similarity(s.appearance, adjacent) >= SAME_APPEARANCE or similarity(s.appearance, known) >= SAME_APPEARANCE_LATER
        ]
        if enough:
            group[index] = max(enough, key=lambda pair: pair[0])[1]
    return [group[i] for i in sorted(group)]


def _told_apart(groups: list[list[Detection]], samples: list[list[Detection]]) -> list[list[Detection]]:
    """The groups of several people with the detections that are clearly more like one of them than like the others.

    Somebody who turns, or moves to other light, looks less like themselves, but no more like anybody else.
    """
    taken = {id(each) for group in groups for each in group}
    looks = [[each.appearance for each in group] for group in groups]
    for people in samples:
        present = {id(each) for each in people}
        for number, group in enumerate(groups):
            if len(groups) < 2 or any(id(each) in present for each in group):
                continue
            free = [each for each in people if id(each) not in taken]
            others = [look for other, known in enumerate(looks) if other != number for look in known]
            scored = [(similarity(each.appearance, looks[number]), similarity(each.appearance, others), each) for each in free]
            like = [(own, each) for own, other, each in scored if own >= _LIKE_ONE and own - other >= _LIKE_OTHERS]
            if like:
                best = max(like, key=lambda pair: pair[0])[1]
                group.append(best)
                taken.add(id(best))
    return [sorted(group, key=lambda each: each.frame) for group in groups]


def _is_on(pose: Pose, points: NDArray[np.floating[Any]]) -> bool:
    """Whether most of the points [N,2] px lie in the box of a body."""
    low, high = pose.xy[:NUM_OPENPOSE].min(axis=0), pose.xy[:NUM_OPENPOSE].max(axis=0)
    return float(((points > low) & (points < high)).all(axis=1).mean()) > 0.5


def _histograms(image_rgb: ImageRGB, points: NDArray[np.floating[Any]]) -> FloatArray:
    """[3,bins] square roots of soft histograms of the image's colors at points [N,2] px."""
    xy = points.astype(np.float32)[None]
    rgb = cv2.remap(image_rgb, xy, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)  # type: ignore[call-overload]
    lab = cv2.cvtColor(rgb.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)[0]
    low, span = np.array([0.0, -40.0, -40.0]), np.array([100.0, 80.0, 80.0])
    place = np.clip((lab - low) / span, 0, 1) * (_BINS - 1)
    weight = np.clip(1 - np.abs(place[..., None] - np.arange(_BINS)), 0, None)  # [N,3,bins]: a color is split between two bins
    return np.asarray(np.sqrt(weight.mean(axis=0)), np.float32)


def _centers(length_px: int, side_px: float) -> list[float]:
    if side_px >= length_px:
        return [(length_px - 1) / 2]
    count = int(np.ceil(2 * (length_px - side_px) / side_px)) + 1
    return [float(x) for x in np.linspace(side_px / 2, length_px - side_px / 2, count)]
