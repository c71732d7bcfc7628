"""Contract of every renderer: what transfer, training and benchmarks rely on for each kind of model."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from dancenow.errors import UserError
from dancenow.execution import Execution
from dancenow.generators.base import FamilyConfig
from dancenow.generators.crop.config import CropConfig
from dancenow.generators.crop.discriminator import DiscriminatorConfig
from dancenow.generators.crop.network import GeneratorConfig
from dancenow.generators.edn.config import EdnConfig
from dancenow.generators.references.config import ReferenceConfig
from dancenow.generators.references.reference_selection import ReferenceOptions
from dancenow.generators.registry import family_of, load_renderer
from dancenow.metrics.perceptual import EfficientNetTrunk, PerceptualDistance
from dancenow.pose.filtering.confidence import FILLED_CONFIDENCE, restore_filled_confidence
from dancenow.progress import ignore_progress
from dancenow.rendering.layer import Layer, feet_y_px
from dancenow.rendering.renderer import Renderer, render_frames, render_video
from dancenow.storage.checkpoint import Checkpoint, CheckpointInfo, save_checkpoint
from dancenow.subject.subject import Subject
from dancenow.training.loop import Clock
from dancenow.types import FrameStatus, ImageRGB, Pose, PoseTrack

CPU = torch.device("cpu")
JUDGE = DiscriminatorConfig(width=4, scales=1)
CONFIGS: dict[str, FamilyConfig] = {
    "crops": CropConfig(GeneratorConfig(canvas_px=64, width=8, blocks=1), JUDGE, replace(JUDGE, frames=2), max_frames=32),
    "fine crops": CropConfig(
        GeneratorConfig(canvas_px=64, width=8, blocks=1, fine=True), JUDGE, replace(JUDGE, frames=2), max_frames=32
    ),
    "paper": EdnConfig(longer_px=64, width=1 / 16, max_frames=32),
    "frame by frame": EdnConfig(longer_px=64, width=1 / 16, temporal=False, max_frames=32),
    "enhanced": EdnConfig(longer_px=64, width=1 / 16, enhance_from=0.5, max_frames=32),
    "references": ReferenceConfig(
        GeneratorConfig(canvas_px=64, width=8, blocks=1),
        JUDGE,
        replace(JUDGE, frames=2),
        max_frames=32,
        references=ReferenceOptions(count=4),
    ),
    "heatmaps": EdnConfig(longer_px=64, width=1 / 16, conditioning="heatmaps", max_frames=32),
}


@pytest.fixture(params=CONFIGS, scope="module")
def renderer(request: pytest.FixtureRequest, drawn_subject: Subject, tmp_path_factory: pytest.TempPathFactory) -> Renderer:
    """The renderer of an untrained model that was saved and loaded."""
    path = tmp_path_factory.mktemp("models") / "model.safetensors"
    save_checkpoint(path, untrained(request.param, drawn_subject))
    return load_renderer(path, Execution())


def untrained(name: str, subject: Subject) -> Checkpoint:
    config, distance = CONFIGS[name], PerceptualDistance(EfficientNetTrunk(), depth=1)
    task = family_of(config).create_task(subject, config, seed=0, perceptual=distance, device=CPU, on_progress=ignore_progress)
    if name == "enhanced":
        task.step(np.random.default_rng(0), 0.9)
    return task.model(Clock())


@pytest.fixture
def dance(drawn_subject: Subject) -> PoseTrack:
    track = drawn_subject.track
    return replace(track, pose=track.pose[:12], time_s=track.time_s[:12], status=track.status[:12].copy())


def images(renderer: Renderer, dance: PoseTrack, start: int = 0, stop: int | None = None) -> Iterator[ImageRGB]:
    return render_video(renderer, renderer.target.view("still"), dance, start, stop)


def test_a_renderer_knows_its_target(renderer: Renderer, drawn_subject: Subject) -> None:
    assert renderer.target.name == drawn_subject.manifest.name
    np.testing.assert_array_equal(renderer.target.plate.image_rgb, drawn_subject.plate.image_rgb)
    np.testing.assert_array_equal(renderer.target.track.pose.xy, drawn_subject.track.pose.xy)


def test_every_frame_is_a_layer_with_the_depth_of_its_feet(renderer: Renderer, dance: PoseTrack) -> None:
    layers = list(renderer.render(dance, np.arange(12)))
    assert len(layers) == 12
    for layer, y_px in zip(layers, feet_y_px(dance.pose), strict=True):
        assert isinstance(layer, Layer)
        assert layer.feet_y_px == y_px


def test_every_frame_has_the_size_of_the_target(renderer: Renderer, dance: PoseTrack) -> None:
    rendered = list(images(renderer, dance))
    assert len(rendered) == 12
    assert all(each.dtype == np.uint8 and each.shape == renderer.target.plate.image_rgb.shape for each in rendered)
    assert any((each != rendered[0]).any() for each in rendered)


def test_the_same_track_gives_the_same_frames_also_in_parts(renderer: Renderer, dance: PoseTrack) -> None:
    until_the_end, part = list(images(renderer, dance, 3)), list(images(renderer, dance, 3, 6))
    assert (len(until_the_end), len(part)) == (9, 3)
    for one, other in zip(until_the_end, part, strict=False):
        np.testing.assert_array_equal(one, other)


def test_single_frames_are_rendered_too(renderer: Renderer, dance: PoseTrack) -> None:
    frames = np.array([1, 5, 9])
    single = list(render_frames(renderer, renderer.target.view("still"), dance, frames))
    consecutive = list(render_frames(renderer, renderer.target.view("still"), dance, np.arange(12)))
    assert len(single) == 3
    for image, frame in zip(single, frames.tolist(), strict=True):
        np.testing.assert_array_equal(image, consecutive[frame])


def test_two_tracks_can_be_rendered_alternately(renderer: Renderer, dance: PoseTrack) -> None:
    alone = list(images(renderer, dance, 0, 3))
    for expected, one, other in zip(alone, images(renderer, dance, 0, 3), images(renderer, dance, 0, 3), strict=True):
        np.testing.assert_array_equal(one, expected)
        np.testing.assert_array_equal(other, expected)


def test_frames_without_a_person_show_the_background_and_reset_the_history(renderer: Renderer, dance: PoseTrack) -> None:
    dance.status[4:6] = FrameStatus.MISSING
    confidence = dance.pose.confidence.copy()
    confidence[4:6] = 0
    gap = replace(dance, pose=Pose(dance.pose.xy, confidence, dance.pose.depth))
    assert list(renderer.render(gap, np.arange(4, 6))) == [None, None]
    rendered = list(images(renderer, gap))
    for index in (4, 5):
        np.testing.assert_array_equal(rendered[index], renderer.target.plate.image_rgb)
    np.testing.assert_array_equal(rendered[6], next(images(renderer, gap, 6)))


def test_filled_frames_are_rendered_like_measured_ones(renderer: Renderer, dance: PoseTrack) -> None:
    unsure = dance.pose.confidence.copy()
    unsure[2] *= FILLED_CONFIDENCE
    filled = replace(dance, pose=Pose(dance.pose.xy, unsure, dance.pose.depth), status=dance.status.copy())
    filled.status[2] = FrameStatus.FILLED
    restored = restore_filled_confidence(filled)
    np.testing.assert_array_equal(next(images(renderer, restored, 2)), next(images(renderer, dance, 2)))


def test_a_track_with_another_frame_size_is_refused(renderer: Renderer, dance: PoseTrack) -> None:
    with pytest.raises(ValueError, match="normalize it first"):
        next(images(renderer, replace(dance, width_px=640)))


@pytest.mark.parametrize("name", ["crops", "paper"])
def test_models_of_other_networks_are_refused_in_one_sentence(name: str, drawn_subject: Subject, tmp_path: Path) -> None:
    checkpoint, path = untrained(name, drawn_subject), tmp_path / "model.safetensors"
    tensors = dict(list(checkpoint.tensors.items())[:-1])
    save_checkpoint(path, Checkpoint(checkpoint.info, tensors))
    with pytest.raises(UserError, match="which used other networks; train it again"):
        load_renderer(path, Execution())


def test_a_file_that_holds_no_model_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "state.safetensors"
    save_checkpoint(path, Checkpoint(CheckpointInfo("training-state", {}), {"x": torch.zeros(1)}))
    with pytest.raises(UserError, match="training-state"):
        load_renderer(path, Execution())
