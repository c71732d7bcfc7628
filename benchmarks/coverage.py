"""How well the coverage forecast orders the true errors of transfers: rendered dancers, limited footage, known truth.

Usage: python benchmarks/coverage.py WORK_FOLDER OUT.json [MODEL FOOTAGE SOURCE TRUTH]...
Each model learns from a few seconds of one dance and then dances another body's video. Frames that were not learnt from are
compared with the rendered truth. The curve is fitted on `TUNED`; `HELD_OUT` judges it, and so do the transfers of the further
arguments: a trained model, the video it was trained on, the source, and the true video. WORK_FOLDER keeps what was made.

A mean over the person's box is unfair: stretched arms fill it with wall, which is exact, so that far poses look good.
`perceptual_person` is the perceptual distance in the box times the box's area over the person's: per pixel of person.
"""

import json
import sys
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from dancenow import pipeline
from dancenow.checkpoint import load_checkpoint, read_info
from dancenow.compare import PictureJudge
from dancenow.consent import consent
from dancenow.coverage import coverage
from dancenow.data.subject import Subject, prepare
from dancenow.data.target import KIND, Target
from dancenow.files import complete_or_absent
from dancenow.metrics.pictures import ssim_map
from dancenow.metrics.regions import person_box
from dancenow.models.perceptual import PerceptualDistance
from dancenow.pose.detect import detect_poses
from dancenow.pose.trackfile import load_track
from dancenow.studio.clip import Clip, render_clip
from dancenow.training.loop import state_path
from dancenow.training.presets import PRESETS
from dancenow.video import VideoWriter, read_frames, read_masks

Curve = NDArray[np.float64]
Curves = dict[str, Curve]

ROOM = {"ada": "bright", "ben": "loft", "chi": "bright"}
SECONDS, FPS, SIZE_PX, CANVAS_PX, IMAGES = 20.0, 12, 288, 128, 300


@dataclass(frozen=True)
class Trial:
    """A model of `person` from seconds start_s to stop_s of `dance`; the dances come from the video of `dancer`."""

    person: str
    dancer: str
    dance: str
    start_s: float
    stop_s: float
    danced: tuple[str, ...] = ("pulse",)

    @property
    def name(self) -> str:
        return f"{self.person}-{self.dance}-{self.start_s:g}-{self.stop_s:g}"


TUNED = (Trial("ben", "ada", "pulse", 8, 20),)
HELD_OUT = (
    Trial("ada", "chi", "spark", 0, 12),
    Trial("ada", "ada", "spark", 0, 12),
    Trial("ben", "ben", "pulse", 8, 20, ("spark",)),
)
"""Another person; and the same without what normalization gets wrong: they dance their own video, which is the truth."""
EVERY = 3
"""Of the further videos, which have more frames, each third is judged."""
DIFFERS = 30
"""Levels of 255 by which a pixel of the person differs from the background."""


def use_small_draft() -> None:
    """The draft preset on a smaller canvas and without the adversarial part: a fifth of the work."""
    draft = PRESETS["draft"]
    generator = replace(draft.generator, canvas_px=CANVAS_PX)
    PRESETS["draft"] = replace(draft, generator=generator, judged_px=96, adversarial_from=1.0)


def rendered(folder: Path, person: str, dance: str) -> Clip:
    clip = Clip(folder / f"{person}-{dance}.mp4")
    if not clip.background.exists():
        seed = sum(map(ord, person + dance))
        size = {"width_px": SIZE_PX, "height_px": SIZE_PX}
        render_clip(person, dance, ROOM[person], clip.video, fps=Fraction(FPS), seconds=SECONDS, seed=seed, sound=False, **size)
    return clip


def cut(video: Path, start_s: float, stop_s: float, out: Path) -> None:
    with VideoWriter(out, SIZE_PX, SIZE_PX, fps=Fraction(FPS), crf=10) as writer:
        for i, frame in enumerate(islice(read_frames(video), round(start_s * FPS), round(stop_s * FPS))):
            writer.write(frame.image_rgb, Fraction(i, FPS))


def trained(folder: Path, trial: Trial) -> tuple[Path, Path]:
    """Subject folder and model."""
    subject, model = folder / f"{trial.name}.subject", folder / f"{trial.name}.safetensors"
    if not subject.exists():
        footage = folder / f"{trial.name}.mp4"
        cut(rendered(folder, trial.person, trial.dance).video, trial.start_s, trial.stop_s, footage)
        prepare(footage, subject, consent=consent("rendered"))
    if not model.exists() or read_info(model).images_seen < IMAGES:
        pipeline.train(subject, model, budget=f"{IMAGES}images", resume=state_path(model).exists(), device="cpu")
    return subject, model


def errors(folder: Path, trial: Trial, model: Path, dance: str, dancer: str) -> Curves:
    """Per frame: SSIM in the person's box and on the person's pixels, and perceptual distance in the box."""
    kept = folder / f"{trial.name}-{dance}-from-{dancer}.npz"
    if kept.exists():
        with np.load(kept) as held:
            return dict(held)
    source, truth = rendered(folder, dancer, dance), rendered(folder, trial.person, dance)
    out = kept.with_suffix(".mp4")
    pipeline.transfer(source.video, model, out, device="cpu")
    judge, exact = PictureJudge(PerceptualDistance(), 2), load_track(truth.track)
    rows = []
    frames = zip(read_frames(truth.video), read_frames(out), read_masks(truth.masks), strict=True)
    for i, (true, made, mask) in enumerate(frames):
        score = judge.judge(true.image_rgb, exact.pose[i], [made.image_rgb])[1]
        where = cv2.dilate(cv2.resize(mask, (SIZE_PX, SIZE_PX)), np.ones((7, 7), np.uint8)) > 127
        on_person = ssim_map(made.image_rgb, true.image_rgb)[where].mean()
        rows.append((score.ssim["person"], on_person, score.perceptual.get("person", np.nan)))
    curves = dict(zip(("ssim_box", "ssim_person", "perceptual"), np.array(rows, np.float64).T, strict=True))
    np.savez(kept, **curves)
    return curves


def forecast(folder: Path, trial: Trial, subject: Path, dance: str, dancer: str) -> tuple[Curves, NDArray[np.bool_]]:
    """The distances of every frame, and which frames are to be judged: those that were not learnt from."""
    source = detect_poses(rendered(folder, dancer, dance).video)
    found = coverage(source, Subject.open(subject).track)
    learnt = (source.time_s >= trial.start_s) & (source.time_s < trial.stop_s) if dance == trial.dance else source.time_s < 0
    return {"distance": found.distance, **found.parts}, ~learnt & np.isfinite(found.distance)


def spearman(a: Curve, b: Curve) -> float:
    """Rank correlation of the frames where both are known."""
    known = np.isfinite(a) & np.isfinite(b)
    ranks = [np.argsort(np.argsort(values[known], kind="stable"), kind="stable") for values in (a, b)]
    return float(np.corrcoef(*ranks)[0, 1])


def rising(distance: Curve, error: Curve, knots: int = 8) -> list[tuple[float, float]]:
    """A curve that never falls: medians of `knots` groups of equal size, neighbours that fall pooled (isotonic regression)."""
    order = np.argsort(distance)
    groups = [[float(np.median(distance[g])), float(np.median(error[g])), 1.0] for g in np.array_split(order, knots)]
    pooled: list[list[float]] = []
    for group in groups:
        pooled.append(group)
        while len(pooled) > 1 and pooled[-2][1] > pooled[-1][1]:
            (x, y, n), (u, v, m) = pooled.pop(), pooled.pop()
            pooled.append([(x * n + u * m) / (n + m), (y * n + v * m) / (n + m), n + m])
    return [(round(x, 4), round(y, 4)) for x, y, _ in pooled]


def correlations(frames: Curves) -> dict[str, float]:
    """Spearman's of the distance with every error; SSIM is turned round, so that positive is right everywhere."""
    sign = {"perceptual": 1, "perceptual_person": 1, "ssim_box": -1, "ssim_person": -1}
    return {f"spearman_{n}": round(spearman(frames["distance"], s * frames[n]), 3) for n, s in sign.items() if n in frames}


def box_per_person(clip: Clip) -> Curve:
    """Area of the person's box over that of the person, for every frame."""
    exact, ratios = load_track(clip.track), []
    for pose, mask in zip(exact.pose, read_masks(clip.masks), strict=True):
        box = person_box(pose, exact.width_px, exact.height_px)
        share = float((cv2.resize(mask, (exact.width_px, exact.height_px)) > 127).mean()) * exact.width_px * exact.height_px
        ratios.append(np.nan if box is None else (box.right - box.left) * (box.bottom - box.top) / max(share, 1.0))
    return np.array(ratios)


def judged(folder: Path, trials: tuple[Trial, ...]) -> tuple[list[dict[str, Any]], Curves]:
    """A row of correlations for each transfer, and all judged frames together."""
    rows, frames = [], {}
    for trial in trials:
        subject, model = trained(folder, trial)
        for dance in trial.danced:
            true = errors(folder, trial, model, dance, trial.dancer)
            true["perceptual_person"] = true["perceptual"] * box_per_person(rendered(folder, trial.person, dance))
            told, judge = forecast(folder, trial, subject, dance, trial.dancer)
            curves = {name: values[judge] for name, values in {**told, **true}.items()}
            row = correlations(curves)
            mean = {f"mean_{name}": round(float(np.nanmean(curves[name])), 4) for name in ("distance", *true)}
            rows.append(
                {"model": trial.name, "dance": dance, "dancer": trial.dancer, "frames": int(judge.sum()), **row, **mean}
            )
            print(rows[-1], flush=True)
            for name, values in curves.items():
                frames[name] = np.concatenate([frames.get(name, []), values])
    return rows, frames


def further(folder: Path, model: Path, footage: Path, source: Path, truth: Path) -> dict[str, Any]:
    """The same for a model and a truth that exist; the person is where the truth differs from the model's background."""
    out = folder / f"{model.stem}-{source.stem}.mp4"
    if not out.exists():
        pipeline.transfer(source, model, out, device="cpu")
    plate = Target.of_checkpoint(load_checkpoint(model, KIND)).plate.image_rgb.astype(int)
    true, judge, rows = detect_poses(truth), PictureJudge(PerceptualDistance(), 1), []
    for a, b in zip(read_frames(truth, 0, None, EVERY), read_frames(out, 0, None, EVERY), strict=True):
        score = judge.judge(a.image_rgb, true.pose[a.index], [b.image_rgb])[1]
        box = person_box(true.pose[a.index], true.width_px, true.height_px)
        differs = cv2.medianBlur((np.abs(a.image_rgb - plate).max(axis=2) > DIFFERS).astype(np.uint8), 5)
        ratio = np.nan if box is None else box.of(differs).size / max(float(box.of(differs).sum()), 1.0)
        perceptual = score.perceptual.get("person", np.nan)
        rows.append((score.ssim.get("person", np.nan), perceptual, perceptual * ratio))
    curves = dict(zip(("ssim_box", "perceptual", "perceptual_person"), np.array(rows, np.float64).T, strict=True))
    curves["distance"] = coverage(detect_poses(source), detect_poses(footage)).distance[::EVERY]
    mean = {f"mean_{name}": round(float(np.nanmean(values)), 4) for name, values in curves.items()}
    return {"footage": footage.stem, "dance": source.stem, "frames": len(rows), **correlations(curves), **mean}


def main() -> None:
    folder, out = Path(sys.argv[1]), Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    use_small_draft()
    tuned, frames = judged(folder, TUNED)
    held_out, others = judged(folder, HELD_OUT)
    known = np.isfinite(frames["perceptual_person"])
    result = {
        "conditions": {"seconds": SECONDS, "fps": FPS, "size_px": SIZE_PX, "canvas_px": CANVAS_PX, "images": IMAGES},
        "curve": rising(frames["distance"][known], frames["perceptual_person"][known]),
        "tuned": tuned,
        "tuned_pooled": correlations(frames),
        "held_out": held_out,
        "held_out_pooled": correlations(others),
        "further": [further(folder, *(Path(word) for word in sys.argv[i : i + 4])) for i in range(3, len(sys.argv), 4)],
    }
    with complete_or_absent(out) as temporary:
        temporary.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
