"""Who is in the picture: sightings of people, what they look like, and which of them is the dancer.

A look is a set of colour histograms of head, torso and thighs, sampled between the keypoints, so that it follows the body
through any pose; people are told apart by it as in colour-based tracking (Comaniciu et al., 2003).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from dancenow.errors import InputError, OptionError
from dancenow.media.source import VideoInput, VideoSource
from dancenow.pose.detectors.base import Landmarks, PoseDetector
from dancenow.pose.detectors.regions import RotatedRect
from dancenow.progress import ProgressCallback, ignore_progress, track
from dancenow.skeleton import INDEX, NUM_OPENPOSE
from dancenow.types import FloatArray, Frame, ImageRGB, Pose

MIN_SCORE: Final = 0.5
"""Below this the landmark network itself says that nobody fills the region."""
SAME_LOOK: Final = 0.93
"""Two sightings at least this similar are one person, if no more than seconds lie between them."""
SAME_LOOK_LATER: Final = 0.97
"""And this if the person may have left since: others in similar clothes reach 0.95, and to lose footage is the lesser evil."""
_BINS: Final = 10
_TRUNK: Final = [INDEX[f"{side}_{part}"] for side in ("right", "left") for part in ("shoulder", "hip")]
_SAMPLES: Final = (12, 40)


@dataclass(frozen=True, eq=False)
class Detection:
    """One person in one frame. look: float32 [5,3,bins], see `look_of`; prominence: larger and more central is more."""

    time_s: float
    landmarks: Landmarks
    look: FloatArray
    prominence: float


def sight(frame: Frame, landmarks: Landmarks) -> Detection:
    """Describe the person that the landmarks were found on."""
    height_px, width_px = frame.image_rgb.shape[:2]
    xy = landmarks.pose.xy
    tall_px = float(np.ptp(xy[:, 1]))
    off_centre = min(1.0, abs(float(xy[:, 0].mean()) - width_px / 2) / (width_px / 2))
    prominence = tall_px / height_px * (1 - 0.5 * off_centre)
    return Detection(float(frame.time_s), landmarks, look_of(frame.image_rgb, landmarks.pose), prominence)


def look_of(image_rgb: ImageRGB, pose: Pose) -> FloatArray:
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


def similarity(look: FloatArray, others: Iterable[FloatArray]) -> float:
    """The best Bhattacharyya coefficient of a look with any of some others, in [0,1]; 0 if there are none."""
    return max((float((look * other).sum(axis=2).mean()) for other in others), default=0.0)


def find_people(detector: PoseDetector, frame: Frame, windows: Iterable[RotatedRect | None]) -> list[Detection]:
    """Everybody whom the detector sees in any of the windows (None: the whole picture), each once, most prominent first.

    Windows come from coarse to fine: in a fine one a hand or a leg of somebody near looks like a person of its own, so
    whatever lies on a body that is known already is not looked at again.
    """
    found: list[Detection] = []
    for window in windows:
        for candidate in detector.detect(frame.image_rgb, window):
            if any(_is_on(s.landmarks.pose, np.array([[candidate.roi.x_px, candidate.roi.y_px]])) for s in found):
                continue
            landmarks = detector.landmarks(frame.image_rgb, candidate.roi)
            if landmarks.score > MIN_SCORE:
                # The detector's region is rough; the body found in it tells better where to look.
                landmarks = detector.landmarks(frame.image_rgb, landmarks.next_roi)
            if is_person(landmarks, frame.image_rgb) and not any(_overlap(landmarks.pose, s.landmarks.pose) for s in found):
                found.append(sight(frame, landmarks))
    return sorted(found, key=lambda s: -s.prominence)


def is_person(landmarks: Landmarks, image_rgb: ImageRGB) -> bool:
    """The network believes in it, and half the trunk (shoulders and hips) or more is in the picture."""
    height_px, width_px = image_rgb.shape[:2]
    trunk = landmarks.pose.xy[_TRUNK]
    inside = ((trunk >= 0) & (trunk <= [width_px - 1, height_px - 1])).all(axis=1)
    believed = landmarks.score > MIN_SCORE and float(landmarks.pose.confidence[_TRUNK].mean()) > 0.6
    return believed and int(inside.sum()) >= 2


def grid(image_rgb: ImageRGB, side_px: float) -> list[RotatedRect | None]:
    """Square windows of about `side_px` that cover the picture with half overlaps; the whole picture is among them."""
    height_px, width_px = image_rgb.shape[:2]
    windows: list[RotatedRect | None] = [None]
    if side_px >= 0.8 * max(height_px, width_px):
        return windows
    xs, ys = _centres(width_px, side_px), _centres(height_px, side_px)
    return windows + [RotatedRect(x, y, side_px, 0.0) for y in ys for x in xs]


def first_look(
    detector: PoseDetector, source: VideoSource, samples: int | None = None, on_progress: ProgressCallback = ignore_progress
) -> list[list[Detection]]:
    """Everybody in some frames spread over the video, small people included; one list per frame looked at.

    Without `samples`, one frame in four seconds is looked at, but at least 12 and at most 40.

    Raises:
        UserError: the video cannot be read.
    """
    info = source.info
    count = info.num_frames or int((info.duration_s or 0) * info.fps)
    samples = samples or min(max(round(count / info.fps / 4), _SAMPLES[0]), _SAMPLES[1])
    step = max(1, count // samples) if count else max(1, round(2 * info.fps))  # some containers do not say their length
    looks = []
    frames = source.frames(min(step // 2, 10), None, step)
    for frame in track(frames, "look for people", samples, on_progress):
        height_px, width_px = frame.image_rgb.shape[:2]
        near_px = min(height_px, width_px)
        found = find_people(detector, frame, grid(frame.image_rgb, near_px))
        if not found:
            found = find_people(detector, frame, grid(frame.image_rgb, near_px / 2))
        looks.append(found)
    return looks


@dataclass(frozen=True, eq=False)
class PersonSelection:
    """The person to follow, at most one sighting per frame, and those who were surely somebody else, seen beside them."""

    dancer: list[Detection]
    others: list[Detection]


def choose(looks: list[list[Detection]], person: int | None, video: VideoInput) -> PersonSelection:
    """Whom to follow.

    Without `person`, the one who is largest, most central and most often seen. Else number `person`, counted from 1 by
    size and centrality in the frame that shows most people.

    Raises:
        UserError: nobody was seen, or fewer people than `person`.
    """
    everybody = [s for look in looks for s in look]
    if not everybody:
        raise InputError(f"no person was found in {video}; film one whole person, well lit and not too far away.")
    if person is None:
        dancer = max((_alike(s, looks) for s in everybody), key=lambda group: sum(s.prominence for s in group))
    else:
        fullest = max(looks, key=lambda look: (len(look), sum(s.prominence for s in look)))
        if not 1 <= person <= len(fullest):
            count = len(fullest)
            seen = f"{count} people are seen at once; give --person 1 to {count}" if count > 1 else "1 person is seen at once"
            raise OptionError(f"{video} has no person {person}: at most {seen}.")
        dancer = _alike(fullest[person - 1], looks)
    others = [s for look in looks if any(s in dancer for s in look) for s in look if s not in dancer]
    return PersonSelection(dancer, others)


@dataclass(frozen=True, eq=False)
class PeopleSurvey:
    """Everybody in some frames spread over a video, as `first_look` finds them. The frames are read once, when first needed."""

    detector: PoseDetector
    source: VideoSource
    samples: int | None = None
    on_progress: ProgressCallback = ignore_progress

    @cached_property
    def detections(self) -> list[list[Detection]]:
        """One list per sampled frame. Raises UserError as `first_look`."""
        return first_look(self.detector, self.source, self.samples, self.on_progress)

    @property
    def counts(self) -> list[int]:
        """How many people are in each sampled frame. Raises UserError as `first_look`."""
        return [len(people) for people in self.detections]


def _alike(seed: Detection, looks: list[list[Detection]]) -> list[Detection]:
    """At most one sighting per frame that looks like the seed, or like one that does in the frame looked at before or after."""
    start = next(i for i, look in enumerate(looks) if any(s is seed for s in look))
    group = {start: seed}
    for index in [*range(start - 1, -1, -1), *range(start + 1, len(looks))]:
        beside = [group[i].look for i in (index - 1, index + 1) if i in group]
        known = [s.look for s in group.values()]
        enough = [
            (similarity(s.look, known), s)
            for s in looks[index]
            if similarity(s.look, beside) >= SAME_LOOK or similarity(s.look, known) >= SAME_LOOK_LATER
        ]
        if enough:
            group[index] = max(enough, key=lambda pair: pair[0])[1]
    return [group[i] for i in sorted(group)]


def _is_on(pose: Pose, points: NDArray[np.floating[Any]]) -> bool:
    """Whether most of the points [N,2] px lie in the box of a body."""
    low, high = pose.xy[:NUM_OPENPOSE].min(axis=0), pose.xy[:NUM_OPENPOSE].max(axis=0)
    return float(((points > low) & (points < high)).all(axis=1).mean()) > 0.5


def _overlap(a: Pose, b: Pose) -> bool:
    return _is_on(a, b.xy[_TRUNK]) or _is_on(b, a.xy[_TRUNK])


def _histograms(image_rgb: ImageRGB, points: NDArray[np.floating[Any]]) -> FloatArray:
    """[3,bins] square roots of soft histograms of the picture's colours at points [N,2] px."""
    xy = points.astype(np.float32)[None]
    rgb = cv2.remap(image_rgb, xy, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)  # type: ignore[call-overload]
    lab = cv2.cvtColor(rgb.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)[0]
    low, span = np.array([0.0, -40.0, -40.0]), np.array([100.0, 80.0, 80.0])
    place = np.clip((lab - low) / span, 0, 1) * (_BINS - 1)
    weight = np.clip(1 - np.abs(place[..., None] - np.arange(_BINS)), 0, None)  # [N,3,bins]: a colour is shared by two bins
    return np.asarray(np.sqrt(weight.mean(axis=0)), np.float32)


def _centres(length_px: int, side_px: float) -> list[float]:
    if side_px >= length_px:
        return [(length_px - 1) / 2]
    count = int(np.ceil(2 * (length_px - side_px) / side_px)) + 1
    return [float(x) for x in np.linspace(side_px / 2, length_px - side_px / 2, count)]
