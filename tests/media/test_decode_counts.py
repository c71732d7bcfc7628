"""How often a command probes, decodes and hashes its videos: a video is opened once and passed along."""

import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from dancenow import pipeline
from dancenow.cli import main as cli
from dancenow.face.face_tracker import FaceTracker
from dancenow.generators.references.config import PRESETS
from dancenow.media.container import decoded
from dancenow.media.integrity import Integrity, check_integrity
from dancenow.media.shots import ShotFinder
from dancenow.media.source import VideoSource
from dancenow.metrics.perceptual import EfficientNetTrunk, PerceptualDistance
from dancenow.pose.detectors.registry import DETECTORS
from dancenow.progress import ProgressCallback, ignore_progress
from dancenow.provenance.consent import consent
from dancenow.provenance.forensics.classifier import Calibration, ForensicClassifier
from dancenow.provenance.forensics.network import ForensicNet
from dancenow.storage.atomic_io import sha256_of
from dancenow.storage.checkpoint import save_checkpoint
from dancenow.subject.prepare import prepare
from dancenow.types import ImageRGB
from helpers.drawn_world import film
from helpers.face_world import TINY, large_dancer, untrained_distance
from helpers.forensic_clips import TINY_RECIPE
from helpers.silhouette_detector import SilhouetteDetector

pytestmark = pytest.mark.slow  # whole paths, each some seconds

SOURCE_FRAMES, TARGET_FRAMES = 48, 60


@dataclass(frozen=True)
class Work:
    """What was done with one file. probes: opened and described. passes: how many frames each pass over it decoded."""

    probes: int
    passes: tuple[int, ...]
    hashes: int


class WorkCounter:
    """Counts the work per file name, while it is installed; checks: decodes of the whole file that look for
    damage and cuts."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.probes, self.hashes = Counter[str](), Counter[str]()
        self.frames: dict[str, list[int]] = {}
        self.checks = Counter[str]()
        real_open, real_decoded, real_hash, real_check = VideoSource.open, decoded, sha256_of, check_integrity

        def open_counted(path: Path) -> VideoSource:
            self.probes[Path(path).name] += 1
            return real_open(path)

        def decoded_counted(container: InputContainer, stream: VideoStream) -> Iterator[VideoFrame]:
            passes = self.frames.setdefault(Path(container.name).name, [])
            passes.append(0)
            place = len(passes) - 1
            for frame in real_decoded(container, stream):
                passes[place] += 1
                yield frame

        def check_counted(
            path: Path, on_progress: ProgressCallback = ignore_progress, finder: ShotFinder | None = None
        ) -> Integrity:
            self.checks[path.name] += 1
            return real_check(path, on_progress, finder)

        def hash_counted(path: Path) -> str:
            self.hashes[Path(path).name] += 1
            return real_hash(path)

        monkeypatch.setattr(VideoSource, "open", open_counted)
        monkeypatch.setattr("dancenow.media.source.decoded", decoded_counted)
        monkeypatch.setattr("dancenow.media.source.sha256_of", hash_counted)
        monkeypatch.setattr("dancenow.media.integrity.check_integrity", check_counted)

    def of(self, name: str) -> Work:
        """Passes that decode one frame only are those of the probes."""
        passes = tuple(count for count in self.frames.get(name, ()) if count > 1)
        return Work(self.probes[name], passes, self.hashes[name])


class NoFaceTracker(FaceTracker):
    """Finds no face: the pretrained networks are not needed, and every frame is decoded all the same."""

    def step(self, image_rgb: ImageRGB, t: int) -> None:
        pass


@pytest.fixture
def counter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WorkCounter:
    """Counts in a world whose detector needs no pretrained networks."""
    monkeypatch.setenv("DANCENOW_CACHE", str(tmp_path / "cache"))
    for name in DETECTORS:
        monkeypatch.setitem(DETECTORS, name, lambda _: SilhouetteDetector())
    monkeypatch.setitem(PRESETS, "draft", TINY)
    monkeypatch.setattr("dancenow.face.face_tracking.FaceTracker", NoFaceTracker)
    monkeypatch.setattr("dancenow.face.face_tracking.FaceNetworks", lambda _: None)
    monkeypatch.setattr("dancenow.storage.pretrained.path", lambda *_: tmp_path)
    distance = untrained_distance()
    monkeypatch.setattr("dancenow.generators.train_model.PerceptualDistance", lambda **_: distance)
    monkeypatch.setattr("dancenow.evaluation.evaluator.PerceptualDistance", lambda: PerceptualDistance(EfficientNetTrunk()))
    return WorkCounter(monkeypatch)


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return film(tmp_path / "target.mp4", large_dancer(TARGET_FRAMES))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return film(tmp_path / "source.mp4", large_dancer(SOURCE_FRAMES, 200.0, 1.0))


def test_prepare(target: Path, tmp_path: Path, counter: WorkCounter) -> None:
    """Passes: choose the person, measure the poses and the motion, sample frames for background and quality, refine masks."""
    prepare(target, tmp_path / "subject", consent=consent("rendered"))
    assert counter.of("target.mp4") == Work(probes=1, passes=(TARGET_FRAMES,) * 5, hashes=1)
    assert counter.of("video.mp4") == Work(probes=0, passes=(), hashes=0), "the copy in the subject folder is not read"
    assert counter.checks == {"target.mp4": 1}


def test_transfer(source: Path, target: Path, tmp_path: Path, counter: WorkCounter) -> None:
    """Passes: choose the person, measure the poses and the motion, see whether the camera moves, compare it with the target's,
    and measure the face.
    """
    subject = prepare(target, tmp_path / "subject", consent=consent("rendered"))
    model = pipeline.train(subject.folder, tmp_path / "model.safetensors", budget="16images", face="residual")
    pipeline.transfer(source, model, tmp_path / "out.mp4")
    assert counter.of("source.mp4") == Work(probes=1, passes=(SOURCE_FRAMES,) * 6, hashes=1)
    assert counter.of("target.mp4").probes == 1, "of the earlier prepare"
    assert counter.checks == {"source.mp4": 1, "target.mp4": 1}


def test_run(source: Path, target: Path, tmp_path: Path, counter: WorkCounter) -> None:
    """As prepare and transfer together; the copy of the target serves the training, and the page shows source and result."""
    pipeline.run(source, target, tmp_path / "out.mp4", budget="16images", consent=consent("rendered"))
    assert counter.of("source.mp4") == Work(probes=1, passes=(SOURCE_FRAMES,) * 7, hashes=1)
    assert counter.of("target.mp4") == Work(probes=1, passes=(TARGET_FRAMES,) * 5, hashes=1)
    assert counter.of("video.mp4") == Work(probes=1, passes=(TARGET_FRAMES,) * 3, hashes=1)
    assert counter.of("out.mp4") == Work(probes=1, passes=(SOURCE_FRAMES,), hashes=0)
    assert counter.checks == {"source.mp4": 1, "target.mp4": 1}


def test_evaluate(source: Path, tmp_path: Path, counter: WorkCounter) -> None:
    """Passes over the reference: choose the person, measure the poses, describe the person, re-encode, compare, and the page.

    The result needs neither its description nor the re-encoding.
    """
    shutil.copyfile(source, tmp_path / "out.mp4")
    film(tmp_path / "person.mp4", large_dancer(TARGET_FRAMES, 200.0, 1.0))
    with source.open("ab") as file:
        file.write(bytes(16))  # other content, so that its poses are measured, too
    cli.main(["evaluate", str(tmp_path / "out.mp4"), str(source), "--target", str(tmp_path / "person.mp4")])
    assert counter.of("source.mp4") == Work(probes=1, passes=(SOURCE_FRAMES,) * 6, hashes=1)
    assert counter.of("out.mp4") == Work(probes=1, passes=(SOURCE_FRAMES,) * 5, hashes=1)
    assert counter.of("person.mp4").probes == counter.of("person.mp4").hashes == 1


def test_check(source: Path, target: Path, tmp_path: Path, counter: WorkCounter) -> None:
    """Passes: choose the person, measure the poses and the motion, and show frames in the plot."""
    subject = prepare(target, tmp_path / "subject", consent=consent("rendered"))
    cli.main(["check", str(source), str(subject.folder), "-o", str(tmp_path / "coverage.png")])
    work = counter.of("source.mp4")
    assert (work.probes, work.hashes, len(work.passes)) == (1, 1, 4)
    footage = counter.of("video.mp4")
    assert (footage.probes, footage.hashes, len(footage.passes)) == (1, 0, 1)


def test_detect(source: Path, tmp_path: Path, counter: WorkCounter) -> None:
    """Passes: the watermark, choose the person, measure the poses, and classify."""
    weights = tmp_path / "weights.safetensors"
    save_checkpoint(weights, ForensicClassifier(ForensicNet(TINY_RECIPE.network), Calibration(), "nothing").to_checkpoint())
    cli.main(["detect", str(source), "--weights", str(weights)])
    work = counter.of("source.mp4")
    assert (work.probes, work.hashes, len(work.passes)) == (1, 1, 4)
