"""Tells whether the person in a video was synthesized, by looking; `marking` reads what the video says of itself.

    video -> looks.plan -> pairs of pictures -> Forensic.net -> logits of patches -> pooled over bodies, then over the clip

Pictures are streamed: a long video needs no more memory than a short one.
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
from dancenow.media.source import probe
from dancenow.progress import ProgressCallback, ignore_progress, track
from dancenow.provenance.forensics.classifier import Calibration, Forensic, load_forensic, pool
from dancenow.provenance.forensics.samples import Look, body_share, look, plan
from dancenow.storage.atomic_io import complete_or_absent
from dancenow.types import FloatArray, ImageRGB

Verdict = Literal["synthesized", "real", "undecided"]
UNDECIDED: Final = (0.3, 0.7)
"""Probabilities between these are no verdict."""
LEAST_FPS: Final = 15.0
"""Of videos with fewer frames a second it gives no verdict: it has learnt what changes from one frame of film to the next, and
in such videos hardly anything stays the same."""
_BATCH: Final = 8
_SHOWN, _SHOWN_HEIGHT_PX, _SHOWN_COLUMNS = 6, 360, 3
_FULL_COLOUR: Final = 12.0
"""Patch logits of this size have the full colour."""


@dataclass(frozen=True, eq=False)
class Judged:
    """One look with its result: patch logits float32 [h,w], positive where it looks synthetic, and their mean over the body."""

    look: Look
    logits: FloatArray
    score: float


@dataclass(frozen=True)
class Finding:
    """What the classifier says of a video.

    probability: of being synthesized, if both are equally likely beforehand. curve: that of each second by itself, None where
    nobody was seen; noisier than the whole. looks: pairs of pictures. frames_per_s: frames of the video over seconds spent.
    score: the mean logit that the probability comes from. slow: the video has too few frames a second for a verdict.
    """

    verdict: Verdict
    probability: float
    curve: tuple[float | None, ...]
    looks: int
    frames_per_s: float
    score: float
    slow: bool = False

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "verdict": self.verdict,
            "probability": round(self.probability, 4),
            "per_second": [None if p is None else round(p, 4) for p in self.curve],
            "looks": self.looks,
            "frames_per_s": round(self.frames_per_s, 1),
        }

    def sentences(self) -> tuple[str, ...]:
        """For a person, one each."""
        said = {
            "synthesized": "the person looks synthesized",
            "real": "the person looks real",
            "undecided": "it cannot tell whether the person is real",
        }[self.verdict]
        if self.slow:
            said = f"no verdict on a video with fewer than {LEAST_FPS:.0f} frames a second"
        curve = " ".join("-" if p is None else f"{100 * p:.0f}" for p in self.curve)
        return (
            f"Classifier: {said} ({_percent(self.probability)} likely to be synthesized, from {self.looks} pairs of frames).",
            f"Second by second, in percent: {curve}",
            f"It looked at {self.frames_per_s:.0f} frames a second. It can be wrong: see the card beside its weights.",
        )


def _percent(probability: float) -> str:
    """Never certain: no classifier is."""
    return "over 99%" if probability > 0.99 else "under 1%" if probability < 0.01 else f"{probability:.0%}"


def examine(
    video: Path,
    weights: Path | None = None,
    *,
    person: int | None = None,
    heatmap: Path | None = None,
    use_cache: bool = True,
    on_progress: ProgressCallback = ignore_progress,
) -> Finding:
    """Judge the person in a video.

    Args:
        weights: another classifier than the shipped one.
        person: whom to judge, as in `detect_poses`.
        use_cache: as in `detect_poses`.
        heatmap: a .png to write: up to six frames, red where the person looks synthesized and blue where real.

    Raises:
        UserError: the video cannot be read, nobody is in it long enough, or the weights are missing or damaged.
    """
    start_s = time.perf_counter()
    forensic = load_forensic(weights or FORENSIC)
    planned = plan(video, person, use_cache, on_progress)
    shown = set(np.linspace(0, len(planned) - 1, min(_SHOWN, len(planned))).round().astype(int).tolist())
    scores, shares, times_s, kept = [], [], [], []
    looks = look(planned, forensic.net.config.crop_px)
    for number, judged in enumerate(track(judge(forensic, looks), "look at the person", len(planned), on_progress)):
        scores.append(judged.score)
        shares.append(body_share(judged.look.body))
        times_s.append(judged.look.time_s)
        if heatmap is not None and number in shown:
            parts = list(judge(forensic, iter(judged.look.all_over())))
            kept.append(panel(parts, forensic.calibration.sized(shares[-1])))
    if not scores:
        raise InputError(f"{video} has no two consecutive frames with a person; the classifier needs a film, not a picture.")
    score = float(np.mean(scores))
    calibration = forensic.calibration.sized(float(np.mean(shares)))
    probability = calibration.probability(score)
    if heatmap is not None:
        write_heatmap(heatmap, kept)
    spent_s = time.perf_counter() - start_s
    curve = per_second(np.array(scores), np.array(times_s), calibration)
    slow = float(probe(video).fps) < LEAST_FPS
    told = "undecided" if slow else verdict(probability)
    return Finding(told, probability, curve, len(scores), planned.num_frames / spent_s, score, slow)


def verdict(probability: float) -> Verdict:
    """In a word."""
    low, high = UNDECIDED
    return "synthesized" if probability > high else "real" if probability < low else "undecided"


def judge(forensic: Forensic, looks: Iterator[Look]) -> Iterator[Judged]:
    """Each look with its logits, a few at a time."""
    while batch := list(islice(looks, _BATCH)):
        pictures = np.stack([each.pictures for each in batch])
        logits, scores = judge_pictures(forensic, pictures, np.stack([each.body for each in batch]))
        for each, patches, score in zip(batch, logits, scores, strict=True):
            yield Judged(each, patches, float(score))


@torch.inference_mode()
def judge_pictures(
    forensic: Forensic, pictures: NDArray[np.uint8], bodies: NDArray[np.uint8]
) -> tuple[FloatArray, NDArray[np.float32]]:
    """Patch logits [N,h,w] and their means [N] over the bodies, of pairs uint8 [N,2,S,S,3] and bodies uint8 [N,S/4,S/4]."""
    body = torch.from_numpy(bodies)[:, None].float() / 255
    logits = forensic.net(as_tensor(pictures))
    scores = pool(logits, body)
    return logits[:, 0].float().numpy(), scores.float().numpy()


def as_tensor(pictures: NDArray[np.uint8]) -> Tensor:
    """uint8 [*B,H,W,3] as float32 [*B,3,H,W] in [-1,1]."""
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(pictures, -1, -3))).float().div_(127.5).sub_(1.0)


def per_second(scores: NDArray[Any], times_s: NDArray[np.float64], calibration: Calibration) -> tuple[float | None, ...]:
    """The probability of each second's looks."""
    second = times_s.astype(int)
    means = {int(s): float(scores[second == s].mean()) for s in np.unique(second)}
    return tuple(calibration.probability(means[s]) if s in means else None for s in range(int(second.max()) + 1))


def panel(parts: Sequence[Judged], calibration: Calibration) -> ImageRGB:
    """The frame, its patches coloured where the body is, its time and probability written on it: uint8 [360,W,3].

    parts: one moment through several windows; where they overlap, they are averaged.
    """
    frame = parts[0].look.frames_rgb[1]
    height, width = frame.shape[:2]
    zoom = _SHOWN_HEIGHT_PX / height
    size = (round(width * zoom), _SHOWN_HEIGHT_PX)
    layers = [_coloured(each, calibration, zoom, size) for each in parts]
    there = np.max([body for _, body, _ in layers], axis=0)
    signed = sum(strength * weight for strength, _, weight in layers) / np.maximum(sum(weight for *_, weight in layers), 1e-6)
    opaque = 0.75 * there * np.abs(signed)
    colour = np.where(signed[..., None] > 0, np.array([235.0, 40, 30]), np.array([40.0, 90, 235]))
    small = cv2.resize(frame, size, interpolation=cv2.INTER_AREA if zoom < 1 else cv2.INTER_LINEAR).astype(np.float32)
    out = np.rint(small * (1 - opaque[..., None]) + colour * opaque[..., None]).astype(np.uint8)
    score = float(np.mean([each.score for each in parts]))
    text = f"{parts[0].look.time_s:.1f} s: {_percent(calibration.probability(score))}"
    for shade, thickness in ((0, 3), (255, 1)):
        cv2.putText(out, text, (8, 22), cv2.FONT_HERSHEY_SIMPLEX, 0.55, (shade, shade, shade), thickness, cv2.LINE_AA)
    return np.asarray(out, np.uint8)


def _coloured(judged: Judged, calibration: Calibration, zoom: float, size: tuple[int, int]) -> list[FloatArray]:
    """On a panel of size (W, H), zoom times the frame's: how synthetic places look, -1 to 1, where the body is, 0 to 1, and
    what the window's word counts there, most in its middle."""
    look, side = judged.look, judged.look.crop.size
    strength = cv2.resize(judged.logits * calibration.slope + calibration.offset, (side, side), interpolation=cv2.INTER_CUBIC)
    body = cv2.GaussianBlur(cv2.resize(look.body, (side, side), interpolation=cv2.INTER_LINEAR), (0, 0), side / 40) / 255.0
    to_panel = np.diag([zoom, zoom]) @ look.crop.to_frame
    body, middle = np.clip(1.5 * body, 0, 1), np.hanning(side + 2)[1:-1]
    layers = [np.clip(strength / _FULL_COLOUR, -1, 1), body, body * np.outer(middle, middle)]
    return [np.asarray(cv2.warpAffine(layer.astype(np.float32), to_panel, size), np.float32) for layer in layers]


def write_heatmap(path: Path, panels: list[ImageRGB]) -> None:
    """Panels [360,W,3] side by side, three in a row, as a .png that appears when it is complete."""
    rows = [panels[i : i + _SHOWN_COLUMNS] for i in range(0, len(panels), _SHOWN_COLUMNS)]
    blank = np.full_like(panels[0], 255)
    picture = np.concatenate([np.concatenate(row + [blank] * (len(rows[0]) - len(row)), axis=1) for row in rows], axis=0)
    encoded = cv2.imencode(".png", np.ascontiguousarray(picture[..., ::-1]))[1]
    with complete_or_absent(path) as temporary:
        temporary.write_bytes(encoded.tobytes())
