"""Classify whether the person in a video is synthesized, from the pixels; `content_marking` reads the marks in the file.

    video -> plan_samples -> read_samples -> ForensicClassifier.net -> patch logits -> mean over the body -> mean over the clip

Frames are streamed: memory does not grow with the length of the video.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final, Literal

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dancenow.assets import FORENSIC
from dancenow.errors import InputError
from dancenow.media.source import VideoInput, open_video
from dancenow.pose.tracking.reidentification import PeopleSurvey
from dancenow.progress import ProgressCallback, ignore_progress, track
from dancenow.provenance.forensics.classifier import Calibration, ForensicClassifier, load_classifier, pool_logits
from dancenow.provenance.forensics.reasons import Evidence, reasons_in_words
from dancenow.provenance.forensics.samples import ForensicSample, body_fraction, plan_samples, read_samples
from dancenow.provenance.forensics.timeline import in_words, parts_where, smooth_in_time
from dancenow.storage.atomic_io import complete_or_absent
from dancenow.types import FloatArray, ImageRGB

Verdict = Literal["synthesized", "real", "undecided"]
UNDECIDED_RANGE: Final = (0.3, 0.7)
"""Probabilities in this range give no verdict."""
MIN_FPS: Final = 8.0
"""Videos with a lower frame rate get no verdict: the network learned the change between consecutive frames of ordinary video,
and at lower rates hardly anything stays the same."""
CAUTION: Final = "The classifier can be wrong. Of filmed people it misses most of what today's default preset makes."
"""What was measured on filmed people, see the model card of the weights."""
_BATCH: Final = 8
_NUM_PANELS, _PANEL_HEIGHT_PX, _PANEL_COLUMNS = 6, 360, 3
_FULL_COLOR_LOGIT: Final = 12.0
"""Patch logits of this size get the full heatmap color."""


@dataclass(frozen=True, eq=False)
class ScoredSample:
    """A sample with its patch logits float32 [h,w], positive where it looks synthesized, and their mean over the body."""

    sample: ForensicSample
    logits: FloatArray
    score: float

    def evidence(self) -> Evidence:
        """What is measured of the sample."""
        return Evidence.measure(self.logits, self.sample.images, self.sample.body)


@dataclass(frozen=True)
class Finding:
    """The classifier's result for one video.

    probability: of being synthesized, assuming equal priors. per_second: the same for each second alone, None where no person
    was found; noisier than the total. samples: number of frame pairs. frames_per_s: frames of the video over run time.
    score: the mean logit behind the probability. slow: the frame rate is too low for a verdict. duration_s: of the video.
    people: most people seen at once; only one is judged. timeline: time in s and probability of each sample, smoothed.
    evidence: what was measured, for the reasons. own_weights: other weights than the shipped ones judged.
    """

    verdict: Verdict
    probability: float
    per_second: tuple[float | None, ...]
    samples: int
    frames_per_s: float
    score: float
    slow: bool = False
    duration_s: float = 0.0
    people: int = 1
    timeline: tuple[tuple[float, float], ...] = ()
    evidence: Evidence | None = None
    own_weights: bool = False

    @property
    def judged_s(self) -> tuple[tuple[int, int], ...]:
        """The parts of the video that were judged, as (start, stop) in whole seconds."""
        known = [second for second, probability in enumerate(self.per_second) if probability is not None]
        starts = [second for second in known if second - 1 not in known]
        stops = [second + 1 for second in known if second + 1 not in known]
        return tuple(zip(starts, stops, strict=True))

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values. The key `looks` is the number of samples."""
        return {
            "verdict": self.verdict,
            "probability": round(self.probability, 4),
            "per_second": [None if p is None else round(p, 4) for p in self.per_second],
            "looks": self.samples,
            "frames_per_s": round(self.frames_per_s, 1),
            "timeline": [[round(time_s, 3), round(p, 4)] for time_s, p in self.timeline],
            "synthesized_s": [[round(each, 2) for each in part] for part in parts_where(self.timeline, True)],
            "judged_s": [list(part) for part in self.judged_s],
            "people": self.people,
            "reasons": list(self.reasons()),
            "evidence": None if self.evidence is None else self.evidence.to_json(),
        }

    def reasons(self) -> tuple[str, ...]:
        """Why the person looks synthesized, as far as something besides the classifier was measured; nothing for other
        verdicts."""
        return reasons_in_words(self.evidence) if self.verdict == "synthesized" and self.evidence is not None else ()

    def in_words(self) -> str:
        """The verdict."""
        if self.slow:
            return f"no verdict on a video with fewer than {MIN_FPS:.0f} frames a second"
        return {
            "synthesized": "the person looks synthesized",
            "real": "no trace of synthesis was found",
            "undecided": "it cannot tell whether the person is real",
        }[self.verdict]

    def seconds_in_words(self) -> str:
        """The probability of each second in percent."""
        return " ".join("-" if p is None else f"{100 * p:.0f}" for p in self.per_second)

    def where(self) -> Iterator[str]:
        """The parts that stand out, if the verdict does not hold for the whole video."""
        synthesized, real = (parts_where(self.timeline, kind) for kind in (True, False))
        if self.slow:
            return
        if synthesized and self.verdict != "synthesized":
            yield f"Look closer: the person looks synthesized {in_words(synthesized)}."
        if real and self.verdict == "synthesized":
            yield f"Not everywhere: no trace of synthesis was found {in_words(real)}."

    def sentences(self) -> tuple[str, ...]:
        """The result in sentences for the user."""
        chance = f"{percent(self.probability)} likely to be synthesized, from {self.samples} pairs of frames"
        return (
            f"Classifier: {self.in_words()} ({chance}).",
            *self.reasons(),
            f"Second by second, in percent: {self.seconds_in_words()}",
            *self.where(),
            *self._what_was_judged(),
            f"Processed {self.frames_per_s:.0f} frames a second. {self.caution()}",
        )

    def caution(self) -> str:
        """How far the classifier can be relied on."""
        return "It can be wrong: see what its weights were trained on." if self.own_weights else CAUTION

    def _what_was_judged(self) -> Iterator[str]:
        """What part of the video the verdict is about, where it is not all of it."""
        judged = sum(stop - start for start, stop in self.judged_s)
        if judged < int(self.duration_s):
            parts = ", ".join(f"{start} to {stop} s" for start, stop in self.judged_s)
            yield f"Judged: {parts}. In the rest of the {self.duration_s:.0f} s the person was not found."
        if self.people > 1:
            yield f"Up to {self.people} people are seen at once and one was judged; judge each of them with --everyone."


def percent(probability: float) -> str:
    """In percent, never 0% or 100%: no classifier is certain."""
    return "over 99%" if probability > 0.99 else "under 1%" if probability < 0.01 else f"{probability:.0%}"


def classify_video(
    video: VideoInput,
    weights: Path | None = None,
    *,
    person: int | None = None,
    heatmap: Path | None = None,
    use_cache: bool = True,
    survey: PeopleSurvey | None = None,
    on_progress: ProgressCallback = ignore_progress,
) -> Finding:
    """Classify the person in a video as real or synthesized.

    Args:
        weights: a classifier to use instead of the shipped one.
        person: which person, as in `detect_poses`.
        use_cache, survey: as in `detect_poses`.
        heatmap: a .png to write: up to six frames, red where the person looks synthesized, blue where real.

    Raises:
        UserError: the video cannot be read, no person is in it long enough, or the weights are missing or damaged.
    """
    start_s = time.perf_counter()
    classifier, source = load_classifier(weights or FORENSIC), open_video(video)
    plan = plan_samples(source, person, use_cache, on_progress, survey)
    panel_indices = set(np.linspace(0, len(plan) - 1, min(_NUM_PANELS, len(plan))).round().astype(int).tolist())
    scores, fractions, times_s, panels, measured = [], [], [], [], []
    scored_samples = score_samples(classifier, read_samples(plan, classifier.net.config.crop_px))
    for index, scored in enumerate(track(scored_samples, "classify the person", len(plan), on_progress)):
        scores.append(scored.score)
        fractions.append(body_fraction(scored.sample.body))
        times_s.append(scored.sample.time_s)
        measured.append(scored.evidence())
        if heatmap is not None and index in panel_indices:
            parts = list(score_samples(classifier, iter(scored.sample.all_parts())))
            panels.append(heatmap_panel(parts, classifier.calibration.for_body_fraction(fractions[-1])))
    if not scores:
        raise InputError(f"{source} has no two consecutive frames with a person; the classifier needs video, not one image.")
    score = float(np.mean(scores))
    evidence = Evidence.mean(measured)
    calibration = classifier.calibration.for_body_fraction(float(np.mean(fractions)))
    probability = calibration.probability(score)
    if heatmap is not None:
        write_heatmap(heatmap, panels)
    spent_s = time.perf_counter() - start_s
    per_second = probability_per_second(np.array(scores), np.array(times_s), calibration)
    timeline = smooth_in_time(np.array(scores), np.array(times_s), calibration)
    slow = float(source.info.fps) < MIN_FPS
    result = "undecided" if slow else verdict(probability)
    duration_s = plan.num_frames / float(source.info.fps)
    return Finding(
        result, probability, per_second, len(scores), plan.num_frames / spent_s, score, slow, duration_s, plan.people, timeline,
        evidence, weights is not None,
    )  # fmt: skip


def verdict(probability: float) -> Verdict:
    """The verdict for a probability."""
    low, high = UNDECIDED_RANGE
    return "synthesized" if probability > high else "real" if probability < low else "undecided"


def score_samples(classifier: ForensicClassifier, samples: Iterator[ForensicSample]) -> Iterator[ScoredSample]:
    """Score samples in small batches."""
    while batch := list(islice(samples, _BATCH)):
        images = np.stack([each.images for each in batch])
        logits, scores = score_images(classifier, images, np.stack([each.body for each in batch]))
        for each, patches, score in zip(batch, logits, scores, strict=True):
            yield ScoredSample(each, patches, float(score))


@torch.inference_mode()
def score_images(
    classifier: ForensicClassifier, images: NDArray[np.uint8], bodies: NDArray[np.uint8]
) -> tuple[FloatArray, NDArray[np.float32]]:
    """Patch logits [N,h,w] and their means over the body [N], for pairs uint8 [N,2,S,S,3] and body maps uint8 [N,S/4,S/4]."""
    body = torch.from_numpy(bodies)[:, None].float() / 255
    logits = classifier.net(as_tensor(images))
    scores = pool_logits(logits, body)
    return logits[:, 0].float().numpy(), scores.float().numpy()


def as_tensor(images: NDArray[np.uint8]) -> Tensor:
    """Convert uint8 [*B,H,W,3] to float32 [*B,3,H,W] in [-1,1]."""
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(images, -1, -3))).float().div_(127.5).sub_(1.0)


def probability_per_second(
    scores: NDArray[Any], times_s: NDArray[np.float64], calibration: Calibration
) -> tuple[float | None, ...]:
    """The probability for the samples of each second; None for seconds without a sample."""
    second = times_s.astype(int)
    means = {int(s): float(scores[second == s].mean()) for s in np.unique(second)}
    return tuple(calibration.probability(means[s]) if s in means else None for s in range(int(second.max()) + 1))


def heatmap_panel(parts: Sequence[ScoredSample], calibration: Calibration) -> ImageRGB:
    """Draw the frame with a heatmap on the body, its time and its probability: uint8 [360,W,3].

    parts: one moment seen through several crops; overlaps are averaged.
    """
    frame = parts[0].sample.frames_rgb[1]
    height, width = frame.shape[:2]
    zoom = _PANEL_HEIGHT_PX / height
    size = (round(width * zoom), _PANEL_HEIGHT_PX)
    layers = [_heatmap_layers(each, calibration, zoom, size) for each in parts]
    visible = np.max([body for _, body, _ in layers], axis=0)
    signed = sum(strength * weight for strength, _, weight in layers) / np.maximum(sum(weight for *_, weight in layers), 1e-6)
    opaque = 0.75 * visible * np.abs(signed)
    color = np.where(signed[..., None] > 0, np.array([235.0, 40, 30]), np.array([40.0, 90, 235]))
    small = cv2.resize(frame, size, interpolation=cv2.INTER_AREA if zoom < 1 else cv2.INTER_LINEAR).astype(np.float32)
    out = np.rint(small * (1 - opaque[..., None]) + color * opaque[..., None]).astype(np.uint8)
    score = float(np.mean([each.score for each in parts]))
    text = f"{parts[0].sample.time_s:.1f} s: {percent(calibration.probability(score))}"
    for level, thickness in ((0, 3), (255, 1)):  # white on a black outline
        cv2.putText(out, text, (8, 22), cv2.FONT_HERSHEY_SIMPLEX, 0.55, (level, level, level), thickness, cv2.LINE_AA)
    return np.asarray(out, np.uint8)


def _heatmap_layers(scored: ScoredSample, calibration: Calibration, zoom: float, size: tuple[int, int]) -> list[FloatArray]:
    """Warp to a panel of size (W, H), `zoom` times the frame's: logits in [-1,1], body in [0,1], and the blending weight,
    which is largest in the middle of the crop."""
    sample, side = scored.sample, scored.sample.crop.size
    strength = cv2.resize(scored.logits * calibration.slope + calibration.offset, (side, side), interpolation=cv2.INTER_CUBIC)
    body = cv2.GaussianBlur(cv2.resize(sample.body, (side, side), interpolation=cv2.INTER_LINEAR), (0, 0), side / 40) / 255.0
    to_panel = np.diag([zoom, zoom]) @ sample.crop.to_frame
    body, middle = np.clip(1.5 * body, 0, 1), np.hanning(side + 2)[1:-1]
    layers = [np.clip(strength / _FULL_COLOR_LOGIT, -1, 1), body, body * np.outer(middle, middle)]
    return [np.asarray(cv2.warpAffine(layer.astype(np.float32), to_panel, size), np.float32) for layer in layers]


def write_heatmap(path: Path, panels: list[ImageRGB]) -> None:
    """Write panels [360,W,3], three per row, as a .png; the file appears only when it is complete."""
    rows = [panels[i : i + _PANEL_COLUMNS] for i in range(0, len(panels), _PANEL_COLUMNS)]
    blank = np.full_like(panels[0], 255)
    image = np.concatenate([np.concatenate(row + [blank] * (len(rows[0]) - len(row)), axis=1) for row in rows], axis=0)
    encoded = cv2.imencode(".png", np.ascontiguousarray(image[..., ::-1]))[1]
    with complete_or_absent(path) as temporary:
        temporary.write_bytes(encoded.tobytes())
