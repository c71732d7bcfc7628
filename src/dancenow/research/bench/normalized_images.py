"""Effect of retargeting on the generated images: one trained model per subject renders the same dances with each retargeting.

Results are compared with a rendering of the subject's own body performing the same dance in front of its own camera; the model
is the same, so only the poses differ.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np

from dancenow import pipeline
from dancenow.evaluation.frame_metrics import FrameMetrics
from dancenow.media.source import read_frames, read_masks
from dancenow.metrics.perceptual import PerceptualDistance
from dancenow.metrics.regions import person_box
from dancenow.pose.retargeting.registry import RetargetingKind
from dancenow.pose.track_io import load_track
from dancenow.progress import ProgressCallback
from dancenow.research.bench.ablation import save_result_video, train
from dancenow.research.bench.jobs import Record
from dancenow.research.bench.methods import our_config
from dancenow.research.bench.rendered_test_set import ClipSpec, RenderedTestSet, SubjectCase
from dancenow.research.bench.sizes import NormalizeSize

KINDS: Final[tuple[RetargetingKind, ...]] = ("none", "paper", "stn", "skeletal", "auto")
TRUE_POSES: Final = "true poses"
"""A control beside the retargeting kinds: poses detected in the true video; the remaining error is the generator's."""
METRICS: Final = ("ssim_person", "psnr_person_db", "perceptual_person")
CURVE: Final = "perceptual_per_person"
"""Per frame: the perceptual distance in the person's box times the box area over the person's area."""


def measure_images(sized: NormalizeSize, case: SubjectCase, folder: Path, on_progress: ProgressCallback) -> Record:
    """Train the subject's model, then generate and evaluate every dance with every retargeting kind."""
    test_set, budget = sized.detected, sized.image_budget
    assert test_set is not None
    assert budget is not None
    subject, model = test_set.subject(case, on_progress), folder / "model.safetensors"
    record: Record = train(our_config(sized.ours), subject, model, budget, 0, on_progress)
    rows: list[Record] = []
    for dance in case.dances:
        evaluated: dict[bytes, Mapping[str, Any]] = {}
        for kind in (*KINDS, TRUE_POSES):
            out = folder / f"{dance.dance}-{kind}.mp4"
            own = kind == TRUE_POSES
            source = test_set.clip(case.truth(dance) if own else dance).video
            normalize: RetargetingKind = "none" if own else kind  # type: ignore[assignment]  # the others are kinds
            done = pipeline.transfer(source, model, out, normalize=normalize, on_progress=on_progress)
            poses = done.target_track.pose.xy.tobytes()
            # The choice of `auto` has been evaluated under its own name.
            if poses not in evaluated:
                evaluated[poses] = scores(test_set, case, dance, out, sized.every)
            about = {"setup": f"{dance.dance} by {dance.identity}", "normalize": kind, "what": done.normalization}
            rows.append(about | dict(evaluated[poses]))
            save_result_video(out, f"{case.name}-{dance.dance}-normalize-{sized.ours}-{budget}-{kind}")
    return {**record, "every": sized.every, "rows": rows}


def scores(test_set: RenderedTestSet, case: SubjectCase, dance: ClipSpec, out: Path, every: int) -> dict[str, Any]:
    """Means over frames in the true person's box: SSIM (higher is better) and perceptual distance (lower is better).

    And `CURVE` of each evaluated frame; None where the person is not visible.
    """
    clip = test_set.clip(case.truth(dance))
    metrics, exact = FrameMetrics(PerceptualDistance(), 1, deep_regions=("person",)), load_track(clip.track)
    masks = [mask for i, mask in enumerate(read_masks(clip.masks)) if i % every == 0]
    rows: list[list[float]] = []
    curve: list[float | None] = []
    frames = zip(read_frames(clip.video, 0, None, every), read_frames(out, 0, None, every), masks, strict=True)
    for true, generated, mask in frames:
        pose, (height, width) = exact.pose[true.index], true.image_rgb.shape[:2]
        found = metrics.measure(true.image_rgb, pose, [generated.image_rgb])[1]
        box = person_box(pose, width, height)
        if box is None:
            curve.append(None)
            continue
        rows.append([each["person"] for each in (found.ssim, found.psnr_db, found.perceptual)])
        shown = float((cv2.resize(mask, (width, height)) > 127).sum())
        area = float((box.right - box.left) * (box.bottom - box.top))
        curve.append(round(rows[-1][2] * area / max(shown, 1.0), 4))
    means = np.mean(np.array(rows, np.float64), axis=0)
    return {name: round(float(mean), 5) for name, mean in zip(METRICS, means, strict=True)} | {CURVE: curve}


def summarize_images(records: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, dict[str, float | None]]]:
    """Per retargeting kind and metric: mean over transfers; mean and standard deviation of the gain over `paper`."""
    rows = [{**row, "setup": f"{record['target']}: {row['setup']}"} for record in records for row in record.get("rows", ())]
    summary: dict[str, dict[str, dict[str, float | None]]] = {}
    for kind in dict.fromkeys(row["normalize"] for row in rows):
        for figure in METRICS:
            own = {row["setup"]: row[figure] for row in rows if row["normalize"] == kind}
            paper = {row["setup"]: row[figure] for row in rows if row["normalize"] == "paper"}
            gains = [own[setup] - paper[setup] for setup in own]
            summary.setdefault(kind, {})[figure] = {
                "mean": float(np.mean(list(own.values()))),
                "over_paper": float(np.mean(gains)),
                "spread_over_paper": float(np.std(gains, ddof=1)) if len(gains) > 1 else None,
            }
    return summary
