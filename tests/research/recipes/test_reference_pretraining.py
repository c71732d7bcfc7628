"""The base of the references family: learned from rendered people, resumes exactly, and other trainings start from it."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from dancenow.errors import Cancelled
from dancenow.generators.crop.config import LossWeights
from dancenow.generators.crop.network import Generator, GeneratorConfig
from dancenow.generators.crop.pretrained_init import KIND, PretrainedGenerator
from dancenow.generators.references.network import ReferenceGenerator
from dancenow.generators.references.reference_selection import ReferenceOptions
from dancenow.metrics.perceptual import EfficientNetTrunk, PerceptualDistance
from dancenow.progress import Progress, ignore_progress
from dancenow.research.recipes.reference_people import (
    ReferencePeopleConfig,
    load_reference_person,
    render_reference_people,
    save_reference_person,
)
from dancenow.research.recipes.reference_pretraining_task import ReferencePretrainingConfig, ReferencePretrainingTask
from dancenow.research.recipes.synthetic_people import SyntheticPeopleConfig
from dancenow.research.recipes.train_reference_base import Log
from dancenow.storage.checkpoint import load_checkpoint
from dancenow.training.budget import Budget
from dancenow.training.loop import LoopConfig, train_loop
from helpers.base_process import noise_person
from helpers.crop_stores import a_store

SMALL = GeneratorConfig(canvas_px=64, width=8, blocks=1, shade=True)
CONFIG = ReferencePretrainingConfig(
    generator=SMALL, references=ReferenceOptions(count=4), weights=LossWeights(perceptual=0.0), people_per_step=2,
    perceptual_depth=1, present=2, images_per_change=2, score_frames=1,
)  # fmt: skip


@pytest.fixture(scope="module")
def packs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three people of smooth noise, with the same frames as pictures to copy from."""
    folder = tmp_path_factory.mktemp("people")
    paths = [folder / f"{seed}.pack.npz" for seed in range(3)]
    for seed, path in enumerate(paths):
        save_reference_person(path, noise_person(a_store(seed, runs=4, length=1)))
    return paths


def create_task(packs: list[Path]) -> ReferencePretrainingTask:
    torch.manual_seed(0)
    start = PretrainedGenerator(SMALL, Generator(SMALL).state_dict(), "0" * 64)
    perceptual = PerceptualDistance(EfficientNetTrunk(), depth=1)
    return ReferencePretrainingTask(
        packs[:2], packs[2:], CONFIG, seed=3, start=start, perceptual=perceptual, device=torch.device("cpu")
    )


def test_a_killed_training_continues_exactly_and_a_persons_training_starts_from_it(packs: list[Path], tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole.safetensors", tmp_path / "parts.safetensors"
    train_loop(create_task(packs), whole, Budget(images=8), resume=False, config=LoopConfig(3), on_progress=ignore_progress)

    def stop_at_4(event: Progress) -> None:
        if event.note.startswith("4 "):
            raise Cancelled

    with pytest.raises(Cancelled):
        train_loop(create_task(packs), parts, Budget(images=8), resume=False, config=LoopConfig(3), on_progress=stop_at_4)
    train_loop(create_task(packs), parts, Budget(images=8), resume=True, config=LoopConfig(3), on_progress=ignore_progress)
    assert parts.read_bytes() == whole.read_bytes()
    base = PretrainedGenerator.of_checkpoint(load_checkpoint(whole, KIND), "0" * 64)
    fresh = ReferenceGenerator(SMALL, CONFIG.references.slots)
    base.load_into(fresh)
    assert fresh.mix.weight.abs().max() > 0


def test_the_log_compares_held_out_people_with_the_start(packs: list[Path], tmp_path: Path) -> None:
    path, task = tmp_path / "base.jsonl", create_task(packs)
    log = Log(path, task, every_images=4)
    train_loop(task, tmp_path / "base.safetensors", Budget(images=8), resume=False, config=LoopConfig(3), on_progress=log)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["images"] for line in lines] == [4, 8]
    assert lines[1]["held_out"]["l1"] != lines[0]["held_out"]["l1"]
    assert lines[1]["before"] == lines[0]["before"]


@pytest.mark.slow
def test_people_are_rendered_once_with_pictures_of_themselves(tmp_path: Path) -> None:
    rendering = SyntheticPeopleConfig(people=1, runs=6, length=1, beats=8, picture_px=96, canvas_px=64)
    config = ReferencePeopleConfig(rendering, ReferenceOptions(count=3, gap_s=0.2))
    (path,) = render_reference_people(config, tmp_path)
    written = path.stat().st_mtime_ns
    assert render_reference_people(config, tmp_path) == [path]
    assert path.stat().st_mtime_ns == written
    person = load_reference_person(path)
    assert set(person.references.time_s) <= set(person.time_s)
    for rgba, pose in zip(person.references.rgba, (person.references.pose[i] for i in range(3)), strict=True):
        x, y = np.round(pose.xy.mean(axis=0)).astype(int)
        assert rgba[y, x, 3] > 128
    assert dataclasses.astuple(person.references)[3] >= 1
