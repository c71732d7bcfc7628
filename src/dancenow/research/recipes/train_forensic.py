"""Train the classifier in `src/dancenow/assets/forensic.safetensors` (what is shipped there now: see forensic.md).

Usage: python -m dancenow.research.recipes.train_forensic STEP, where STEP is

    film              render the scenes of all people (needs the `studio` extra, no GPU)
    make              make real and fake clips of all people
    train [-o FILE]   train the shipped classifier, then its variants
    calibrate         calibrate trained variants again (`train` does it, too)
    measure           test all variants on the test videos and write the result into benchmarks/

All steps but the first run without the studio, on a GPU if there is one. Results are cached, and an interrupted step resumes.
With --workers several processes divide a step; --seconds limits its time.
"""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

import cv2
import torch

from dancenow.assets import FORENSIC
from dancenow.research.bench.forensic_dataset import (
    DatasetPerson,
    assign_to_workers,
    has_scene,
    make_all_clips,
    random_people,
    studio_people,
)
from dancenow.research.bench.forensics import VARIANTS, measure, recalibrate, train_variant
from dancenow.research.bench.rendered_scenes import film_scene

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
FOREVER_S = 1e9
START_S = 15.0
"""Start-up time of a process of `make`, and its overtime for the last person."""
FINISH_S = 30.0
"""Start-up time of a training, and the time for its calibration."""


def main() -> None:
    """Run one step."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", choices=["film", "make", "train", "calibrate", "measure"])
    parser.add_argument("variants", nargs="*", help="for train and calibrate; default: all")
    parser.add_argument("-o", "--out", type=Path)
    parser.add_argument("--seconds", type=float, default=FOREVER_S, help="time limit of the step")
    parser.add_argument("--workers", type=int, default=1, help="processes for film, make and measure")
    parser.add_argument("--part", default="0/1", help="part of the work: index/count")
    parser.add_argument("--people", type=int, default=10**6, help="use only the first random people")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    steps = {"film": film, "make": make, "train": train, "calibrate": calibrate, "measure": measure_all}
    steps[options.step](options)


def part_of(options: argparse.Namespace) -> tuple[int, int]:
    number, parts = options.part.split("/")
    return int(number), int(parts)


def all_people(options: argparse.Namespace) -> list[DatasetPerson]:
    return [*studio_people(), *random_people()[: options.people]]


def film(options: argparse.Namespace) -> None:
    """Render the scenes."""
    number, parts = part_of(options)
    if options.workers > 1:
        run_in_workers(options, FOREVER_S)
        return
    for person in all_people(options)[number::parts]:
        log(str(film_scene(person.scene)))


def make(options: argparse.Namespace) -> None:
    """Make the clips of all people with a scene, divided among workers."""
    number, parts = part_of(options)
    if options.workers > 1:
        run_in_workers(options, options.seconds + START_S)
        return
    torch.set_num_threads(1)
    known = [each for each in all_people(options) if has_scene(each)]
    make_all_clips(assign_to_workers(known, parts)[number], DEVICE, max(options.seconds - START_S, 1))


def run_in_workers(options: argparse.Namespace, limit_s: float) -> None:
    """Run a step in several processes, stopped after limit_s."""
    same = [options.step, "--people", str(options.people), "--seconds", str(options.seconds)]
    run_parallel([[*same, "--part", f"{n}/{options.workers}"] for n in range(options.workers)], limit_s)


def train(options: argparse.Namespace) -> None:
    """Train some variants one after the other, dividing the time."""
    names, end_s = options.variants or list(VARIANTS), time.perf_counter() + options.seconds
    for number, name in enumerate(names):
        seconds = None
        if options.seconds < FOREVER_S:
            seconds = max((end_s - time.perf_counter()) / (len(names) - number) - FINISH_S, 1.0)
        print(train_variant(name, options.out or FORENSIC, DEVICE, seconds), flush=True)


def calibrate(options: argparse.Namespace) -> None:
    """Calibrate some variants again."""
    for name in options.variants or VARIANTS:
        print(recalibrate(name, options.out or FORENSIC, DEVICE), flush=True)


def measure_all(options: argparse.Namespace) -> None:
    """Measure all clips, first with several workers if requested."""
    if options.workers > 1:
        run_in_workers(options, FOREVER_S)
    print(measure(options.out or Path("benchmarks"), FORENSIC, part_of(options)), flush=True)


def run_parallel(jobs: list[list[str]], limit_s: float) -> None:
    """Run steps of this program in parallel processes; stop those that exceed the time limit."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    running = [
        subprocess.Popen([sys.executable, "-m", "dancenow.research.recipes.train_forensic", *job], env=environment)
        for job in jobs
    ]
    end_s = time.perf_counter() + limit_s
    for job, process in zip(jobs, running, strict=True):
        try:
            code = process.wait(max(end_s - time.perf_counter(), 0.1))
        except subprocess.TimeoutExpired:
            process.kill()
            code = process.wait()
        if code:
            log(f"{' '.join(job)}: ended with {code}")


def log(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    main()
