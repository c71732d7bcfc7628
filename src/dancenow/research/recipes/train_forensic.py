"""The recipe of the classifier in `src/dancenow/assets/forensic.safetensors` (what is shipped there now: see forensic.md).

Usage: python -m dancenow.research.recipes.train_forensic STEP, where STEP is

    film              renders everybody's scenes (needs the `studio` extra, no GPU)
    make              makes real and forged clips of everybody
    train [-o FILE]   trains the shipped classifier, then its variants
    calibrate         calibrates trained ones again, which `train` does, too
    measure           measures all of them on the test videos, into benchmarks/

All but the first run without the studio, on a GPU where there is one; what is made is kept in the cache, and each step goes on
where it was interrupted. With --workers several processes share a step, with --seconds it ends in time.
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
from dancenow.research.bench.forensic_dataset import Suspect, is_there, make_all, recruits, shared_out, studio_people
from dancenow.research.bench.forensics import VARIANTS, measure, recalibrate, train_variant
from dancenow.research.bench.rendered_scenes import film_scene

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
FOREVER_S = 1e9
START_S = 15.0
"""What a process of `make` needs before it begins, and for its last person after its time is over."""
FINISH_S = 30.0
"""What a training needs before it begins and for its calibration."""


def main() -> None:
    """One step."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", choices=["film", "make", "train", "calibrate", "measure"])
    parser.add_argument("variants", nargs="*", help="of train and calibrate; all without")
    parser.add_argument("-o", "--out", type=Path)
    parser.add_argument("--seconds", type=float, default=FOREVER_S, help="how long a step may take")
    parser.add_argument("--workers", type=int, default=1, help="processes of film, make and measure")
    parser.add_argument("--part", default="0/1", help="which part of the work: number/of how many")
    parser.add_argument("--people", type=int, default=10**6, help="only so many of the random people")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    steps = {"film": film, "make": make, "train": train, "calibrate": calibrate, "measure": judge}
    steps[options.step](options)


def part_of(options: argparse.Namespace) -> tuple[int, int]:
    number, parts = options.part.split("/")
    return int(number), int(parts)


def everybody(options: argparse.Namespace) -> list[Suspect]:
    return [*studio_people(), *recruits()[: options.people]]


def film(options: argparse.Namespace) -> None:
    """The scenes."""
    number, parts = part_of(options)
    if options.workers > 1:
        shared(options, FOREVER_S)
        return
    for suspect in everybody(options)[number::parts]:
        say(str(film_scene(suspect.scene)))


def make(options: argparse.Namespace) -> None:
    """Everybody who has a scene, shared among workers."""
    number, parts = part_of(options)
    if options.workers > 1:
        shared(options, options.seconds + START_S)
        return
    torch.set_num_threads(1)
    known = [each for each in everybody(options) if is_there(each)]
    make_all(shared_out(known, parts)[number], DEVICE, max(options.seconds - START_S, 1))


def shared(options: argparse.Namespace, limit_s: float) -> None:
    """A step by several processes, stopped after so many seconds."""
    same = [options.step, "--people", str(options.people), "--seconds", str(options.seconds)]
    together([[*same, "--part", f"{n}/{options.workers}"] for n in range(options.workers)], limit_s)


def train(options: argparse.Namespace) -> None:
    """Some variants, one after the other, sharing the time."""
    names, end_s = options.variants or list(VARIANTS), time.perf_counter() + options.seconds
    for number, name in enumerate(names):
        seconds = None
        if options.seconds < FOREVER_S:
            seconds = max((end_s - time.perf_counter()) / (len(names) - number) - FINISH_S, 1.0)
        print(train_variant(name, options.out or FORENSIC, DEVICE, seconds), flush=True)


def calibrate(options: argparse.Namespace) -> None:
    """Some variants anew."""
    for name in options.variants or VARIANTS:
        print(recalibrate(name, options.out or FORENSIC, DEVICE), flush=True)


def judge(options: argparse.Namespace) -> None:
    """All clips, by several workers first if wanted."""
    if options.workers > 1:
        shared(options, FOREVER_S)
    print(measure(options.out or Path("benchmarks"), FORENSIC, part_of(options)), flush=True)


def together(jobs: list[list[str]], limit_s: float) -> None:
    """This program's steps in processes of their own, all at once; those that are not done in time are stopped."""
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
            say(f"{' '.join(job)}: ended with {code}")


def say(words: str) -> None:
    print(words, flush=True)


if __name__ == "__main__":
    main()
