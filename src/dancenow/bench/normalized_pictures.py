"""What a normalization is worth in pictures: one trained model per subject, the same dances brought to it by each of them.

Every result is compared with what the subject's own body looks like when it dances the same before its own camera, which is
rendered; the model is the same for all, so that only the poses differ.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from dancenow import pipeline
from dancenow.bench.ablation import keep_to_look_at, train
from dancenow.bench.cells import Record
from dancenow.bench.methods import our_config
from dancenow.bench.sizes import NormalizeSize
from dancenow.bench.world import Casting, Take, World
from dancenow.compare import PictureJudge
from dancenow.models.perceptual import PerceptualDistance
from dancenow.pose.normalize import Kind
from dancenow.pose.trackfile import load_track
from dancenow.progress import Listener
from dancenow.video import read_frames

KINDS: Final[tuple[Kind, ...]] = ("none", "paper", "stn", "bones", "auto")
REGION: Final = "person"


def measure_pictures(sized: NormalizeSize, casting: Casting, folder: Path, listen: Listener) -> Record:
    """Train the subject's model, then make and judge every dance with every normalization."""
    world, budget = sized.detected, sized.pictures
    assert world is not None
    assert budget is not None
    subject, model = world.subject(casting, listen), folder / "model.safetensors"
    record: Record = train(our_config(sized.ours), subject, model, budget, 0, listen)
    rows, made = [], {}
    for dance in casting.dances:
        for kind in KINDS:
            out = folder / f"{dance.dance}-{kind}.mp4"
            done = pipeline.transfer(world.clip(dance).video, model, out, normalize=kind, listen=listen)
            name = f"{dance.dance} by {dance.identity}"
            poses = done.dance.pose.xy.tobytes()
            # What `auto` chose has been judged under its own name.
            if (dance, poses) not in made:
                made[dance, poses] = scores(world, casting, dance, out, sized.every)
            rows.append({"setup": name, "normalize": kind, "what": done.normalization, **made[dance, poses]})
            keep_to_look_at(out, f"{casting.name}-{dance.dance}-normalize-{sized.ours}-{budget}-{kind}")
    return {**record, "rows": rows}


def scores(world: World, casting: Casting, dance: Take, out: Path, every: int) -> Mapping[str, float]:
    """Means over frames in the true person's box: SSIM (higher is better) and perceptual distance (lower is better)."""
    clip = world.clip(casting.truth(dance))
    judge, exact = PictureJudge(PerceptualDistance(), 1, deep_regions=(REGION,)), load_track(clip.track)
    rows = []
    for true, made in zip(read_frames(clip.video, 0, None, every), read_frames(out, 0, None, every), strict=True):
        found = judge.judge(true.image_rgb, exact.pose[true.index], [made.image_rgb])[1]
        rows.append([found.ssim.get(REGION, np.nan), found.psnr_db.get(REGION, np.nan), found.perceptual.get(REGION, np.nan)])
    ssim, psnr, perceptual = (round(float(value), 5) for value in np.nanmean(np.array(rows, np.float64), axis=0))
    return {"ssim_person": ssim, "psnr_person_db": psnr, "perceptual_person": perceptual}


def summarize_pictures(records: list[dict[str, Any]]) -> dict[str, dict[str, dict[str, float | None]]]:
    """Per normalization and figure: mean over transfers, and standard deviation over them of the gain over the paper's map."""
    rows = [{**row, "setup": f"{record['target']}: {row['setup']}"} for record in records for row in record["rows"]]
    summary: dict[str, dict[str, dict[str, float | None]]] = {}
    for kind in dict.fromkeys(row["normalize"] for row in rows):
        for figure in ("ssim_person", "psnr_person_db", "perceptual_person"):
            own = {row["setup"]: row[figure] for row in rows if row["normalize"] == kind}
            paper = {row["setup"]: row[figure] for row in rows if row["normalize"] == "paper"}
            gains = [own[setup] - paper[setup] for setup in own]
            summary.setdefault(kind, {})[figure] = {
                "mean": float(np.mean(list(own.values()))),
                "gain_over_paper": float(np.mean(gains)),
                "spread_of_gain": float(np.std(gains, ddof=1)) if len(gains) > 1 else None,
            }
    return summary


