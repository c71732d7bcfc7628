"""`dancenow train`: train a model of the person in a subject folder."""

from pathlib import Path
from typing import Literal

import tyro

from dancenow.cli.options import Flag, Maybe, Out, Preset


def train(
    subject: tyro.conf.Positional[Path],
    out: Out,
    budget: str = "10m",
    identity: Maybe[str] = None,
    protocol: Literal["time", "dance"] = "time",
    preset: Preset = "draft",
    width: Maybe[float] = None,
    longer_px: Maybe[int] = None,
    enhance_from: Maybe[float] = None,
    face: Literal["auto", "none", "residual", "cyclegan"] = "auto",
    face_source: Maybe[Path] = None,
    resume: Flag = False,
    seed: int = 0,
    device: Literal["auto", "cpu", "cuda"] = "auto",
) -> None:
    """Train a model of the person in SUBJECT.

    With several GPUs: torchrun --nproc-per-node N -m dancenow train ...

    Args:
        subject: Folder made by `dancenow prepare`.
            With --identity, a rendered dataset or its shards.
        out: The .safetensors file to write.
            A preview image next to it is updated during training.
        budget: Training time (90s, 4m, 1.5h) or images (20000images).
        identity: Person of the dataset to train.
        protocol: Which clips of the dataset are for training.
            time: the first part of every clip.
            dance: the dances of the train split.
        preset: Model size and training recipe.
            draft: 256 px, for a laptop; copies from pictures of the person.
            draft-fast: the same without pictures, less sharp.
            standard: 512 px, for a GPU.
            hd: 1024 px, for a GPU and 1080p video.
            paper: the body generator of Everybody Dance Now, for a GPU.
            heatmaps: the same networks on Gaussian heatmaps.
        width: Factor on the channels of the presets paper and heatmaps.
            1 is as published; .25 fits a laptop.
        longer_px: Longer image side of the presets paper and heatmaps.
            512 is as published; 256 fits a laptop.
        enhance_from: Add the local enhancer to paper or heatmaps.
            Train it at twice the size from this fraction of the budget on.
            For example .2. Without this option there is no enhancer.
        face: Face network, trained in the last part of the budget.
            auto: residual if the face can be learned, else none.
            residual: adds detail to the output of the body network.
            cyclegan: turns the face of --face-source into SUBJECT's.
            none: no face network.
        face_source: Source video for cyclegan, which learns from both faces.
        resume: Continue the unfinished training of the same file.
            The budget includes what was spent before.
        seed: Random seed.
        device: Where to compute; auto uses the GPU if there is one.
    """
    from dancenow import pipeline
    from dancenow.cli.console import live, report, warn
    from dancenow.progress import ignore_warning
    from dancenow.research.dataset.person import training_subject
    from dancenow.storage.atomic_io import require_writable
    from dancenow.training.distributed import joined_processes, rank

    require_writable(out, ".safetensors")
    with joined_processes(), live(quiet=rank() > 0) as on_progress:
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
            warn=ignore_warning if rank() else warn,
            on_progress=on_progress,
        )
        if rank() == 0:
            report(model)
