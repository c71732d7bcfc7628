"""Ablation and accuracy of the forensic classifier: several trained variants, tested on whole videos.

Protocol: the test's subjects, dances and rooms are in no training, nor is one family of generators. Probabilities are
calibrated on further people. Real camera clips are only tested, never used in training.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from dancenow.assets import FORENSIC
from dancenow.errors import OptionError, UserError
from dancenow.progress import ProgressCallback, ignore_progress
from dancenow.provenance.forensics.classifier import Calibration, ForensicClassifier, load_classifier
from dancenow.provenance.forensics.detector import score_images
from dancenow.provenance.forensics.network import ForensicConfig
from dancenow.provenance.forensics.samples import body_fraction, plan_samples, read_samples
from dancenow.research.bench.forensic_dataset import (
    EVALUATED_ENCODINGS,
    FAKE_SPECS,
    TEST_FAKE_SPECS,
    EvaluationVideo,
    evaluation_videos,
    is_complete,
    load_samples,
    random_people,
)
from dancenow.research.bench.forensic_field_test import classify_camera_clips, classify_product_clips, measure_speed
from dancenow.research.bench.pseudo_fakes import PSEUDO_FAKES
from dancenow.research.bench.results import Result, machine, today, versions
from dancenow.research.forensics.scoring import body_fractions, clip_scores
from dancenow.research.forensics.training import REAL, ClipSamples, ForensicRecipe, ForensicTask, PairedSampler
from dancenow.storage.atomic_io import cache_dir, complete_or_absent, sha256_of
from dancenow.storage.checkpoint import read_info, save_checkpoint
from dancenow.training.budget import Budget
from dancenow.training.loop import LoopConfig, preview_path, state_path, train_loop

SEED: Final = 7
SHIPPED: Final = "shipped"
WHOLE_FRAME: Final = ("paper", "pix2pixHD")
NEAREST: Final = ("nearest frame",)
NETWORK: Final = ForensicConfig(width=32, blocks=(1, 2, 1))
PSEUDO_FAKE_WEIGHT: Final = 0.5
"""How often a pseudo-fake method is drawn in training, relative to a family of generators."""
CONTINUED_RATE: Final = 7e-4
"""Peak learning rate of a training that starts from trained weights."""
_BATCH: Final = 16


@dataclass(frozen=True)
class Variant:
    """One training. what: description; without: families left out; frames: 2 for pairs, 1 for single images; images: number of
    training images; continued: starts from the shipped weights, with a lower learning rate."""

    what: str
    without: tuple[str, ...] = ()
    frames: Literal[1, 2] = 2
    images: int = 70_000
    continued: bool = False


@dataclass(frozen=True)
class VideoScore:
    """A video's mean logit, and the fraction of the sampled images that the body fills."""

    score: float
    body_fraction: float


VARIANTS: Final[Mapping[str, Variant]] = {
    SHIPPED: Variant("pairs, every family but the nearest frame, and pseudo-fakes", NEAREST),
    "single": Variant("the same with single images", NEAREST, frames=1, images=30_000),
    "with nearest frame": Variant("pairs, every family, and pseudo-fakes", images=100_000),
    "continued": Variant("the shipped weights, trained on with filmed people", NEAREST, images=16_000, continued=True),
    "without whole-frame": Variant("pairs, every family but the whole-frame generators, and pseudo-fakes", WHOLE_FRAME),
}


def variant_path(name: str, shipped: Path) -> Path:
    """File with a variant's weights."""
    return shipped if name == SHIPPED else cache_dir("forensics/variants") / f"{name.replace(' ', '-')}.safetensors"


def variant(name: str) -> Variant:
    """Look up a variant by name.

    Raises:
        UserError: there is no such variant.
    """
    if name not in VARIANTS:
        raise OptionError(f"there is no variant {name!r}; choose from {', '.join(VARIANTS)}.")
    return VARIANTS[name]


def recipe_for(device: torch.device, chosen: Variant) -> ForensicRecipe:
    """Use large batches on a GPU, where small ones would take as long."""
    pairs_per_step = 64 if device.type == "cuda" else 8
    learning_rate = CONTINUED_RATE if chosen.continued else ForensicRecipe().learning_rate
    return ForensicRecipe(
        replace(NETWORK, frames=chosen.frames), pairs_per_step=pairs_per_step, learning_rate=learning_rate, augment_prob=0.35
    )


def train_variant(
    name: str,
    shipped: Path,
    device: torch.device,
    seconds: float | None = None,
    on_progress: ProgressCallback = ignore_progress,
) -> Path:
    """Train a variant for its number of images or for some seconds, calibrate it, and report on the test's samples beside it.

    Raises:
        UserError: there is no variant of that name.
    """
    chosen = variant(name)
    recipe = recipe_for(device, chosen)
    clips = load_samples("train", chosen.without, pseudo_fakes=True)
    sampler = PairedSampler(clips, device, dict.fromkeys(PSEUDO_FAKES, PSEUDO_FAKE_WEIGHT))
    start = load_classifier(FORENSIC).net if chosen.continued else None
    task = ForensicTask(sampler, recipe, seed=SEED, start=start)
    out = variant_path(name, shipped)
    unfinished = unfinished_path(name)
    budget = Budget(images=chosen.images) if seconds is None else Budget(seconds=seconds)
    train_loop(task, unfinished, budget, resume=False, config=LoopConfig(seed=SEED), on_progress=on_progress)
    classifier = task.classifier(Calibration(), f"{chosen.what}; rendered people only, see forensic.md")
    classifier.net.to(device)
    finish(classifier, name, out, task.images)
    for left_over in (unfinished, state_path(unfinished), preview_path(unfinished)):
        left_over.unlink(missing_ok=True)
    return out


def unfinished_path(name: str) -> Path:
    """File of a variant during training, before calibration."""
    return cache_dir("forensics/unfinished") / f"{name.replace(' ', '-')}.safetensors"


def finish(classifier: ForensicClassifier, name: str, out: Path, images: int) -> None:
    """Calibrate on the calibration people, save, and report the results on the random people of the test."""
    known, unknown = load_samples("calibrate", variant(name).without), load_samples("test")
    scores, synthetic = clip_scores(classifier, known), np.array([each.synthetic for each in known], np.bool_)
    calibration = Calibration()
    if synthetic.any() and not synthetic.all():
        calibration = Calibration.fit(torch.from_numpy(scores), torch.from_numpy(synthetic), body_fractions(known))
    out.parent.mkdir(parents=True, exist_ok=True)
    save_checkpoint(out, replace(classifier, calibration=calibration).to_checkpoint(images))
    test_scores, fractions = clip_scores(classifier, unknown).tolist(), body_fractions(unknown).tolist()
    records = [
        sample_record(each, calibration.for_body_fraction(fraction).probability(score))
        for each, score, fraction in zip(unknown, test_scores, fractions, strict=True)
    ]
    report = {
        "variant": name, "images": images, "people": len({e.group for e in known}), "calibration": asdict(calibration),
        "torch": torch.__version__, "over all": rates(records, "probability"),
        "by family": {
            family: rates([c for c in records if c["family"] in (REAL, family)], "probability")
            for family in sorted({c["family"] for c in records} - {REAL})
        },
        "cells": records,
    }  # fmt: skip
    with complete_or_absent(samples_report_path(name)) as temporary:
        temporary.write_text(json.dumps(report, indent=1), "utf-8")


def samples_report_path(name: str) -> Path:
    """File with a variant's results on the random people of the test."""
    return cache_dir("forensics/variants") / f"{name.replace(' ', '-')}-samples.json"


def sample_record(clip: ClipSamples, probability: float) -> dict[str, Any]:
    """The record of a clip stored as samples."""
    return {"family": clip.family, "clip": clip.clip, "probability": round(probability, 5)}


def recalibrate(name: str, shipped: Path, device: torch.device) -> Path:
    """Calibrate a trained variant again."""
    path = variant_path(name, shipped)
    classifier = load_classifier(path)
    classifier.net.to(device)
    finish(classifier, name, path, read_info(path).images_seen)
    return path


def measure(out: Path, shipped: Path, part: tuple[int, int] = (0, 1)) -> Path | None:
    """Classify every test video with every trained variant, and the camera clips with the shipped one; write the JSON.

    part: (index, count): process only this part of the videos and write nothing; scores are cached, so that several processes
    can divide the work before the final call.
    """
    models = {name: load_classifier(path) for name in VARIANTS if (path := variant_path(name, shipped)).is_file()}
    clips = list(evaluation_videos())
    if part != (0, 1):
        for each in clips[part[0] :: part[1]]:
            cached_scores(each.video, models)
        return None
    records = [evaluate_video(each, models) for each in clips]
    summary: dict[str, Any] = {name: summarize(records, name, VARIANTS[name].without) for name in models}
    summary["calibration"] = reliability(records, SHIPPED)
    summary["random people"] = {
        name: {key: value for key, value in json.loads(path.read_text("utf-8")).items() if key != "cells"}
        for name in models
        if (path := samples_report_path(name)).is_file()
    }
    summary["product"], summary["camera"] = classify_product_clips(shipped), classify_camera_clips(shipped)
    summary["speed"] = measure_speed(clips[0].video, shipped)
    settings = {
        "judged encodings": [each.name for each in EVALUATED_ENCODINGS],
        "variants": {name: asdict(VARIANTS[name]) for name in models},
        "random people": dict(Counter(each.role for each in random_people() if is_complete(each))),
        "forged of random people": [[[o.method, list(o.images)] for o in specs] for specs in FAKE_SPECS],
        "forged of the test": [[o.method, list(o.images)] for o in TEST_FAKE_SPECS],
    }
    result = Result("forensics", "laptop", today(), machine(), versions(), [SEED], settings, records, summary)
    return result.write(out)


def evaluate_video(video: EvaluationVideo, models: Mapping[str, ForensicClassifier]) -> dict[str, Any]:
    """A test video's record: what it is, and each model's probability; None where no person could be tracked."""
    record = {key: getattr(video, key) for key in ("subject", "dance", "family", "images", "encoding")}
    for name, score in cached_scores(video.video, models).items():
        record[name] = None if score is None else round(probability(models[name], score), 5)
    return record


def probability(classifier: ForensicClassifier, score: VideoScore) -> float:
    """The calibrated probability of a video."""
    return classifier.calibration.for_body_fraction(score.body_fraction).probability(score.score)


def cached_scores(video: Path, models: Mapping[str, ForensicClassifier]) -> dict[str, VideoScore | None]:
    """Each model's score of a video, cached by video and network, so that an interrupted measurement can resume. None where no
    person can be tracked."""
    digest = sha256_of(video)[:20]
    paths = {name: cache_dir("forensics/scores") / f"{digest}-{_digest(each)}.json" for name, each in models.items()}
    missing = {name: models[name] for name, path in paths.items() if not path.is_file()}
    for name, score in (measure_scores(video, missing) if missing else {}).items():
        with complete_or_absent(paths[name]) as temporary:
            temporary.write_text(json.dumps(None if score is None else asdict(score)))
    cached = {name: json.loads(path.read_text("utf-8")) for name, path in paths.items()}
    return {name: None if score is None else VideoScore(**score) for name, score in cached.items()}


def _digest(classifier: ForensicClassifier) -> str:
    """Digest of the network's weights."""
    digest = hashlib.sha256()
    for value in classifier.net.state_dict().values():
        digest.update(value.half().numpy().tobytes())
    return digest.hexdigest()[:20]


def measure_scores(video: Path, models: Mapping[str, ForensicClassifier]) -> dict[str, VideoScore | None]:
    """Score a video with all models; its samples are read once."""
    try:
        samples = list(read_samples(plan_samples(video), NETWORK.crop_px))
    except UserError:
        samples = []
    if not samples:
        return dict.fromkeys(models)
    images, bodies = np.stack([each.images for each in samples]), np.stack([each.body for each in samples])
    parts = [slice(first, first + _BATCH) for first in range(0, len(samples), _BATCH)]
    fraction = float(np.mean([body_fraction(each.body) for each in samples]))
    results: dict[str, VideoScore | None] = {}
    for name, classifier in models.items():
        scores = [score_images(classifier, images[part], bodies[part])[1] for part in parts]
        results[name] = VideoScore(float(np.concatenate(scores).mean()), fraction)
    return results


def summarize(records: Sequence[Mapping[str, Any]], variant: str, held_out: Sequence[str]) -> dict[str, Any]:
    """Accuracy and AUC, in total and by subject, family, training images and encoding."""
    kept = [record for record in records if record[variant] is not None]
    families = sorted({record["family"] for record in kept} - {"real"})
    by_family = {family: [c for c in kept if c["family"] in (family, "real")] for family in families}
    table: dict[str, Any] = {"over all": rates(kept, variant), "nobody found": len(records) - len(kept)}
    for key in ("subject", "encoding"):
        values = sorted({record[key] for record in kept})
        table[f"by {key}"] = {value: rates([c for c in kept if c[key] == value], variant) for value in values}
    table["by family"] = {family: rates(clips, variant) for family, clips in by_family.items()}
    if held_out:
        table["held out"] = rates([c for c in kept if c["family"] in ("real", *held_out)], variant)
    drafts = sorted({c["images"] for c in kept if c["family"] == "draft"})
    table["draft by images"] = {
        str(n): rates([c for c in kept if c["family"] == "real" or (c["family"] == "draft" and c["images"] == n)], variant)
        for n in drafts
    }
    return table


def rates(records: Sequence[Mapping[str, Any]], variant: str) -> dict[str, Any]:
    """real, synthetic: the fractions of each class on the right side of one half; accuracy: their mean."""
    real = np.array([record[variant] for record in records if record["family"] == "real"])
    fake = np.array([record[variant] for record in records if record["family"] != "real"])
    fractions = {"real": _fraction(real < 0.5), "synthetic": _fraction(fake >= 0.5)}
    known = [fraction for fraction in fractions.values() if fraction is not None]
    accuracy = round(float(np.mean(known)), 4) if known else None
    return {"clips": len(records), "accuracy": accuracy, "auc": auc(real, fake), **fractions}


def _fraction(correct: NDArray[np.bool_]) -> float | None:
    return round(float(correct.mean()), 4) if len(correct) else None


def auc(real: NDArray[np.float64], fake: NDArray[np.float64]) -> float | None:
    """How often a fake's probability is above a real clip's; ties count half. None if a class is empty."""
    if not len(real) or not len(fake):
        return None
    above = (fake[:, None] > real).mean() + 0.5 * (fake[:, None] == real).mean()
    return round(float(above), 4)


def reliability(records: Sequence[Mapping[str, Any]], variant: str, bins: int = 5) -> dict[str, Any]:
    """Calibration quality with equal class weights: expected calibration error, Brier score, and the bins."""
    kept = [record for record in records if record[variant] is not None]
    predicted = np.array([record[variant] for record in kept])
    fake = np.array([record["family"] != "real" for record in kept])
    weight = np.where(fake, 0.5 / max(fake.sum(), 1), 0.5 / max((~fake).sum(), 1))
    bin_index = np.minimum((predicted * bins).astype(int), bins - 1)
    rows, error = [], 0.0
    for i in range(bins):
        inside = bin_index == i
        total = float(weight[inside].sum())
        if total > 0:
            mean, truth = (float((weight * x)[inside].sum()) / total for x in (predicted, fake))
            error += total * abs(mean - truth)
            rows.append({"said": round(mean, 4), "true": round(truth, 4), "clips": int(inside.sum())})
    brier = float((weight * (predicted - fake) ** 2).sum())
    return {"expected error": round(error, 4), "brier": round(brier, 4), "bins": rows}
