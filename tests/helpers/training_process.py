"""One process of a training, as `torchrun` starts it: `python -m helpers.training_process SUBJECT FOLDER RUNS`.

RUNS is a JSON list of trainings, one after the other: family, name of the model, images, whether to resume, and the number of
a process that fails in its second step. Each process writes the digests of its weights to `FOLDER/rankN.json`.
"""

import hashlib
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from dancenow.errors import InputError, UserError
from dancenow.generators.base import FamilyConfig
from dancenow.generators.crop.config import CropConfig, LossWeights
from dancenow.generators.crop.discriminator import DiscriminatorConfig
from dancenow.generators.crop.network import GeneratorConfig
from dancenow.generators.edn.config import EdnConfig
from dancenow.generators.registry import family_of
from dancenow.metrics.perceptual import EfficientNetTrunk, PerceptualDistance
from dancenow.progress import ignore_progress
from dancenow.subject.subject import Subject
from dancenow.training.budget import Budget
from dancenow.training.distributed import joined_processes, rank
from dancenow.training.loop import Clock, LoopConfig, Task, train_loop

CONFIGS: dict[str, FamilyConfig] = {
    "crop": CropConfig(
        GeneratorConfig(canvas_px=64, width=8, blocks=1), DiscriminatorConfig(width=4, scales=1),
        DiscriminatorConfig(frames=2, width=4, scales=1), LossWeights(perceptual=0.0), clips_per_step=2, adversarial_from=0.5,
        max_frames=16,
    ),
    "edn": EdnConfig(longer_px=64, width=1 / 16, max_frames=16),
}  # fmt: skip


class _Failing:
    """A task that fails in its second step."""

    def __init__(self, task: Task) -> None:
        self._task, self._steps = task, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._task, name)

    def step(self, rng: np.random.Generator, progress: float) -> Mapping[str, float]:
        self._steps += 1
        if self._steps == 2:
            raise InputError("the footage is gone.")
        return self._task.step(rng, progress)


def train(subject: Subject, folder: Path, run: Mapping[str, Any]) -> str:
    """Do one training; the digest of everything that it would resume from."""
    torch.manual_seed(1)
    config = CONFIGS[run["family"]]
    task: Any = family_of(config).create_task(
        subject, config, seed=0, perceptual=PerceptualDistance(EfficientNetTrunk(), depth=1), device=torch.device("cpu"),
        on_progress=ignore_progress,
    )  # fmt: skip
    if run.get("fails") == rank():
        task = _Failing(task)
    train_loop(
        task, folder / run["model"], Budget(images=run["images"]), resume=run.get("resume", False), config=LoopConfig(),
        on_progress=ignore_progress,
    )  # fmt: skip
    digest = hashlib.sha256()
    for name, tensor in sorted(task.state(Clock()).tensors.items()):
        digest.update(name.encode() + tensor.detach().contiguous().numpy().tobytes())
    return digest.hexdigest()


if __name__ == "__main__":
    torch.set_num_threads(1)
    try:
        with joined_processes():
            digests = [train(Subject.open(Path(sys.argv[1])), Path(sys.argv[2]), run) for run in json.loads(sys.argv[3])]
            (Path(sys.argv[2]) / f"rank{rank()}.json").write_text(json.dumps(digests))
    except UserError as error:
        sys.exit(f"dancenow: {error}")
