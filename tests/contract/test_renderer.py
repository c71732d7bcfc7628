"""One test over every painter: what transfer and benchmarks may rely on, whatever kind of model the file holds."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from dancenow.errors import UserError
from dancenow.generators.crop.config import BodyConfig
from dancenow.generators.crop.dataset import ClipStore
from dancenow.generators.crop.discriminator import DiscriminatorConfig
from dancenow.generators.crop.network import GeneratorConfig
from dancenow.generators.crop.task import BodyTask
from dancenow.generators.edn.config import PaperConfig
from dancenow.generators.edn.dataset import WholeClipStore
from dancenow.generators.edn.task import PaperTask, stored_box
from dancenow.generators.registry import load_painter
from dancenow.generators.renderers import Painter
from dancenow.metrics.perceptual import EfficientNetTrunk, PerceptualDistance
from dancenow.storage.checkpoint import Checkpoint, CheckpointInfo, save_checkpoint
from dancenow.subject.subject import Subject
from dancenow.subject.target_appearance import WHOLE_FRAME_KIND, Target
from dancenow.training.loop import Clock
from dancenow.types import FrameStatus, Pose, PoseTrack

CPU = torch.device("cpu")
JUDGE = DiscriminatorConfig(width=4, scales=1)
RECIPES: dict[str, BodyConfig | PaperConfig] = {
    "crops": BodyConfig(GeneratorConfig(canvas_px=64, width=8, blocks=1), JUDGE, replace(JUDGE, frames=2)),
    "crops, each by itself": BodyConfig(
        GeneratorConfig(canvas_px=64, width=8, blocks=1, previous=False), JUDGE, replace(JUDGE, frames=2), rollout=2
    ),
    "fine crops": BodyConfig(
        GeneratorConfig(canvas_px=64, width=8, blocks=1, previous=False, fine=True), JUDGE, replace(JUDGE, frames=2), rollout=2
    ),
    "paper": PaperConfig(longer_px=64, width=1 / 16),
    "frame by frame": PaperConfig(longer_px=64, width=1 / 16, temporal=False),
    "enhanced": PaperConfig(longer_px=64, width=1 / 16, enhance_from=0.5),
    "heatmaps": PaperConfig(longer_px=64, width=1 / 16, conditioning="heatmaps"),
}


@pytest.fixture(params=RECIPES, scope="module")
def painter(request: pytest.FixtureRequest, drawn_subject: Subject, tmp_path_factory: pytest.TempPathFactory) -> Painter:
    """Of an untrained model that went through its file."""
    path = tmp_path_factory.mktemp("models") / "model.safetensors"
    save_checkpoint(path, untrained(RECIPES[request.param], drawn_subject))
    return load_painter(path, CPU)


def untrained(config: BodyConfig | PaperConfig, subject: Subject) -> Checkpoint:
    target, distance = Target.of_subject(subject), PerceptualDistance(EfficientNetTrunk(), depth=1)
    task: BodyTask | PaperTask
    if isinstance(config, BodyConfig):
        crops = ClipStore.build(subject, 64, 2, max_frames=32)
        task = BodyTask(crops, config, seed=0, kept=target.to_checkpoint({}), perceptual=distance, device=CPU)
    else:
        frames = WholeClipStore.build(subject, stored_box(config, 128, 128), config.clip_frames, max_frames=32)
        kept = target.to_checkpoint({}, WHOLE_FRAME_KIND)
        task = PaperTask(frames, config, seed=0, kept=kept, perceptual=distance, device=CPU)
        if config.enhance_from < 1:
            task.step(np.random.default_rng(0), 0.9)
    return task.model(Clock())


@pytest.fixture
def dance(drawn_subject: Subject) -> PoseTrack:
    track = drawn_subject.track
    return replace(track, pose=track.pose[:12], time_s=track.time_s[:12], status=track.status[:12].copy())


def test_a_painter_knows_its_target(painter: Painter, drawn_subject: Subject) -> None:
    assert painter.target.name == drawn_subject.manifest.name
    np.testing.assert_array_equal(painter.target.plate.image_rgb, drawn_subject.plate.image_rgb)
    np.testing.assert_array_equal(painter.target.track.pose.xy, drawn_subject.track.pose.xy)


def test_every_frame_is_a_picture_of_the_targets_size(painter: Painter, dance: PoseTrack) -> None:
    pictures = list(painter.paint(dance))
    assert len(pictures) == 12
    assert all(p.dtype == np.uint8 and p.shape == painter.target.plate.image_rgb.shape for p in pictures)
    assert any((p != pictures[0]).any() for p in pictures)


def test_the_same_dance_gives_the_same_pictures_and_a_part_its_part(painter: Painter, dance: PoseTrack) -> None:
    whole = list(painter.paint(dance, 3))
    part = list(painter.paint(dance, 3, 6))
    assert (len(whole), len(part)) == (9, 3)
    for one, other in zip(whole, part, strict=False):
        np.testing.assert_array_equal(one, other)


def test_two_dances_can_be_painted_in_turn(painter: Painter, dance: PoseTrack) -> None:
    alone = list(painter.paint(dance, 0, 3))
    for expected, one, other in zip(alone, painter.paint(dance, 0, 3), painter.paint(dance, 0, 3), strict=True):
        np.testing.assert_array_equal(one, expected)
        np.testing.assert_array_equal(other, expected)


def test_nobody_there_is_the_empty_room_and_the_next_person_starts_afresh(painter: Painter, dance: PoseTrack) -> None:
    dance.status[4:6] = FrameStatus.MISSING
    confidence = dance.pose.confidence.copy()
    confidence[4:6] = 0
    gap = replace(dance, pose=Pose(dance.pose.xy, confidence, dance.pose.depth))
    pictures = list(painter.paint(gap))
    for index in (4, 5):
        np.testing.assert_array_equal(pictures[index], painter.target.plate.image_rgb)
    np.testing.assert_array_equal(pictures[6], next(painter.paint(gap, 6)))


def test_filled_frames_are_painted_like_measured_ones(painter: Painter, dance: PoseTrack) -> None:
    unsure = dance.pose.confidence.copy()
    unsure[2] *= 0.5  # as filling leaves them
    filled = replace(dance, pose=Pose(dance.pose.xy, unsure, dance.pose.depth), status=dance.status.copy())
    filled.status[2] = FrameStatus.FILLED
    np.testing.assert_array_equal(next(painter.paint(filled, 2)), next(painter.paint(dance, 2)))


def test_a_dance_in_another_frame_is_refused(painter: Painter, dance: PoseTrack) -> None:
    with pytest.raises(ValueError, match="normalize it first"):
        next(painter.paint(replace(dance, width_px=640)))


@pytest.mark.parametrize("name", ["crops", "paper"])
def test_models_of_other_networks_are_refused_in_one_sentence(name: str, drawn_subject: Subject, tmp_path: Path) -> None:
    checkpoint, path = untrained(RECIPES[name], drawn_subject), tmp_path / "model.safetensors"
    tensors = dict(list(checkpoint.tensors.items())[:-1])
    save_checkpoint(path, Checkpoint(checkpoint.info, tensors))
    with pytest.raises(UserError, match="whose networks were others; train it again"):
        load_painter(path, CPU)


def test_a_file_that_paints_nothing_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "state.safetensors"
    save_checkpoint(path, Checkpoint(CheckpointInfo("training-state", {}), {"x": torch.zeros(1)}))
    with pytest.raises(UserError, match="training-state"):
        load_painter(path, CPU)
