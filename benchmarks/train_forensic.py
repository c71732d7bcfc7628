"""The recipe of the classifier in `src/dancenow/assets/forensic.safetensors`, of the first of its two networks; the second is
what this recipe made on 2026-11-25, of other material (see forensic.md). `join` puts networks together.

    python benchmarks/train_forensic.py film [--packs FOLDER]  the rendered footage (needs the `studio` extra, no GPU)
    python benchmarks/train_forensic.py make                   real and forged clips of everybody
    python benchmarks/train_forensic.py train [-o FILE]        the classifier, then those that tell what it owes to what
    python benchmarks/train_forensic.py calibrate              trained ones anew, which `train` does, too
    python benchmarks/train_forensic.py join FILE FILE         one classifier of several, weighed on the test's videos
    python benchmarks/train_forensic.py measure                all of them on the test's videos, into benchmarks/
    python benchmarks/train_forensic.py stage -o FOLDER        make and train within --seconds, results into a folder

All but the first run without the studio, on a GPU where there is one; what is made is kept in the cache, and each step goes on
where it was interrupted. `film` takes the random people from the packs of `benchmarks/train_base.py`.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import cv2
import torch

from dancenow.assets import FORENSIC
from dancenow.bench.forensics import (
    SHIPPED,
    VARIANTS,
    join,
    looks_report,
    measure,
    recalibrate,
    train_variant,
    unfinished_path,
    variant_path,
)
from dancenow.bench.scenes import TESTED, film_scene
from dancenow.bench.suspects import clips_folder, is_there, keep_room, looks_at, make_all, recruits, shared_out, studio_people
from dancenow.files import cache_dir

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
FOREVER_S = 1e9
START_S = 15.0
"""What a process of `make` needs before it begins, and for its last person after its time is over."""
MAKING = 0.47
"""Share of the time of a stage in which clips are made."""
FINISH_S = 8.0
"""What a training needs before it begins and for its calibration."""
MOST_BYTES = 15 * 2**20


def main() -> None:
    """One step."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", choices=["film", "make", "train", "calibrate", "join", "measure", "stage"])
    parser.add_argument("variants", nargs="*", help="of train and calibrate, all without; of join, files")
    parser.add_argument("-o", "--out", type=Path)
    parser.add_argument("--packs", type=Path, default=None, help="the packed cast; by default in the cache")
    parser.add_argument("--seconds", type=float, default=FOREVER_S, help="how long a step may take")
    parser.add_argument("--workers", type=int, default=1, help="processes of make and measure")
    parser.add_argument("--part", default="0/1", help="which part of the work: number/of how many")
    parser.add_argument("--people", type=int, default=10**6, help="only so many of the random people")
    options = parser.parse_args()
    options.packs = options.packs or cache_dir("cast-packs")
    cv2.setNumThreads(1)
    steps = {"film": film, "make": make, "train": train, "calibrate": calibrate, "join": joined, "measure": judge}
    (steps | {"stage": stage})[options.step](options)


def part_of(options: argparse.Namespace) -> tuple[int, int]:
    number, parts = options.part.split("/")
    return int(number), int(parts)


def film(options: argparse.Namespace) -> None:
    """Rooms of the cast, and the scenes of the test."""
    number, parts = part_of(options)
    for person in recruits()[: options.people][number::parts]:
        keep_room(person.number or 0)
    for config in TESTED[number::parts]:
        print(film_scene(config), flush=True)


def make(options: argparse.Namespace) -> None:
    """Everybody who has footage, shared among workers."""
    number, parts = part_of(options)
    if options.workers > 1:
        make_together(options, options.seconds)
        return
    torch.set_num_threads(1)
    people = [*studio_people(), *recruits()[: options.people]]
    known = [each for each in people if is_there(each, options.packs)]
    make_all(shared_out(known, parts)[number], options.packs, DEVICE, options.seconds)


def make_together(options: argparse.Namespace, seconds: float) -> None:
    """`make` by several processes, all of them over after so many seconds."""
    same = ["make", "--packs", str(options.packs), "--people", str(options.people), "--seconds", str(max(seconds - START_S, 1))]
    together([[*same, "--part", f"{n}/{options.workers}"] for n in range(options.workers)], seconds + START_S)


def train(options: argparse.Namespace) -> None:
    """Some variants, one after the other, sharing the time."""
    names, end_s = options.variants or list(VARIANTS), time.perf_counter() + options.seconds
    if options.seconds < FOREVER_S:
        looks_at("train")  # read once, within the time
    for number, name in enumerate(names):
        seconds = None
        if options.seconds < FOREVER_S:
            seconds = max((end_s - time.perf_counter()) / (len(names) - number) - FINISH_S, 1.0)
        print(train_variant(name, options.out or FORENSIC, DEVICE, seconds), flush=True)


def calibrate(options: argparse.Namespace) -> None:
    """Some variants anew."""
    for name in options.variants or VARIANTS:
        print(recalibrate(name, options.out or FORENSIC, DEVICE), flush=True)


def joined(options: argparse.Namespace) -> None:
    """One classifier of several."""
    print(join([Path(name) for name in options.variants], options.out or FORENSIC), flush=True)


def judge(options: argparse.Namespace) -> None:
    """All clips, by several workers first if wanted."""
    if options.workers > 1:
        together([["measure", "--part", f"{n}/{options.workers}"] for n in range(options.workers)], FOREVER_S)
    print(measure(options.out or Path(__file__).parent, FORENSIC, part_of(options)), flush=True)


def stage(options: argparse.Namespace) -> None:
    """Everything that a GPU is wanted for, within the time: weights, reports and the test's clips in one folder."""
    out = options.out
    out.mkdir(parents=True, exist_ok=True)
    start_s, seconds = time.perf_counter(), options.seconds
    limit_s = MAKING * seconds
    make_together(options, limit_s)
    say(f"made after {time.perf_counter() - start_s:.0f} s")
    kept = [f"clips/{clips_folder(each).name}" for each in studio_people() if clips_folder(each).is_dir()]
    pack(out / "forensics-clips", kept)
    rest_s = max(seconds - (time.perf_counter() - start_s) - START_S, 4 * FINISH_S)
    weights = out / "forensic.safetensors"
    others = [name for name in VARIANTS if name != SHIPPED]
    jobs = [["train", SHIPPED], ["train", *others]]
    together([[*job, "-o", str(weights), "--seconds", str(rest_s)] for job in jobs], rest_s + 2 * START_S)
    if not weights.is_file() and unfinished_path(SHIPPED).is_file():
        shutil.copy(unfinished_path(SHIPPED), weights)  # `calibrate` finishes it elsewhere
    files = [f"variants/{path.name}" for name in VARIANTS for path in (variant_path(name, weights), looks_report(name))]
    pack(out / "forensics-variants", [name for name in files if (cache_dir("forensics") / name).is_file()])
    say(f"done after {time.perf_counter() - start_s:.0f} s: {[f'{p.name} {p.stat().st_size}' for p in sorted(out.iterdir())]}")


def pack(path: Path, names: list[str]) -> None:
    """Files and folders of the cache's `forensics` as archives of bounded size: PATH-0.tar, PATH-1.tar..."""
    root = cache_dir("forensics")
    groups: list[list[str]] = [[]]
    used = 0
    for name in names:
        inside = (root / name).rglob("*") if (root / name).is_dir() else [root / name]
        size = sum(file.stat().st_size for file in inside)
        if groups[-1] and used + size > MOST_BYTES:
            groups.append([])
            used = 0
        groups[-1].append(name)
        used += size
    for number, group in enumerate(groups):
        with tarfile.open(f"{path}-{number}.tar", "w") as archive:
            for name in group:
                archive.add(root / name, arcname=name)


def together(jobs: list[list[str]], limit_s: float) -> None:
    """This program's steps in processes of their own, all at once; those that are not done in time are stopped."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    running = [subprocess.Popen([sys.executable, __file__, *job], env=environment) for job in jobs]
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
