"""The recipe of the base model in `src/dancenow/assets/base.safetensors`: run it again and a model as good comes out.

Needs the `studio` extra. People, dances, rooms and cameras are random and nobody's: none of the studio's six people, dances or
cameras is among them, so these can be a test. It can be interrupted, and goes on when it is started again. With --shards it
streams the people of a dataset that `dancenow dataset package` made instead, which may be larger than the memory.
"""

import argparse
from pathlib import Path

import torch

from dancenow.assets import BASE
from dancenow.dataset.shards import Shards
from dancenow.files import cache_dir
from dancenow.models.perceptual import PerceptualDistance
from dancenow.progress import Progress
from dancenow.training.base import BaseConfig, BaseTask
from dancenow.training.budget import Budget
from dancenow.training.loop import LoopConfig, preview_path, state_path, train_loop
from dancenow.training.people import CastConfig, cast
from dancenow.training.streamed import StreamConfig, StreamedBaseTask

SEED = 3


def tell(event: Progress) -> None:
    """A line now and then, for a log."""
    if event.stage != "training":
        print(event.stage, int(event.done), flush=True)
    elif event.note and int(event.note.split()[0]) % 400 == 0:
        print(f"{event.done:.1%} {event.note}", flush=True)


def main() -> None:
    """Train for a number of images, so that the result does not depend on the machine's speed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-o", "--out", type=Path, default=BASE)
    parser.add_argument("--people", type=int, default=40)
    parser.add_argument("--images", type=int, default=17000)
    parser.add_argument("--shards", type=Path)
    options = parser.parse_args()
    config = BaseConfig()
    perceptual = PerceptualDistance(depth=config.perceptual_depth)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if options.shards is not None:
        shards, stream = Shards.open(options.shards), StreamConfig()
        task: BaseTask = StreamedBaseTask(shards, config, stream, seed=SEED, perceptual=perceptual, device=device)
    else:
        stores = cast(CastConfig(people=options.people, canvas_px=config.generator.canvas_px), cache_dir("cast"), tell)
        task = BaseTask(stores, config, seed=SEED, perceptual=perceptual, device=device)
    resume = state_path(options.out).is_file()
    loop = LoopConfig(seed=SEED, save_every_s=180)
    train_loop(task, options.out, Budget(images=options.images), resume=resume, config=loop, listen=tell)
    for left_over in (state_path(options.out), preview_path(options.out)):
        left_over.unlink(missing_ok=True)
    print(f"{options.out}: {options.out.stat().st_size / 1e6:.1f} MB", flush=True)


if __name__ == "__main__":
    main()
