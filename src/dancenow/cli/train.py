"""`dancenow train`: a model of the person in a subject folder."""

from pathlib import Path
from typing import Annotated, Literal

import tyro


def train(
    subject: tyro.conf.Positional[Path],
    out: Annotated[Path, tyro.conf.arg(aliases=["-o"])],
    budget: str = "10m",
    identity: str | None = None,
    protocol: Literal["time", "dance"] = "time",
    preset: Literal["draft", "standard", "hd", "paper", "heatmaps"] = "draft",
    width: float | None = None,
    longer_px: int | None = None,
    enhance_from: float | None = None,
    face: Literal["auto", "none", "residual", "cyclegan"] = "auto",
    face_source: Path | None = None,
    resume: bool = False,
    seed: int = 0,
    device: Literal["auto", "cpu", "cuda"] = "auto",
) -> None:
    """Train a model of the person in SUBJECT.

    Args:
        subject: folder that `dancenow prepare` made; or, with --identity, a rendered dataset or its shards (see `dataset`).
        out: the .safetensors to write; a preview picture is refreshed beside it.
        budget: how long to train: 90s, 4m, 1.5h, or 20000images.
        identity: whom of a dataset to train.
        protocol: of a dataset: time learns from the first part of each of their clips, dance from the dances of train.
        preset: draft (256 px, a laptop), standard (512 px, a GPU) or hd (1024 px, a GPU, for 1080p video); for comparison,
            paper (the body generator of Everybody Dance Now, for a GPU) or heatmaps (the same networks on Gaussian heatmaps).
        width: of the presets paper and heatmaps, a factor on the size of their networks: 1 as published, .25 for a laptop.
        longer_px: of the same presets, the longer side of the pictures they make: 512 as published, 256 for a laptop.
        enhance_from: of the same presets, the share of the budget from which the local enhancer is trained at twice that
            size, .2 for example; without it there is none.
        face: a network for the face, trained in the last part of the budget: residual (adds detail to what the body's network
            paints), cyclegan (makes the dancer's face that of SUBJECT), none, or auto (residual if the face can be learnt).
        face_source: of cyclegan, the video of the dancer, since it learns from both faces.
        resume: go on with the training of the same file; the budget counts what was spent before.
        seed: of everything random.
        device: where to compute; auto takes the GPU if there is one.
    """
    from dancenow import pipeline
    from dancenow.cli.console import live, report, warn
    from dancenow.research.dataset.person import training_subject
    from dancenow.storage.atomic_io import require_writable

    require_writable(out, ".safetensors")
    with live() as on_progress:
        model = pipeline.train(
            training_subject(subject, identity, protocol, on_progress),
            out,
            budget=budget,
            preset=preset,
            width=width,
            longer_px=longer_px,
            enhance_from=enhance_from,
            face=face,
            face_source=face_source,
            resume=resume,
            seed=seed,
            device=device,
            warn=warn,
            on_progress=on_progress,
        )
    report(model)
