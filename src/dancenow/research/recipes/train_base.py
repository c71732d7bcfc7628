"""Train the crop generator's weights in `src/dancenow/assets/base.safetensors`; a new run gives an equally good model.

People, dances, rooms and cameras are random; the studio's six people, dances and cameras are not among them, so they can be a
test. People are first rendered into small archives, which needs the `studio` extra; --packs uses archives that another machine
rendered (--pack-only). An interrupted run resumes when started again. Without a GPU use --batch 4 and fewer images. With
--shards the people of a dataset by `dancenow dataset package` are streamed instead, which may be larger than the memory.

On several GPUs: torchrun --nproc-per-node N -m dancenow.research.recipes.train_base ...
"""

import argparse
import json
import shutil
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from dancenow.assets import BASE
from dancenow.metrics.perceptual import PerceptualDistance
from dancenow.progress import Progress
from dancenow.research.dataset.shards import Shards
from dancenow.research.recipes.clip_archives import load_packs, packs_in
from dancenow.research.recipes.joint_training import in_first_process, on_all_processes, rendering_alone, say_stage
from dancenow.research.recipes.pretraining_task import PretrainingConfig, PretrainingTask
from dancenow.research.recipes.streaming_dataset import StreamConfig, StreamedPretrainingTask
from dancenow.storage.atomic_io import cache_dir, complete_or_absent
from dancenow.training.budget import Budget
from dancenow.training.distributed import rank, world_size
from dancenow.training.loop import LoopConfig, preview_path, state_path, train_loop

SEED = 3
EVERY_S = 5.0


class Record:
    """Progress callback that prints a line every few seconds and keeps a folder with the latest model, preview and losses."""

    def __init__(self, folder: Path | None, model: Path, facts: dict[str, Any]) -> None:
        self._folder, self._model, self._facts = folder, model, facts
        self._losses: list[dict[str, float]] = []
        self._sums: dict[str, float] = {}
        self._steps, self._start_s = 0, time.perf_counter()
        self._printed_s = self._start_s

    def __call__(self, event: Progress) -> None:
        if event.stage != "training":
            print(event.stage, int(event.done), flush=True)
        elif event.preview is not None:
            self.keep()
        else:
            self._add(event)

    def _add(self, event: Progress) -> None:
        images, _, *pairs = event.note.split()
        for name, value in zip(pairs[::2], pairs[1::2], strict=True):
            self._sums[name] = self._sums.get(name, 0.0) + float(value)
        self._steps += 1
        now_s = time.perf_counter()
        if now_s - self._printed_s >= EVERY_S or not self._losses:
            means = {name: round(value / self._steps, 4) for name, value in self._sums.items()}
            self._losses.append({"images": int(images), "seconds": round(now_s - self._start_s, 1), **means})
            print(f"{event.done:.1%}", *(f"{name} {value:g}" for name, value in self._losses[-1].items()), flush=True)
            self._sums, self._steps, self._printed_s = {}, 0, now_s

    def keep(self, **facts: Any) -> None:
        """Write the current state."""
        if self._folder is None:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(self._model, self._folder / "base.safetensors")
        shutil.copyfile(preview_path(self._model), self._folder / "preview.png")
        record = {**self._facts, **facts, "losses": self._losses}
        with complete_or_absent(self._folder / "base.json") as temporary:
            temporary.write_text(json.dumps(record, indent=1) + "\n")


def main() -> None:
    """Train for a number of images, so that the result does not depend on the machine's speed, or for some seconds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-o", "--out", type=Path, default=BASE)
    parser.add_argument("--people", type=int, default=120)
    parser.add_argument("--held-out", type=int, default=3, help="people at the end that are previewed but not trained on")
    parser.add_argument("--images", type=int, default=195456)
    parser.add_argument("--seconds", type=float, help="train for this time instead")
    parser.add_argument("--batch", type=int, default=PretrainingConfig().people_per_step, help="of all processes together")
    parser.add_argument("--packs", type=Path, help="folder of people rendered elsewhere")
    parser.add_argument("--pack-only", action="store_true", help="render into --packs and stop")
    parser.add_argument("--shards", type=Path)
    parser.add_argument("--record", type=Path, help="folder for the latest model, preview and losses")
    options = parser.parse_args()
    on_all_processes(partial(_make, options))


def _make(options: argparse.Namespace) -> None:
    """Render people, or train."""
    config = PretrainingConfig().of_batch(options.batch)
    if options.pack_only or (options.packs is None and options.shards is None):
        # Imported here: machines that only train need no studio.
        from dancenow.research.recipes.synthetic_people import SyntheticPeopleConfig, render_archives

        people_config = replace(SyntheticPeopleConfig(), people=options.people, canvas_px=config.generator.canvas_px)
        folder = options.packs or cache_dir("packs")
        with rendering_alone(folder):
            render_archives(people_config, folder, say_stage)
        if options.pack_only:
            return
        options.packs = folder
    _train(options, config)


def _task(options: argparse.Namespace, config: PretrainingConfig, device: torch.device) -> PretrainingTask:
    """What is trained, from packs or shards."""
    perceptual = PerceptualDistance(depth=config.perceptual_depth)
    if options.shards is not None:
        shards, stream = Shards.open(options.shards), StreamConfig()
        return StreamedPretrainingTask(shards, config, stream, seed=SEED, perceptual=perceptual, device=device)
    paths = packs_in(options.packs)[: options.people]
    num_training = len(paths) - options.held_out
    strangers = load_packs(paths[num_training:])
    people = load_packs(paths[:num_training])
    return PretrainingTask(people, config, seed=SEED, perceptual=perceptual, device=device, strangers=strangers)


def _train(options: argparse.Namespace, config: PretrainingConfig) -> None:
    start_s = time.perf_counter()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.backends.cudnn.benchmark = device.type == "cuda"  # every batch has the same shapes
    task = _task(options, config, device)
    budget = Budget(images=options.images) if options.seconds is None else Budget(seconds=options.seconds)
    facts = {
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        "torch": torch.__version__,
        "processes": world_size(),
        "people": task.people,
        "loading_s": round(time.perf_counter() - start_s, 1),
        "config": config.to_json(),
    }
    if rank() == 0:
        print(facts, flush=True)
    record = Record(options.record, options.out, facts)
    resume = state_path(options.out).is_file()
    loop = LoopConfig(seed=SEED, save_every_s=45 if device.type == "cuda" else 180)
    result = train_loop(task, options.out, budget, resume=resume, config=loop, on_progress=in_first_process(record)).info
    if rank():
        return
    rate = result.images_seen / result.train_seconds
    record.keep(images=result.images_seen, seconds=round(result.train_seconds, 1), images_per_s=round(rate, 1))
    for left_over in (state_path(options.out), preview_path(options.out)):
        left_over.unlink(missing_ok=True)
    print(f"{options.out}: {options.out.stat().st_size / 1e6:.1f} MB, {rate:.0f} images/s", flush=True)


if __name__ == "__main__":
    main()
