"""A small world for commands that are disturbed: two short clips, the commands, and what is compared of their results.

Every command runs as a process of its own, with a cache of its own; the certificate and the consents are shared, because their
random numbers are part of a model.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from dancenow.assets import SOURCE, TARGET
from dancenow.media.sink import VideoWriter
from dancenow.media.source import read_frames
from dancenow.storage import pretrained
from dancenow.storage.atomic_io import cache_dir
from dancenow.storage.checkpoint import read_info, read_info_or_none
from dancenow.storage.unfinished import PREFIX
from dancenow.subject.subject import Subject
from dancenow.training.loop import state_path

SIDE_PX: Final = 192
_EVERY: Final = 3
"""Of the frames of the example clips, which have 30 a second."""
_IMAGES: Final = "4images"


@dataclass(frozen=True)
class Place:
    """Where a command works: its cache, the folder of its result, and what all places share."""

    folder: Path
    shared: Path

    @property
    def cache(self) -> Path:
        return self.folder / "cache"

    @property
    def out(self) -> Path:
        return self.folder / "out"

    def start(self, words: list[str]) -> subprocess.Popen[str]:
        """Start a command of dancenow here."""
        self.out.mkdir(parents=True, exist_ok=True)
        self.cache.mkdir(exist_ok=True)
        for name in ("weights", "code"):  # nothing is downloaded or parsed again
            if (self.shared / name).is_dir() and not (self.cache / name).exists():
                (self.cache / name).symlink_to(self.shared / name)
        places = {"DANCENOW_CACHE": str(self.cache), "DANCENOW_HOME": str(self.shared / "home"), "TMPDIR": str(self.folder)}
        return subprocess.Popen(
            [sys.executable, "-m", "dancenow", *words], env=os.environ | places, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip

    def files(self) -> list[str]:
        """Everything here but lock files, by name, without the digits of cache keys, which the results do not depend on."""
        found = [
            path.relative_to(self.folder).as_posix() for path in self.folder.rglob("*") if ".locks/" not in path.as_posix()
        ]
        return sorted(name for name in found if not name.endswith(".locks"))

    def unfinished(self) -> list[str]:
        """What is unfinished here."""
        return [name for name in self.files() if PREFIX in name]


@dataclass(frozen=True)
class Command:
    """A command to disturb. result: its file or folder in `Place.out`."""

    name: str
    result: str

    def words(self, place: Place) -> list[str]:
        """The command line, which after an interruption goes on with what there is."""
        shared, out = place.shared, place.out / self.result
        source, target = str(shared / "source.mp4"), str(shared / "target.mp4")
        match self.name:
            case "prepare":
                return ["prepare", target, "-o", str(out), "--consent", "rendered"]
            case "train":
                state = read_info_or_none(state_path(out))
                resume = ["--resume"] if state is not None else []
                return ["train", str(shared / "subject"), "-o", str(out), "--budget", _IMAGES, "--face", "none", *resume]
            case "transfer":
                return ["transfer", source, str(shared / "model.safetensors"), "-o", str(out)]
            case "run":
                return ["run", source, target, "-o", str(out), "--budget", _IMAGES, "--face", "none", "--consent", "rendered"]
        raise ValueError(self.name)


COMMANDS: Final = (
    Command("prepare", "subject"),
    Command("train", "model.safetensors"),
    Command("transfer", "out.mp4"),
    Command("run", "out.mp4"),
)


def create_shared(shared: Path) -> None:
    """Make the clips, and a subject and a model for the commands that need them."""
    shared.mkdir(parents=True, exist_ok=True)
    pretrained.fetch_all()
    shutil.copytree(cache_dir("weights"), shared / "weights")
    for name, asset, seconds in (("source", SOURCE, 1.2), ("target", TARGET, 2.6)):
        _shrink(asset, shared / f"{name}.mp4", seconds)
    place = Place(shared / "first", shared)
    for command, kept in ((COMMANDS[0], "subject"), (COMMANDS[1], "model.safetensors"), (COMMANDS[3], None)):
        status, output = finish(place.start(command.words(place)))
        if status:
            raise RuntimeError(output)
        if kept:
            (place.out / command.result).replace(shared / kept)
    (place.cache / "code").replace(shared / "code")
    shutil.rmtree(place.folder)


def finish(process: "subprocess.Popen[str]", timeout_s: float = 1800.0) -> tuple[int, str]:
    """Status and output of a command."""
    output, _ = process.communicate(timeout=timeout_s)
    return process.returncode, output


def fingerprint(path: Path) -> str:
    """What is the same in two results that are alike: contents without dates, signatures and times."""
    digest = hashlib.sha256()
    if path.is_dir():
        for name, sha256 in sorted(Subject.open(path).manifest.files.items()):
            digest.update(f"{name} {sha256}".encode())
    elif path.suffix == ".safetensors":
        assert read_info(path).trained_fraction == 1.0
        digest.update(path.read_bytes())
    else:
        for frame in read_frames(path):
            digest.update(f"{frame.time_s}".encode())
            digest.update(frame.image_rgb.tobytes())
    return digest.hexdigest()[:16]


def _shrink(asset: Path, out: Path, seconds: float) -> None:
    fps = Fraction(30, _EVERY)
    with VideoWriter(out, SIDE_PX, SIDE_PX, fps=fps, crf=12) as writer:
        for frame in read_frames(asset, 0, round(30 * seconds), _EVERY):
            small = cv2.resize(frame.image_rgb, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA)
            writer.write(np.asarray(small, np.uint8), frame.time_s)
