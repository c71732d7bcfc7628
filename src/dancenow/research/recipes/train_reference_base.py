"""Train the base of the references family: the crop family's base learns on random rendered people when to trust a picture.

Usage: python -m dancenow.research.recipes.train_reference_base PEOPLE OUT.safetensors [--people 200] [--images 24000] ...

People are rendered once into the folder PEOPLE, which needs the `studio` extra, and the training reads them from there. Both
continue where they were when started again with the same options. Beside OUT are a preview and OUT.jsonl, which has a line with
the losses and the score on held-out people every 2,000 images; `before` is the score of the generator before this training.

On several GPUs: torchrun --nproc-per-node N -m dancenow.research.recipes.train_reference_base ...
"""

import argparse
import json
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

import cv2
import torch

from dancenow.generators.crop.pretrained_init import load_pretrained_generator
from dancenow.metrics.perceptual import PerceptualDistance
from dancenow.progress import Progress, ProgressCallback, ignore_progress
from dancenow.research.recipes.joint_training import on_all_processes, rendering_alone, say_stage
from dancenow.research.recipes.reference_people import ReferencePeopleConfig, render_reference_people
from dancenow.research.recipes.reference_pretraining_task import ReferencePretrainingConfig, ReferencePretrainingTask
from dancenow.training.budget import Budget
from dancenow.training.distributed import rank
from dancenow.training.loop import LoopConfig, preview_path, state_path, train_loop

SEED: Final = 7
EVERY_IMAGES: Final = 2000
SAVE_EVERY_S: Final = 240.0


class Log:
    """Progress callback that appends a JSON line with mean losses and scores every `every_images` images."""

    def __init__(self, path: Path, task: ReferencePretrainingTask, every_images: int = EVERY_IMAGES) -> None:
        self._path, self._task, self._every = path, task, every_images
        self._before = task.score(task.new_generator())
        self._sums: dict[str, float] = {}
        self._steps, self._begun_s = 0, time.perf_counter()

    def __call__(self, event: Progress) -> None:
        if event.preview is not None:
            return
        images, _, *pairs = event.note.split()
        for name, value in zip(pairs[::2], pairs[1::2], strict=True):
            self._sums[name] = self._sums.get(name, 0.0) + float(value)
        self._steps += 1
        if int(images) // self._every > (int(images) - self._task.images_per_step) // self._every:
            self._write(int(images))

    def _write(self, images: int) -> None:
        seconds = time.perf_counter() - self._begun_s
        line = {
            "images": images,
            "images_per_s": self._steps * self._task.images_per_step / seconds,
            "losses": {name: value / self._steps for name, value in self._sums.items()},
            "held_out": self._task.score(self._task.average),
            "before": self._before,
        }
        text = json.dumps(line, default=float)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(text + "\n")
        print(text, flush=True)
        self._sums, self._steps, self._begun_s = {}, 0, time.perf_counter()


def main() -> None:
    """Render missing people, then train for a number of images."""
    parser = argparse.ArgumentParser(description="train the base of the references family on rendered people")
    parser.add_argument("people_folder", type=Path, metavar="PEOPLE")
    parser.add_argument("out", type=Path, metavar="OUT")
    parser.add_argument("--people", type=int, default=200)
    parser.add_argument("--held-out", type=int, default=8, help="people at the end that are scored but not trained on")
    parser.add_argument("--images", type=int, default=24000)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    on_all_processes(partial(_make, options))


def _make(options: argparse.Namespace) -> None:
    torch.set_num_threads(options.threads)
    cv2.setNumThreads(options.threads)
    people, config = ReferencePeopleConfig(), ReferencePretrainingConfig()
    people = replace(people, rendering=replace(people.rendering, people=options.people))
    with rendering_alone(options.people_folder):
        packs = render_reference_people(people, options.people_folder, say_stage)
    training, held_out = packs[: -options.held_out], packs[-options.held_out :]
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    perceptual = PerceptualDistance(depth=config.perceptual_depth)
    start = load_pretrained_generator()
    task = ReferencePretrainingTask(training, held_out, config, seed=SEED, start=start, perceptual=perceptual, device=device)
    log: ProgressCallback = ignore_progress if rank() else Log(options.out.with_suffix(".jsonl"), task)
    loop = LoopConfig(seed=SEED, save_every_s=SAVE_EVERY_S)
    resume = state_path(options.out).is_file()
    train_loop(task, options.out, Budget(images=options.images), resume=resume, config=loop, on_progress=log)
    if rank() == 0:
        print(f"{options.out}: finished; preview {preview_path(options.out)}", flush=True)


if __name__ == "__main__":
    main()
