"""The base model from shards: people come and go, the parts are kept, and a stopped run goes on exactly."""

from pathlib import Path

import pytest
import torch

from dancenow.errors import UserError
from dancenow.generators.crop.config import LossWeights
from dancenow.generators.crop.network import GeneratorConfig
from dancenow.generators.crop.pretrained_init import KIND
from dancenow.metrics.perceptual import EfficientNetTrunk, PerceptualDistance
from dancenow.progress import ignore_progress
from dancenow.research.dataset.make import make_dataset
from dancenow.research.dataset.package import package
from dancenow.research.dataset.plan import DatasetConfig
from dancenow.research.dataset.shards import Shards
from dancenow.research.recipes.pretraining_task import PretrainingConfig
from dancenow.research.recipes.streaming_dataset import StreamConfig, StreamedPretrainingTask
from dancenow.storage.checkpoint import load_checkpoint
from dancenow.training.budget import Budget
from dancenow.training.loop import Clock, LoopConfig, train_loop
from helpers.drawn_dataset import draw_instead_of_rendering

SMALL = GeneratorConfig(canvas_px=64, width=8, blocks=1)
CONFIG = PretrainingConfig(generator=SMALL, weights=LossWeights(perceptual=0.0), people_per_step=2, perceptual_depth=1)
STREAM = StreamConfig(pool=2, every=4, runs=3, length=2, buffer=3)


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Shards:
    folder = tmp_path_factory.mktemp("streamed")
    config = DatasetConfig(identities=6, dances=2, seconds=2.0, size_px=96, fps="24", split_fractions=(0.6, 0.2, 0.2))
    with pytest.MonkeyPatch.context() as monkeypatch:
        draw_instead_of_rendering(monkeypatch)
        make_dataset(folder / "dataset", config)
    return package(folder / "dataset", folder / "shards", shard_mb=0.1)


def create_task(shards: Shards, stream: StreamConfig = STREAM) -> StreamedPretrainingTask:
    distance = PerceptualDistance(EfficientNetTrunk(), depth=1)
    return StreamedPretrainingTask(shards, CONFIG, stream, seed=0, perceptual=distance, device=torch.device("cpu"))


def weights_after(task: StreamedPretrainingTask, path: Path, images: int, resume: bool = False) -> dict[str, torch.Tensor]:
    train_loop(task, path, Budget(images=images), resume=resume, config=LoopConfig(), on_progress=ignore_progress)
    return {name: value.clone() for name, value in task.generator.state_dict().items()}


@pytest.mark.slow
def test_a_stopped_run_goes_on_exactly(shards: Shards, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(StreamedPretrainingTask, "_set_learning_rate", lambda *_: None)  # it follows the budget, which differs
    whole = create_task(shards)
    drawn: list[list[str]] = []
    unwatched = whole.step

    def watched(*arguments: object) -> object:
        terms = unwatched(*arguments)  # type: ignore[arg-type]
        drawn.append(whole.pool)
        return terms

    whole.step = watched  # type: ignore[method-assign, assignment]
    expected = weights_after(whole, tmp_path / "whole.safetensors", 24)
    assert len({key for pool in drawn for key in pool}) > 4, "people come and go"
    people = {key.split("-")[0] for pool in drawn for key in pool}
    train = {entry.identity for entry in shards.dataset.entries if entry.part("person") == "train"}
    assert people <= train
    assert all(len({key.split("-")[0] for key in pool}) == 2 for pool in drawn)
    first, second = create_task(shards), create_task(shards)
    weights_after(first, tmp_path / "parts.safetensors", 10)
    found = weights_after(second, tmp_path / "parts.safetensors", 24, resume=True)
    assert second.pool == drawn[-1]
    assert all(torch.equal(found[name], value) for name, value in expected.items())
    assert load_checkpoint(tmp_path / "parts.safetensors", KIND).info.config["people"] == len(train)


def test_a_state_of_other_shards_is_refused(shards: Shards) -> None:
    state = create_task(shards).state(Clock())
    with pytest.raises(UserError, match="belongs to other shards"):
        create_task(shards, StreamConfig(pool=2, every=4, runs=3, length=2, buffer=2)).restore(state)


def test_clips_shorter_than_a_run_are_refused(shards: Shards) -> None:
    with pytest.raises(UserError, match="has 48 frames, fewer than a run of 60"):
        create_task(shards, StreamConfig(pool=1, length=60))
