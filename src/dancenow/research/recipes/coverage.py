"""How well the coverage forecast ranks the true errors of transfers: rendered people, 20 s of footage each, known ground
truth.

Usage: python -m dancenow.research.recipes.coverage NORMALIZE.json OUT.json

NORMALIZE.json is a result of `dancenow bench normalize` with images: its models were trained on each subject's footage and
rendered other people's dances; it holds the error of every evaluated frame. Nothing in the forecast was tuned on them. The
curve from distances to errors is fitted on all of them; `unseen` is its error for each subject when fitted on the others.

A mean over the person's box is biased: stretched arms fill it with wall, which is exact, so that unusual poses look good. The
error is therefore the perceptual distance in the box times the box's area over the person's: per pixel of the person.

The forecast is about poses, not positions: it should rank the errors with `true poses`. Errors with `auto`, given for
comparison, are mainly position errors, which footage cannot predict.
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dancenow.pose.pipeline import detect_poses
from dancenow.pose.pose_distance import PARTS
from dancenow.research.bench.normalized_images import CURVE, TRUE_POSES
from dancenow.research.bench.rendered_test_set import ClipSpec, RenderedTestSet, SubjectCase
from dancenow.research.bench.sizes import NORMALIZE
from dancenow.storage.atomic_io import complete_or_absent
from dancenow.subject.coverage import measure_coverage

Curve = NDArray[np.float64]
Frames = dict[str, Curve]
SHOWN = ("auto", TRUE_POSES)


def spearman(a: Curve, b: Curve) -> float:
    """Rank correlation over the frames where both are known."""
    known = np.isfinite(a) & np.isfinite(b)
    rank_a, rank_b = (np.argsort(np.argsort(values[known], kind="stable"), kind="stable") for values in (a, b))
    return round(float(np.corrcoef(rank_a, rank_b)[0, 1]), 3)


def rising(distance: Curve, error: Curve, knots: int = 8) -> list[tuple[float, float]]:
    """A monotone curve: medians of `knots` groups of equal size, decreasing neighbors pooled (isotonic regression)."""
    order = np.argsort(distance)
    groups = [[float(np.median(distance[g])), float(np.median(error[g])), 1.0] for g in np.array_split(order, knots)]
    pooled: list[list[float]] = []
    for group in groups:
        pooled.append(group)
        while len(pooled) > 1 and pooled[-2][1] > pooled[-1][1]:
            (x, y, n), (u, v, m) = pooled.pop(), pooled.pop()
            pooled.append([(x * n + u * m) / (n + m), (y * n + v * m) / (n + m), n + m])
    return [(round(x, 4), round(y, 4)) for x, y, _ in pooled]


def forecast(test_set: RenderedTestSet, case: SubjectCase, dance: ClipSpec) -> Frames:
    """The distance of every frame of a dance from the subject's training footage."""
    subject = test_set.subject(case)
    training_frames = subject.manifest.in_split("train", subject.track.time_s)
    found = measure_coverage(
        detect_poses(test_set.clip(dance).video), subject.track, normalize="auto", training_frames=training_frames
    )
    return {"distance": found.distance, **found.parts}


def transfers(test_set: RenderedTestSet, cells: list[dict[str, Any]]) -> list[tuple[dict[str, Any], Frames]]:
    """For every transfer, the evaluated frames: distances, and the errors of each variant in `SHOWN`."""
    found = []
    for cell in (each for each in cells if each["data"] == "pictures" and "rows" in each):
        case = next(each for each in test_set.cases if each.name == cell["target"])
        for dance in case.dances:
            name = f"{dance.dance} by {dance.identity}"
            told = {key: values[:: cell["every"]] for key, values in forecast(test_set, case, dance).items()}
            for row in cell["rows"]:
                if row["setup"] == name and row["normalize"] in SHOWN:
                    told[row["normalize"]] = np.array([np.nan if value is None else value for value in row[CURVE]])
            found.append(({"subject": case.name, "dance": name}, told))
    return found


def pooled(frames: list[Frames]) -> Frames:
    """Concatenate all frames."""
    return {name: np.concatenate([each[name] for each in frames]) for name in frames[0]}


def unseen(found: list[tuple[dict[str, Any], Frames]], way: str) -> dict[str, dict[str, float]]:
    """Per subject: mean absolute error of a forecast fitted on the other subjects, and of their mean error."""
    result = {}
    subjects = list(dict.fromkeys(about["subject"] for about, _ in found))
    for subject in subjects if len(subjects) > 1 else ():
        others = pooled([frames for about, frames in found if about["subject"] != subject])
        own = pooled([frames for about, frames in found if about["subject"] == subject])
        curve = np.array(rising(others["distance"], others[way])).T
        off = np.abs(np.interp(own["distance"], *curve) - own[way])
        flat = np.abs(np.nanmean(others[way]) - own[way])
        result[subject] = {"by_forecast": round(float(np.nanmean(off)), 4), "by_mean": round(float(np.nanmean(flat)), 4)}
    return result


def by_subject(found: list[tuple[dict[str, Any], Frames]], way: str) -> dict[str, float]:
    """Rank correlation over all frames of each subject's transfers."""
    result = {}
    for subject in dict.fromkeys(about["subject"] for about, _ in found):
        own = pooled([frames for about, frames in found if about["subject"] == subject])
        result[subject] = spearman(own["distance"], own[way])
    return result


def main() -> None:
    """Read the benchmark's result, compute distances, and write how they predict the errors."""
    measured, out = json.loads(Path(sys.argv[1]).read_text("utf-8")), Path(sys.argv[2])
    test_set, settings = NORMALIZE[measured["size"]].detected, measured["settings"]
    assert test_set is not None
    found = transfers(test_set, measured["cells"])
    together = pooled([frames for _, frames in found])
    result: dict[str, Any] = {
        "of": Path(sys.argv[1]).name,
        "budget": settings["image_budget"] if "image_budget" in settings else settings["pictures"],  # the older key
        "frames": len(together["distance"]),
        "parts": {name: spearman(together[name], together[TRUE_POSES]) for name in PARTS},
    }
    for way in SHOWN:
        rows = [
            {**about, "frames": len(frames[way]), "spearman": spearman(frames["distance"], frames[way]),
             **{f"mean_{name}": round(float(np.nanmean(frames[name])), 4) for name in ("distance", way)}}
            for about, frames in found
        ]  # fmt: skip
        result[way] = {
            "transfers": rows,
            "spearman_pooled": spearman(together["distance"], together[way]),
            "spearman_subjects": by_subject(found, way),
            "curve": rising(together["distance"], together[way]),
            "unseen": unseen(found, way),
        }
    with complete_or_absent(out) as temporary:
        temporary.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps({way: result[way]["spearman_pooled"] for way in SHOWN}))


if __name__ == "__main__":
    main()
