"""A small world for commands that are disturbed: two short clips, the commands, and what is compared of their results."""

import hashlib
import json
import shutil
import socket
from collections.abc import Callable
from dataclasses import asdict, dataclass
from fractions import Fraction
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np

from dancenow.assets import SOURCE, TARGET
from dancenow.media.sink import VideoWriter
from dancenow.media.source import read_frames
from dancenow.research.robustness.places import Place, Running
from dancenow.storage import pretrained
from dancenow.storage.atomic_io import cache_dir, complete_or_absent
from dancenow.storage.checkpoint import read_info, read_info_or_none
from dancenow.subject.subject import Subject
from dancenow.training.loop import state_path

SIDE_PX: Final = 144
_EVERY: Final = 5
"""Of the frames of the example clips, which have 30 a second."""
_IMAGES: Final = "2images"
_JOB: Final = "0" * 32
"""The number of the page's job."""
_NEW_JOB: Final = {
    "number": _JOB, "owner": "", "created_s": 0.0, "source": "source.mp4", "source_label": "dance", "target": "target.mp4",
    "target_label": "me", "step": "video", "state": "queued", "settings": {"budget": _IMAGES},
}  # fmt: skip
"""Its record when a user has queued it, as the page writes it."""


@dataclass(frozen=True)
class Command:
    """A command to disturb. result: its file or folder in `Place.out`."""

    name: str
    result: str

    @property
    def is_server(self) -> bool:
        """Whether it only ends when it is told to."""
        return self.name == "web"

    def start(self, place: Place, **options: Any) -> Running:
        """Start it in a place, or start it again after an interruption, to go on with what there is."""
        if self.is_server:
            return place.start(self._words(place), is_done=_job_watcher(place), **options)
        return place.start(self._words(place), **options)

    def _words(self, place: Place) -> list[str]:
        shared, out = place.shared, place.out / self.result
        source, target = str(shared / "source.mp4"), str(shared / "target.mp4")
        training = ["--budget", _IMAGES, "--face", "none"]
        match self.name:
            case "prepare":
                return ["prepare", target, "-o", str(out), "--consent", "rendered"]
            case "train":
                resume = [] if read_info_or_none(state_path(out)) is None else ["--resume"]
                return ["train", str(shared / "subject"), "-o", str(out), *training, *resume]
            case "transfer":
                return ["transfer", source, str(shared / "model.safetensors"), "-o", str(out)]
            case "run":
                return ["run", source, target, "-o", str(out), *training, "--consent", "rendered"]
            case "batch":
                options = ["-o", str(out.parent), "--workers", "1", "--consent", "rendered"]
                return ["batch", str(shared / "jobs.csv"), *options, *training]
            case "web":
                return ["web", "--data", str(place.out / "data"), "--port", str(_free_port())]
        raise ValueError(self.name)

    def lay_out(self, place: Place) -> None:
        """Put what the command needs into its place: of the page, a job that a user has just queued, or queues again.

        Commands that do everything find poses and subject in their cache, from an earlier command, and begin with the training.

        Raises:
            OSError, OutputError: the place has no room for it.
        """
        place.out.mkdir(parents=True, exist_ok=True)
        if self.name in ("run", "batch", "web") and not place.cache.exists():
            shutil.copytree(place.shared / "seed", place.cache)
        if not self.is_server:
            return
        folder = place.out / "data" / "jobs" / _JOB
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("source.mp4", "target.mp4"):
            if not (folder / name).exists():
                shutil.copyfile(place.shared / name, folder / name)
        state = _job(place).get("state")
        if state in (None, "paused", "cancelled", "failed"):
            for name in ("progress.json", "outcome.json"):
                (folder / name).unlink(missing_ok=True)
            consent = asdict(Subject.open(place.shared / "subject").manifest.consent)  # type: ignore[arg-type]  # there is one
            with complete_or_absent(folder / "job.json") as temporary:
                temporary.write_text(json.dumps(_NEW_JOB | {"consent": consent}), "utf-8")


COMMANDS: Final = (
    Command("prepare", "subject"),
    Command("train", "model.safetensors"),
    Command("transfer", "out.mp4"),
    Command("run", "out.mp4"),
    Command("batch", "dance.mp4"),
    Command("web", f"data/jobs/{_JOB}/result.mp4"),
)


def _job(place: Place) -> dict[str, Any]:
    """The record of the page's job, empty if there is none."""
    try:
        record: dict[str, Any] = json.loads((place.out / "data" / "jobs" / _JOB / "job.json").read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return record


def _job_watcher(place: Place) -> Callable[[], bool]:
    """Whether the page's job has ended."""
    return lambda: _job(place).get("state", "queued") not in ("queued", "running")


def job_error(place: Place) -> str:
    """What the page says of its job."""
    return str(_job(place).get("error", ""))


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def create_shared(shared: Path, stand_ins: str) -> None:
    """Make the clips, and a subject and a model for the commands that need them.

    stand_ins: as of `Place`; the module's `write_clips(folder)` makes the clips.
    """
    shared.mkdir(parents=True, exist_ok=True)
    if stand_ins:
        import_module(stand_ins).write_clips(shared)
    else:
        pretrained.fetch_all()
        shutil.copytree(cache_dir("weights"), shared / "weights")
        for name, asset, seconds in (("source", SOURCE, 0.7), ("target", TARGET, 2.2)):
            _shrink(asset, shared / f"{name}.mp4", seconds)
    (shared / "jobs.csv").write_text("source,target,out\nsource.mp4,target.mp4,dance\n", "utf-8")
    place = Place(shared / "first", shared, stand_ins)
    for command, kept in ((COMMANDS[0], "subject"), (COMMANDS[1], "model.safetensors"), (COMMANDS[3], None)):
        status, output = command.start(place).finish()
        if status:
            raise RuntimeError(output)
        if kept:
            (place.out / command.result).replace(shared / kept)
    (place.cache / "code").replace(shared / "code")
    not_seeded = shutil.ignore_patterns("weights", "code", "models", ".locks")
    shutil.copytree(place.cache, shared / "seed", ignore=not_seeded)
    shutil.rmtree(place.folder)


def fingerprint(path: Path) -> str:
    """What is the same in two results that are alike: contents without dates, signatures and times."""
    digest = hashlib.sha256()
    if path.is_dir():
        for name, sha256 in sorted(Subject.open(path).manifest.files.items()):
            digest.update(f"{name} {sha256}".encode())
    elif path.suffix == ".safetensors":
        if read_info(path).trained_fraction != 1.0:
            return "half-trained"
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
