"""Training of the residual face network: augmentation keeps the pretrained knowledge of expressions missing in the footage."""

from collections.abc import Iterator
from fractions import Fraction

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from dancenow.face.config import FaceConfig
from dancenow.face.dataset import FaceBatch, FaceDataset, resize_canvas
from dancenow.face.face_losses import augment_expressions
from dancenow.face.network import FaceNetwork, FaceNetworkConfig
from dancenow.face.pretrained_init import load_pretrained_face
from dancenow.face.residual_task import ResidualPhase
from dancenow.media.sink import VideoWriter
from dancenow.progress import ignore_progress
from dancenow.storage.checkpoint import Checkpoint, CheckpointInfo
from dancenow.types import ImageRGB
from helpers.face_world import noise, untrained_distance
from helpers.faces import mouthing, turning

CPU = torch.device("cpu")
FRAMES = np.arange(12)


def painted(_body: Checkpoint, frames: NDArray[np.int64]) -> Iterator[ImageRGB]:
    """A body generator that renders noise."""
    return (noise((500, 400, 3), int(t)) for t in frames)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> FaceDataset:
    track = turning(np.zeros(12))
    faces = resize_canvas(mouthing(track, np.zeros(12)), 64)
    video = tmp_path_factory.mktemp("film") / "film.mp4"
    with VideoWriter(video, track.width_px, track.height_px, fps=Fraction(30)) as writer:
        for t in FRAMES:
            writer.write(noise((track.height_px, track.width_px, 3), int(t)), Fraction(int(t), 30))
    return FaceDataset.build(video, faces, track.pose, FRAMES)


def phase_of(store: FaceDataset, config: FaceConfig) -> ResidualPhase:
    phase = ResidualPhase(
        store,
        config,
        seed=0,
        render_frames=painted,
        target_tensors={},
        perceptual=untrained_distance(),
        body_px=64,
        device=CPU,
        on_progress=ignore_progress,
    )
    phase.begin(Checkpoint(CheckpointInfo("body", {}, 0, 0.0), {}))
    return phase


def test_augmented_maps_show_the_same_head_with_another_mouth(store: FaceDataset) -> None:
    faces = store.centered(FRAMES, CPU)
    assert faces.augmented_maps is not None
    changed = (faces.augmented_maps - faces.maps).abs().amax(dim=(0, 2, 3))
    names = ("jaw", "brows", "eyes", "nose", "outer_lips", "inner_lips")
    assert changed[names.index("inner_lips")] > 0.5
    assert changed[names.index("nose")] == 0
    assert changed[len(names) :].max() == 0


def test_an_augmented_face_is_the_real_one_changed_by_the_pretrained_network(store: FaceDataset) -> None:
    faces = store.centered(FRAMES, CPU)
    base = FaceNetwork(FaceNetworkConfig(64)).requires_grad_(False)
    load_pretrained_face().load_into(base)
    acted = augment_expressions(faces, base, 0.5, np.random.default_rng(0))
    assert faces.augmented_maps is not None
    changed = (acted.image - faces.image).abs().amax(dim=(1, 2, 3)) > 0
    assert 2 < int(changed.sum()) < 10
    for row, is_changed in enumerate(changed.tolist()):
        assert torch.equal(acted.maps[row], (faces.augmented_maps if is_changed else faces.maps)[row])
    mean = (acted.image - faces.image).abs()[changed].mean(dim=(0, 1))
    assert mean[36:50, 24:40].mean() > 4 * mean[:16].mean()  # the mouth, not the hair
    nobody = augment_expressions(faces, base, 0.0, np.random.default_rng(0))
    assert torch.equal(nobody.image, faces.image)


def test_expressions_are_augmented_only_with_pretrained_weights(store: FaceDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[float] = []

    def hear(faces: FaceBatch, _base: nn.Module, share: float, _rng: np.random.Generator) -> FaceBatch:
        asked.append(share)
        return faces

    monkeypatch.setattr("dancenow.face.residual_task.augment_expressions", hear)
    rng = np.random.default_rng(0)
    phase_of(store, FaceConfig(faces_per_step=2, expression_augmentation=0.25)).step(rng, 0.0)
    assert asked == [0.25]
    phase_of(store, FaceConfig(start="nothing", width=4, blocks=0, discriminator_width=4, faces_per_step=2)).step(rng, 0.0)
    assert asked == [0.25]
