"""Train the face network's weights in `src/dancenow/assets/face_base.safetensors`; a new run gives an equally good network.

Needs the `studio` extra. People, dances, rooms and cameras are random. An interrupted run resumes when started again.

On several GPUs: torchrun --nproc-per-node N -m dancenow.research.recipes.train_face_base ...
"""

import argparse
from functools import partial
from pathlib import Path

import torch

from dancenow.assets import FACE_BASE
from dancenow.metrics.perceptual import PerceptualDistance
from dancenow.progress import Progress
from dancenow.research.recipes.face_pretraining_task import FacePretrainingConfig, FacePretrainingTask
from dancenow.research.recipes.face_renders import CloseupConfig, closeups
from dancenow.research.recipes.joint_training import in_first_process, on_all_processes, rendering_alone
from dancenow.storage.atomic_io import cache_dir
from dancenow.training.budget import Budget
from dancenow.training.distributed import rank
from dancenow.training.loop import LoopConfig, preview_path, state_path, train_loop

SEED = 3


def tell(event: Progress) -> None:
    """Print a line every few seconds."""
    if event.stage != "training":
        print(event.stage, int(event.done), flush=True)
    elif event.note and int(event.note.split()[0]) % 800 == 0:
        print(f"{event.done:.1%} {event.note}", flush=True)


def main() -> None:
    """Train for a number of images, so that the result does not depend on the machine's speed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-o", "--out", type=Path, default=FACE_BASE)
    parser.add_argument("--people", type=int, default=96)
    parser.add_argument("--images", type=int, default=40000)
    options = parser.parse_args()
    on_all_processes(partial(_make, options))


def _make(options: argparse.Namespace) -> None:
    on_progress, folder = in_first_process(tell), cache_dir("closeups")
    with rendering_alone(folder):
        people = closeups(CloseupConfig(people=options.people), folder, on_progress)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    task = FacePretrainingTask(
        people, FacePretrainingConfig(), seed=SEED, perceptual=PerceptualDistance(depth=3), device=device
    )
    loop = LoopConfig(seed=SEED, save_every_s=60)
    resume = state_path(options.out).is_file()
    train_loop(task, options.out, Budget(images=options.images), resume=resume, config=loop, on_progress=on_progress)
    if rank():
        return
    for left_over in (state_path(options.out), preview_path(options.out)):
        left_over.unlink(missing_ok=True)
    print(f"{options.out}: {options.out.stat().st_size / 1e6:.1f} MB", flush=True)


if __name__ == "__main__":
    main()
