"""Parts of a transfer that were rendered alone join without a seam."""

from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import numpy as np
import pytest

from dancenow import pipeline
from dancenow.execution import Execution
from dancenow.generators.crop.config import CropConfig, LossWeights
from dancenow.generators.crop.discriminator import DiscriminatorConfig
from dancenow.generators.crop.network import GeneratorConfig
from dancenow.generators.references.config import PRESETS
from dancenow.media.lossless import LosslessWriter, read_lossless
from dancenow.media.source import open_video, read_frames
from dancenow.metrics.perceptual import EfficientNetTrunk, PerceptualDistance
from dancenow.planned_transfer import PlannedTransfer, TransferOptions, open_transfer
from dancenow.progress import ignore_progress, ignore_warning
from dancenow.subject.subject import Subject
from dancenow.types import PoseTrack
from helpers.drawn_world import dancer_track, drawn_detector, film

FRAMES = 13


def smaller_dancer(num_frames: int) -> PoseTrack:
    return dancer_track(num_frames, phase=1.0, body_px=60.0)


@pytest.fixture(scope="module")
def model(drawn_subject: Subject, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A model of 64 px that was hardly trained: every image differs from the next, so that the temporal filter shows."""
    tiny = CropConfig(
        GeneratorConfig(canvas_px=64, width=8, blocks=1), DiscriminatorConfig(width=4, scales=1),
        DiscriminatorConfig(frames=2, width=4, scales=1), LossWeights(perceptual=0.0),
    )  # fmt: skip
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setitem(PRESETS, "draft", tiny)
        monkeypatch.setattr("dancenow.storage.pretrained.path", lambda *_: None)
        trunk = PerceptualDistance(EfficientNetTrunk(), depth=1)
        monkeypatch.setattr("dancenow.generators.train_model.PerceptualDistance", lambda **_: trunk)
        out = tmp_path_factory.mktemp("model") / "model.safetensors"
        yield pipeline.train(drawn_subject.folder, out, budget="8images", face="none")


@pytest.mark.slow
@pytest.mark.parametrize("scene", ["target", "transparent"])
def test_a_video_rendered_in_parts_is_the_undivided_one(
    scene: str, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DANCENOW_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(pipeline, "detect_poses", drawn_detector(smaller_dancer))
    source = film(tmp_path / "source.mp4", smaller_dancer(FRAMES))
    suffix = ".mp4" if scene == "target" else ".mov"
    whole, joined = tmp_path / f"whole{suffix}", tmp_path / f"joined{suffix}"
    pipeline.transfer(source, model, whole, scene=scene, face="none")
    parts = []
    for start, stop in ((0, 5), (5, 6), (6, FRAMES)):  # each as by a process of its own
        parts.append(tmp_path / f"{start}.mkv")
        with _planned(source, model, joined, scene).images(start, stop) as images, LosslessWriter(parts[-1]) as writer:
            for image in images:
                writer.write(image)
    planned = _planned(source, model, joined, scene)
    with planned.images(0, FRAMES) as images:
        for expected, found in zip(images, chain.from_iterable(map(read_lossless, parts)), strict=True):
            assert np.array_equal(expected, found)
    planned.write(chain.from_iterable(map(read_lossless, parts)), 0, FRAMES, ignore_progress)
    for one, other in zip(read_frames(whole), read_frames(joined), strict=True):
        assert one.time_s == other.time_s
        assert np.array_equal(one.image_rgb, other.image_rgb)


def _planned(source: Path, model: Path, out: Path, scene: str) -> PlannedTransfer:
    options = TransferOptions(scene=scene, face="none")
    opened = open_transfer(
        open_video(source), {None: model}, out, options, (0, None), Execution.auto("cpu"), ignore_warning, ignore_progress
    )
    return opened.plan({None: drawn_detector(smaller_dancer)(source)}, ignore_progress)
