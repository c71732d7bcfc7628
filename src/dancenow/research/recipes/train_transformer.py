"""Train the weights in `src/dancenow/assets/transformer.safetensors`; a new run gives the same weights.

Needs the `studio` extra. Bodies and dances are random; the studio's are not among them, so they are a test.
"""

import argparse
import time
from pathlib import Path

import numpy as np

from dancenow.assets import TRANSFORMER
from dancenow.research.recipes.stn_training import (
    Example,
    WarpConfig,
    WarpTask,
    own_examples,
    random_view,
    studio_examples,
)
from dancenow.research.studio.random_sampling import random_dance
from dancenow.research.studio.tracks import phenotype_keypoints, project_track
from dancenow.storage.checkpoint import save_checkpoint
from dancenow.training.loop import Clock

SEED = 11
BODIES = 10
DANCES = 24
FPS = 10.0


def random_phenotype(rng: np.random.Generator) -> dict[str, float]:
    """Draw the phenotype of a random adult or teenager."""
    low_high = {"gender": (0, 1), "age": (0.5, 0.75), "muscle": (0.3, 0.7), "weight": (0.3, 0.75), "height": (0.1, 0.9)}
    drawn = {name: float(rng.uniform(*each)) for name, each in low_high.items()}
    return drawn | {"proportions": float(rng.uniform(0.2, 0.9))}


def examples(pairs: int) -> list[Example]:
    """Studio pairs, and half as many self-supervised examples."""
    rng = np.random.default_rng(SEED)
    bodies = [random_phenotype(rng) for _ in range(BODIES)]
    dances = [random_dance(f"dance {i}", 96, rng) for i in range(DANCES)]
    dancers = [{dance.name: phenotype_keypoints(body, dance, FPS) for dance in dances} for body in bodies]
    print("bodies", flush=True)
    samples = list(studio_examples(dancers, pairs, FPS, rng))
    for _ in range(pairs // 32):  # 16 from each of so many tracks
        dancer = dancers[rng.integers(len(dancers))]
        track = project_track(dancer[str(rng.choice(sorted(dancer)))], *random_view(rng), FPS)
        samples += own_examples(track, 16, rng)
    return samples


def main() -> None:
    """Train for a number of steps, so that the result does not depend on the machine's speed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-o", "--out", type=Path, default=TRANSFORMER)
    parser.add_argument("--pairs", type=int, default=2000)
    parser.add_argument("--steps", type=int, default=2500)
    options = parser.parse_args()
    started = time.perf_counter()
    samples = examples(options.pairs)
    rng = np.random.default_rng(SEED)
    samples = [samples[i] for i in rng.permutation(len(samples))]
    num_test = len(samples) // 10
    task, test = (WarpTask(part, WarpConfig(), seed=SEED) for part in (samples[num_test:], samples[:num_test]))
    print(
        f"{len(samples)} examples after {time.perf_counter() - started:.0f} s; untransformed error {test.error():.4f}",
        flush=True,
    )
    for step in range(options.steps):
        images = step * task.images_per_step
        terms = task.step(np.random.default_rng((SEED, images)), step / options.steps)
        if step % 500 == 499:
            test.localization_net.load_state_dict(task.localization_net.state_dict())
            print(
                step + 1,
                {k: round(v, 4) for k, v in terms.items()},
                f"train {task.error():.4f} test {test.error():.4f}",
                flush=True,
            )
    clock = Clock(time.perf_counter() - started, options.steps * task.images_per_step)
    save_checkpoint(options.out, task.model(clock))
    print(f"{options.out}: {options.out.stat().st_size / 1e3:.0f} kB after {clock.seconds:.0f} s", flush=True)


if __name__ == "__main__":
    main()
