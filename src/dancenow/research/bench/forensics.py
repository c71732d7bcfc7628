"""What the classifier owes to what, and how often it is wrong: trained in several variants, judged as anybody's video is.

Protocol: subjects, dances and rooms of the test are in no training, nor is one family of what forges. Probabilities are
calibrated on further people. Real camera clips are judged only, never learnt from.
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

from dancenow.errors import OptionError, UserError
from dancenow.progress import ProgressCallback, ignore_progress
from dancenow.provenance.forensics.classifier import Calibration, Forensic, load_forensic
from dancenow.provenance.forensics.detector import judge_pictures
from dancenow.provenance.forensics.network import ForensicConfig
from dancenow.provenance.forensics.samples import body_share, look, plan
from dancenow.research.bench.forensic_dataset import (
    JUDGED,
    ORDERS,
    TEST_ORDERS,
    Exhibit,
    exhibits,
    is_made,
    looks_at,
    recruits,
)
from dancenow.research.bench.forensic_field_test import camera, product, speed
from dancenow.research.bench.pseudo_fakes import PRETENCES
from dancenow.research.bench.results import Result, machine, today, versions
from dancenow.research.forensics.scoring import body_shares, clip_scores
from dancenow.research.forensics.training import REAL, Evidence, ForensicRecipe, ForensicTask, Shelf
from dancenow.storage.atomic_io import cache_dir, complete_or_absent, sha256_of
from dancenow.storage.checkpoint import read_info, save_checkpoint
from dancenow.training.budget import Budget
from dancenow.training.loop import LoopConfig, preview_path, state_path, train_loop

SEED: Final = 7
SHIPPED: Final = "shipped"
WHOLE_FRAME: Final = ("paper", "pix2pixHD")
NEAREST: Final = ("nearest frame",)
NETWORK: Final = ForensicConfig(width=32, blocks=(1, 2, 1))
PRETENCE_COUNTS: Final = 0.5
"""How often a kind of pretence is learnt from, over a family of generators."""
_BATCH: Final = 16


@dataclass(frozen=True)
class Variant:
    """One training. what: in words; without: families that are left out; frames: 2 for pairs, 1 for single pictures; images: of
    the training."""

    what: str
    without: tuple[str, ...] = ()
    frames: Literal[1, 2] = 2
    images: int = 70_000


@dataclass(frozen=True)
class Said:
    """Of a video: its mean logit, and the share of what was seen that the body fills."""

    score: float
    body_share: float


VARIANTS: Final[Mapping[str, Variant]] = {
    SHIPPED: Variant("pairs, every family but the nearest frame, and pretences", NEAREST),
    "single": Variant("the same from single pictures", NEAREST, frames=1, images=30_000),
    "with nearest frame": Variant("pairs, every family, and pretences", images=100_000),
    "without whole-frame": Variant("pairs, every family but the whole-frame generators, and pretences", WHOLE_FRAME),
}


def variant_path(name: str, shipped: Path) -> Path:
    """Where a variant's weights lie."""
    return shipped if name == SHIPPED else cache_dir("forensics/variants") / f"{name.replace(' ', '-')}.safetensors"


def variant(name: str) -> Variant:
    """The variant of a name.

    Raises:
        UserError: there is none.
    """
    if name not in VARIANTS:
        raise OptionError(f"there is no variant {name!r}; choose of {', '.join(VARIANTS)}.")
    return VARIANTS[name]


def recipe_for(device: torch.device, frames: Literal[1, 2]) -> ForensicRecipe:
    """Large batches on a GPU, where small ones would take as long."""
    pairs_per_step = 64 if device.type == "cuda" else 8
    return ForensicRecipe(replace(NETWORK, frames=frames), pairs_per_step=pairs_per_step, disguise=0.35)


def train_variant(
    name: str,
    shipped: Path,
    device: torch.device,
    seconds: float | None = None,
    on_progress: ProgressCallback = ignore_progress,
) -> Path:
    """Train and calibrate one, for its images or for so many seconds; what it makes of the test's looks is written beside it.

    Raises:
        UserError: there is no variant of that name.
    """
    made_as = variant(name)
    recipe = recipe_for(device, made_as.frames)
    shelf = Shelf(looks_at("train", made_as.without, pretences=True), device, dict.fromkeys(PRETENCES, PRETENCE_COUNTS))
    task = ForensicTask(shelf, recipe, seed=SEED)
    out = variant_path(name, shipped)
    unfinished = unfinished_path(name)
    budget = Budget(images=made_as.images) if seconds is None else Budget(seconds=seconds)
    train_loop(task, unfinished, budget, resume=False, config=LoopConfig(seed=SEED), on_progress=on_progress)
    forensic = task.forensic(Calibration(), f"{made_as.what}; rendered people only, see forensic.md")
    forensic.net.to(device)
    finish(forensic, name, out, task.images)
    for left_over in (unfinished, state_path(unfinished), preview_path(unfinished)):
        left_over.unlink(missing_ok=True)
    return out


def unfinished_path(name: str) -> Path:
    """Where a variant lies while it is trained, not calibrated yet."""
    return cache_dir("forensics/unfinished") / f"{name.replace(' ', '-')}.safetensors"


def finish(forensic: Forensic, name: str, out: Path, images: int) -> None:
    """Calibrate on the people who are there for it, save, and write what it makes of the random people of the test."""
    known, unknown = looks_at("calibrate", variant(name).without), looks_at("test")
    scores, made = clip_scores(forensic, known), np.array([each.synthetic for each in known], np.bool_)
    calibration = Calibration()
    if made.any() and not made.all():
        calibration = Calibration.fit(torch.from_numpy(scores), torch.from_numpy(made), body_shares(known))
    out.parent.mkdir(parents=True, exist_ok=True)
    save_checkpoint(out, replace(forensic, calibration=calibration).to_checkpoint(images))
    said, shares = clip_scores(forensic, unknown).tolist(), body_shares(unknown).tolist()
    cells = [
        look_cell(each, calibration.sized(share).probability(score))
        for each, score, share in zip(unknown, said, shares, strict=True)
    ]
    report = {
        "variant": name, "images": images, "people": len({e.group for e in known}), "calibration": asdict(calibration),
        "torch": torch.__version__, "over all": rates(cells, "said"),
        "by family": {
            family: rates([c for c in cells if c["family"] in (REAL, family)], "said")
            for family in sorted({c["family"] for c in cells} - {REAL})
        },
        "cells": cells,
    }  # fmt: skip
    with complete_or_absent(looks_report(name)) as temporary:
        temporary.write_text(json.dumps(report, indent=1), "utf-8")


def looks_report(name: str) -> Path:
    """Where `finish` writes what a variant makes of the random people of the test."""
    return cache_dir("forensics/variants") / f"{name.replace(' ', '-')}-looks.json"


def look_cell(clip: Evidence, probability: float) -> dict[str, Any]:
    """The record of a clip of looks."""
    return {"family": clip.family, "clip": clip.clip, "said": round(probability, 5)}


def recalibrate(name: str, shipped: Path, device: torch.device) -> Path:
    """Calibrate a trained variant anew."""
    path = variant_path(name, shipped)
    forensic = load_forensic(path)
    forensic.net.to(device)
    finish(forensic, name, path, read_info(path).images_seen)
    return path


def measure(out: Path, shipped: Path, part: tuple[int, int] = (0, 1)) -> Path | None:
    """Judge every test clip by every variant that is there, and the real camera clips by the shipped one; write the JSON.

    part: (number, of how many): judge only such a part of the clips, and write nothing; scores are kept, so that several
    processes can share the work before the whole is asked for.
    """
    models = {name: load_forensic(path) for name in VARIANTS if (path := variant_path(name, shipped)).is_file()}
    clips = list(exhibits())
    if part != (0, 1):
        for each in clips[part[0] :: part[1]]:
            kept_scores(each.video, models)
        return None
    cells = [judged(each, models) for each in clips]
    summary: dict[str, Any] = {name: summarised(cells, name, VARIANTS[name].without) for name in models}
    summary["calibration"] = reliability(cells, SHIPPED)
    summary["random people"] = {
        name: {key: value for key, value in json.loads(path.read_text("utf-8")).items() if key != "cells"}
        for name in models
        if (path := looks_report(name)).is_file()
    }
    summary["product"], summary["camera"] = product(shipped), camera(shipped)
    summary["speed"] = speed(clips[0].video, shipped)
    settings = {
        "judged encodings": [each.name for each in JUDGED],
        "variants": {name: asdict(VARIANTS[name]) for name in models},
        "random people": dict(Counter(each.role for each in recruits() if is_made(each))),
        "forged of random people": [[[o.way, list(o.images)] for o in orders] for orders in ORDERS],
        "forged of the test": [[o.way, list(o.images)] for o in TEST_ORDERS],
    }
    result = Result("forensics", "laptop", today(), machine(), versions(), [SEED], settings, cells, summary)
    return result.write(out)


def judged(exhibit: Exhibit, models: Mapping[str, Forensic]) -> dict[str, Any]:
    """A clip's record: what it is, and what each model says of it; None where nobody could be followed."""
    cell = {key: getattr(exhibit, key) for key in ("subject", "dance", "family", "images", "encoding")}
    for name, said in kept_scores(exhibit.video, models).items():
        cell[name] = None if said is None else round(probability(models[name], said), 5)
    return cell


def probability(forensic: Forensic, said: Said) -> float:
    """What a model says of a clip."""
    return forensic.calibration.sized(said.body_share).probability(said.score)


def kept_scores(video: Path, models: Mapping[str, Forensic]) -> dict[str, Said | None]:
    """What each model says of a video, measured once for the same video and network: an interrupted measurement goes on.
    None where nobody can be followed."""
    digest = sha256_of(video)[:20]
    paths = {name: cache_dir("forensics/said") / f"{digest}-{_digest(each)}.json" for name, each in models.items()}
    missing = {name: models[name] for name, path in paths.items() if not path.is_file()}
    for name, said in (scores_of(video, missing) if missing else {}).items():
        with complete_or_absent(paths[name]) as temporary:
            temporary.write_text(json.dumps(None if said is None else asdict(said)))
    kept = {name: json.loads(path.read_text("utf-8")) for name, path in paths.items()}
    return {name: None if said is None else Said(**said) for name, said in kept.items()}


def _digest(forensic: Forensic) -> str:
    """Of the network's weights."""
    digest = hashlib.sha256()
    for value in forensic.net.state_dict().values():
        digest.update(value.half().numpy().tobytes())
    return digest.hexdigest()[:20]


def scores_of(video: Path, models: Mapping[str, Forensic]) -> dict[str, Said | None]:
    """As `kept_scores`, measured: the video is looked at once for all of them."""
    try:
        looks = list(look(plan(video), NETWORK.crop_px))
    except UserError:
        looks = []
    if not looks:
        return dict.fromkeys(models)
    pictures, bodies = np.stack([each.pictures for each in looks]), np.stack([each.body for each in looks])
    parts = [slice(first, first + _BATCH) for first in range(0, len(looks), _BATCH)]
    share = float(np.mean([body_share(each.body) for each in looks]))
    said: dict[str, Said | None] = {}
    for name, forensic in models.items():
        scores = [judge_pictures(forensic, pictures[part], bodies[part])[1] for part in parts]
        said[name] = Said(float(np.concatenate(scores).mean()), share)
    return said


def summarised(cells: Sequence[Mapping[str, Any]], variant: str, held_out: Sequence[str]) -> dict[str, Any]:
    """Accuracy and AUC, over all and by subject, family, training images and encoding."""
    kept = [cell for cell in cells if cell[variant] is not None]
    families = sorted({cell["family"] for cell in kept} - {"real"})
    made = {family: [c for c in kept if c["family"] in (family, "real")] for family in families}
    table: dict[str, Any] = {"over all": rates(kept, variant), "nobody found": len(cells) - len(kept)}
    for key in ("subject", "encoding"):
        values = sorted({cell[key] for cell in kept})
        table[f"by {key}"] = {value: rates([c for c in kept if c[key] == value], variant) for value in values}
    table["by family"] = {family: rates(clips, variant) for family, clips in made.items()}
    if held_out:
        table["held out"] = rates([c for c in kept if c["family"] in ("real", *held_out)], variant)
    drafts = sorted({c["images"] for c in kept if c["family"] == "draft"})
    table["draft by images"] = {
        str(n): rates([c for c in kept if c["family"] == "real" or (c["family"] == "draft" and c["images"] == n)], variant)
        for n in drafts
    }
    return table


def rates(cells: Sequence[Mapping[str, Any]], variant: str) -> dict[str, Any]:
    """accuracy: the mean of both classes' shares of clips on the right side of one half; real, synthetic: those shares."""
    real = np.array([cell[variant] for cell in cells if cell["family"] == "real"])
    made = np.array([cell[variant] for cell in cells if cell["family"] != "real"])
    shares = {"real": _share(real < 0.5), "synthetic": _share(made >= 0.5)}
    known = [share for share in shares.values() if share is not None]
    accuracy = round(float(np.mean(known)), 4) if known else None
    return {"clips": len(cells), "accuracy": accuracy, "auc": auc(real, made), **shares}


def _share(right: NDArray[np.bool_]) -> float | None:
    return round(float(right.mean()), 4) if len(right) else None


def auc(real: NDArray[np.float64], made: NDArray[np.float64]) -> float | None:
    """How often a synthetic clip's probability is above a real one's; ties count half. None without both."""
    if not len(real) or not len(made):
        return None
    above = (made[:, None] > real).mean() + 0.5 * (made[:, None] == real).mean()
    return round(float(above), 4)


def reliability(cells: Sequence[Mapping[str, Any]], variant: str, bins: int = 5) -> dict[str, Any]:
    """How well probabilities hold, both classes counting the same: expected calibration error, Brier score, and the bins."""
    kept = [cell for cell in cells if cell[variant] is not None]
    said = np.array([cell[variant] for cell in kept])
    made = np.array([cell["family"] != "real" for cell in kept])
    weight = np.where(made, 0.5 / max(made.sum(), 1), 0.5 / max((~made).sum(), 1))
    place = np.minimum((said * bins).astype(int), bins - 1)
    rows, error = [], 0.0
    for i in range(bins):
        inside = place == i
        share = float(weight[inside].sum())
        if share > 0:
            mean, truth = (float((weight * x)[inside].sum()) / share for x in (said, made))
            error += share * abs(mean - truth)
            rows.append({"said": round(mean, 4), "true": round(truth, 4), "clips": int(inside.sum())})
    brier = float((weight * (said - made) ** 2).sum())
    return {"expected error": round(error, 4), "brier": round(brier, 4), "bins": rows}
