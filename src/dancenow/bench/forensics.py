"""What the classifier owes to what, and how often it is wrong: trained in several variants, judged as anybody's video is.

Protocol: subjects and dances of the test are in no training; a family of generators is held out in turn. Probabilities are
calibrated on further subjects. Real camera clips are judged only, never learnt from.
"""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from dancenow.bench.ablated import ablated
from dancenow.bench.results import Result, machine, today, versions
from dancenow.bench.suspects import JUDGED, LOOKS, Exhibit, Suspect, exhibits, looks_at, suspects
from dancenow.checkpoint import save_checkpoint
from dancenow.data.looks import look, plan
from dancenow.errors import UserError
from dancenow.files import cache_dir, complete_or_absent, sha256_of
from dancenow.forensics import examine, judge
from dancenow.models.forensic import Calibration, Forensic, ForensicConfig, load_forensic
from dancenow.progress import Listener, silent
from dancenow.training.budget import Budget
from dancenow.training.forensic import ForensicRecipe, ForensicTask, Shelf
from dancenow.training.loop import LoopConfig, preview_path, state_path, train_loop
from dancenow.training.scoring import clip_scores

SEED: Final = 7
SHIPPED: Final = "all"
WHOLE_FRAME: Final = ("paper", "pix2pixHD")
NEAREST: Final = ("nearest frame",)


@dataclass(frozen=True)
class Variant:
    """One training. what: in words; without: families that are left out; frames: 2 for pairs, 1 for single pictures; images: of
    the training."""

    what: str
    without: tuple[str, ...] = ()
    frames: Literal[1, 2] = 2
    images: int = 24000


VARIANTS: Final[Mapping[str, Variant]] = {
    SHIPPED: Variant("pairs, every family: the weights that are shipped"),
    "single": Variant("single pictures, every family", frames=1),
    "without whole-frame": Variant("pairs, without the whole-frame generators", without=WHOLE_FRAME, images=12000),
    "without nearest frame": Variant("pairs, without the nearest frame", without=NEAREST, images=12000),
}


def variant_path(name: str, shipped: Path) -> Path:
    """Where a variant's weights lie."""
    return shipped if name == SHIPPED else cache_dir("forensics") / f"{name.replace(' ', '-')}.safetensors"


def train_variant(name: str, shipped: Path, listen: Listener = silent) -> Path:
    """Train and calibrate one; an interrupted training goes on where it stopped.

    Raises:
        UserError: there is no variant of that name; as `suspects.material`.
    """
    if name not in VARIANTS:
        raise UserError(f"there is no variant {name!r}; choose of {', '.join(VARIANTS)}.")
    variant, people = VARIANTS[name], suspects()
    network = replace(ForensicConfig(), frames=variant.frames)
    shelf = Shelf(looks_at(people, "train", variant.without))
    task = ForensicTask(shelf, ForensicRecipe(network), seed=SEED, device=torch.device("cpu"))
    unfinished = cache_dir("forensics") / f"unfinished-{name.replace(' ', '-')}.safetensors"
    resume = state_path(unfinished).is_file()
    train_loop(task, unfinished, Budget(images=variant.images), resume=resume, config=LoopConfig(seed=SEED), listen=listen)
    words = f"{variant.what}; rendered people only, see forensic.md"
    forensic = task.forensic(Calibration(), words)
    out = variant_path(name, shipped)
    calibration = calibrated(forensic, people, variant.without)
    save_checkpoint(out, replace(forensic, calibration=calibration).to_checkpoint(task.images))
    for left_over in (unfinished, state_path(unfinished), preview_path(unfinished)):
        left_over.unlink(missing_ok=True)
    return out


def calibrated(forensic: Forensic, people: Sequence[Suspect], without: Sequence[str]) -> Calibration:
    """By the people who are there for it: videos, judged as anybody's, and further people's looks."""
    seen = [each for each in exhibits(people, "calibrate") if each.family not in without]
    more = looks_at(people, "calibrate", without)
    scores = np.concatenate([[score_of(forensic, each.video) for each in seen], clip_scores(forensic, more)])
    made = np.array([*(each.synthetic for each in seen), *(each.synthetic for each in more)])
    there = np.isfinite(scores)
    return Calibration.fit(torch.from_numpy(scores[there]), torch.from_numpy(made[there]))


def recalibrate(name: str, shipped: Path) -> Path:
    """Calibrate a trained variant anew."""
    path, people = variant_path(name, shipped), suspects()
    forensic = load_forensic(path)
    calibration = calibrated(forensic, people, VARIANTS[name].without)
    save_checkpoint(path, replace(forensic, calibration=calibration).to_checkpoint(VARIANTS[name].images))
    return path


def score_of(forensic: Forensic, video: Path) -> float:
    """The mean logit of a video; not a number where nobody can be followed."""
    try:
        planned = plan(video)
    except UserError:
        return float("nan")
    scores = [each.score for each in judge(forensic, look(planned, forensic.net.config.crop_px))]
    return float(np.mean(scores)) if scores else float("nan")


def measure(out: Path, shipped: Path) -> Path:
    """Judge every test clip by every variant, and the real camera clips by the shipped one; write the JSON."""
    tested = exhibits(suspects(), "test")
    models = {name: variant_path(name, shipped) for name in VARIANTS}
    cells = [judged(each, models, "test") for each in tested]
    more = [judged(each, models, "ablation") for each in ablated()]
    summary: dict[str, Any] = {name: summarised(cells, name, VARIANTS[name].without) for name in VARIANTS}
    summary["the ablation's clips"] = {name: summarised(more, name, VARIANTS[name].without) for name in VARIANTS}
    summary["calibration"] = reliability(cells, SHIPPED)
    summary["camera"] = camera(shipped)
    summary["speed"] = speed(tested[0].video, shipped)
    settings = {
        "judged encodings": [each.name for each in JUDGED],
        "looks of a clip in training": LOOKS,
        "variants": {name: asdict(variant) for name, variant in VARIANTS.items()},
        "suspects": [
            {"name": s.name, "role": s.role, "orders": [[o.way, list(o.images)] for o in s.orders]} for s in suspects()
        ],
    }
    result = Result("forensics", "laptop", today(), machine(), versions(), [SEED], settings, [*cells, *more], summary)
    return result.write(out)


def judged(exhibit: Exhibit, models: Mapping[str, Path], of: str) -> dict[str, Any]:
    """A clip's record: what it is, and what each model says of it; None where nobody could be followed."""
    cell = {key: getattr(exhibit, key) for key in ("subject", "dance", "family", "images", "encoding")}
    for name, weights in models.items():
        forensic, score = load_forensic(weights), kept_score(exhibit.video, weights)
        cell[name] = None if score is None else round(forensic.calibration.probability(score), 5)
    return {"of": of, **cell}


def kept_score(video: Path, weights: Path) -> float | None:
    """As `score_of`, measured once for the same files: an interrupted measurement goes on. None instead of not a number."""
    path = cache_dir("forensics/scores") / f"{sha256_of(video)[:20]}-{sha256_of(weights)[:20]}.json"
    if not path.is_file():
        score = score_of(load_forensic(weights), video)
        with complete_or_absent(path) as temporary:
            temporary.write_text(json.dumps(score if np.isfinite(score) else None))
    kept: float | None = json.loads(path.read_text("utf-8"))
    return kept


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


def camera(shipped: Path) -> list[dict[str, Any]]:
    """The real clips of the folder that DANCENOW_DATA names, judged as they are; nothing learnt from them."""
    folder = Path(os.environ.get("DANCENOW_DATA") or "/nonexistent") / "real"
    said = []
    for video in sorted(folder.glob("*.mp4")):
        try:
            finding = examine(video, shipped)
        except UserError as error:
            said.append({"clip": video.stem, "error": type(error).__name__})
        else:
            said.append({"clip": video.stem, **finding.to_json()})
    return said


def speed(video: Path, shipped: Path, times: int = 3) -> dict[str, float]:
    """Frames a second from file to verdict, the best of three runs: finding the person anew, and with the track kept."""
    each = {"in all": False, "with the track kept": True}
    return {
        name: round(max(examine(video, shipped, use_cache=kept).frames_per_s for _ in range(times)), 1)
        for name, kept in each.items()
    }
