"""The pretrained model: trained on several people, initializes a new person, and fits only its own network sizes."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from dancenow.generators.crop.config import LossWeights
from dancenow.generators.crop.dataset import Augmentation, CropDataset
from dancenow.generators.crop.network import Generator, GeneratorConfig
from dancenow.generators.crop.presets import PRESETS
from dancenow.generators.crop.pretrained_init import KIND, PretrainedGenerator, load_pretrained_generator
from dancenow.metrics.perceptual import EfficientNetTrunk, PerceptualDistance
from dancenow.progress import ignore_progress
from dancenow.research.recipes.pretraining_task import PretrainingConfig, PretrainingTask, jitter_track
from dancenow.research.recipes.synthetic_people import SyntheticPeopleConfig, render_people
from dancenow.skeleton import INDEX
from dancenow.storage.checkpoint import load_checkpoint
from dancenow.training.budget import Budget
from dancenow.training.loop import Clock, LoopConfig, train_loop
from helpers.crop_stores import a_store

SMALL = GeneratorConfig(canvas_px=64, width=8, blocks=1)
STILL = Augmentation(0.0, 0.0, 0.0)
CONFIG = PretrainingConfig(generator=SMALL, weights=LossWeights(perceptual=0.0), people_per_step=2, perceptual_depth=1)


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> list[CropDataset]:
    config = SyntheticPeopleConfig(people=2, runs=3, length=2, beats=4, picture_px=96, canvas_px=64)
    folder = tmp_path_factory.mktemp("people")
    rendered = render_people(config, folder)
    again = render_people(config, folder)  # from the files
    assert all(np.array_equal(a.image, b.image) for a, b in zip(rendered, again, strict=True))
    return rendered


def create_task(people: list[CropDataset]) -> PretrainingTask:
    distance = PerceptualDistance(EfficientNetTrunk(), depth=1)
    return PretrainingTask(people, CONFIG, seed=0, perceptual=distance, device=torch.device("cpu"))


@pytest.mark.slow
def test_keypoints_lie_on_rendered_people(people: list[CropDataset]) -> None:
    """Keypoints lie on the person, and outside the person the image is the plate."""
    for store in people:
        clip = store.take(store.starts[:, None] + np.arange(2), np.repeat(store.centered[None], 3, 0), torch.device("cpu"))
        at = clip.xy.round().long().clamp(0, 63)
        hits = [clip.mask[b, t, 0, y, x] for b in range(3) for t in range(2) for x, y in at[b, t].tolist()]
        assert torch.stack(hits).mean() > 0.8
        empty = clip.mask < 0.01
        assert (clip.image - clip.plate).abs().mean(dim=2, keepdim=True)[empty].mean() < 0.1
    assert not np.array_equal(people[0].image, people[1].image)


@pytest.mark.slow
def test_pretraining_gives_weights_that_training_can_start_from(people: list[CropDataset], tmp_path: Path) -> None:
    path = tmp_path / "base.safetensors"
    task = create_task(people)
    train_loop(task, path, Budget(images=8), resume=False, config=LoopConfig(), on_progress=ignore_progress)
    base = PretrainedGenerator.of_checkpoint(load_checkpoint(path, KIND), "0" * 64)
    assert base.config == SMALL
    fresh = Generator(SMALL)
    base.load_into(fresh)
    shadowed = Generator(dataclasses.replace(SMALL, shade=True))
    base.load_into(shadowed)  # a base without shadows also initializes a generator that renders shadows
    torch.testing.assert_close(shadowed.up0.weight, fresh.up0.weight)
    torch.testing.assert_close(fresh.up0.weight, task.average.shared.up0.weight, atol=1e-3, rtol=1e-2)
    with pytest.raises(ValueError, match="pretrained weights are for"):
        base.load_into(Generator(dataclasses.replace(SMALL, width=16)))


def test_the_base_has_shadows_and_previews_unseen_people() -> None:
    stores = [a_store(seed) for seed in range(3)]
    config = dataclasses.replace(CONFIG, generator=dataclasses.replace(SMALL, shade=True), people_per_step=3)
    distance = PerceptualDistance(EfficientNetTrunk(), depth=1)
    cpu = torch.device("cpu")
    task = PretrainingTask(iter(stores[:2]), config, seed=0, perceptual=distance, device=cpu, strangers=stores[2:])
    assert task.people == 4, "two people and their mirror images"
    terms = task.step(np.random.default_rng(0), 0.0)
    assert all(np.isfinite(value) for value in terms.values())
    assert task.preview().shape == (2 * 64, 3 * 64, 3)
    base = PretrainedGenerator.of_checkpoint(task.model(Clock(1.0, 3)), "0" * 64)
    assert "shade.body.1.weight" in base.weights
    base.load_into(Generator(config.generator))
    base.load_into(Generator(SMALL))


def test_a_smaller_batch_has_a_lower_learning_rate() -> None:
    assert PretrainingConfig().of_batch(6).learning_rate == pytest.approx(PretrainingConfig().learning_rate / 2)


@pytest.mark.slow
def test_resumed_pretraining_continues_exactly(people: list[CropDataset]) -> None:
    unbroken, broken, again = create_task(people), create_task(people), create_task(people)
    for i in range(4):
        unbroken.step(np.random.default_rng(i), i / 4)
    for i in range(2):
        broken.step(np.random.default_rng(i), i / 4)
    again.restore(broken.state(Clock(1.0, 4)))
    for i in range(2, 4):
        again.step(np.random.default_rng(i), i / 4)
    for one, other in zip(unbroken.average.parameters(), again.average.parameters(), strict=True):
        assert torch.equal(one, other)


@pytest.mark.slow
def test_keypoints_are_jittered_but_not_lost(people: list[CropDataset]) -> None:
    clip = people[0].draw(8, np.random.default_rng(0), STILL, torch.device("cpu"), evenly=True)
    moved = jitter_track(clip, np.random.default_rng(1))
    off = (moved.xy - clip.xy).norm(dim=-1)
    assert 0.05 < off.mean() < 2.0
    assert moved.confidence[..., INDEX["nose"]].min() == 1
    assert (moved.confidence[..., INDEX["left_thumb"]] == 0).any()


def test_the_shipped_base_fits_the_draft_preset() -> None:
    draft = PRESETS["draft-fast"]
    assert draft.start == "base"
    load_pretrained_generator().load_into(Generator(draft.generator))
