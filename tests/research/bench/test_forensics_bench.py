"""Metrics and dataset of the forensic benchmark."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from dancenow.errors import UserError
from dancenow.metrics.perceptual import EfficientNetTrunk
from dancenow.pose.letterbox import Letterbox
from dancenow.research.bench.fake_generation import METHODS, FakeSpec, GenerationContext
from dancenow.research.bench.forensic_dataset import (
    PEOPLE,
    REAL_REPEATS,
    SAMPLES_PER_CLIP,
    DatasetPerson,
    assign_to_workers,
    load_samples,
    make_clips,
    random_people,
    studio_people,
)
from dancenow.research.bench.forensics import (
    SHIPPED,
    VARIANTS,
    auc,
    rates,
    reliability,
    summarize,
    train_variant,
    variant_path,
)
from dancenow.research.bench.pseudo_fakes import PSEUDO_FAKES
from dancenow.research.bench.rendered_scenes import RUN, SceneConfig, film_scene, jitter_track, load_scene
from helpers.drawn_world import dancer_track


def record(family: str, probability: float | None, subject: str = "a", images: int = 0) -> dict[str, object]:
    return {"subject": subject, "dance": "d", "family": family, "images": images, "encoding": "crf 18", "all": probability}


def test_accuracy_weighs_both_classes_equally() -> None:
    records = [record("real", 0.1), record("real", 0.6), *(record("draft", p) for p in (0.9, 0.8, 0.7, 0.2))]
    assert rates(records, "all") == {"clips": 6, "accuracy": 0.625, "auc": 0.875, "real": 0.5, "synthetic": 0.75}
    assert auc(np.array([0.1, 0.5]), np.array([0.5, 0.9])) == 0.875
    assert auc(np.array([]), np.array([0.5])) is None


def test_tables_skip_and_count_videos_without_a_person() -> None:
    records = [record("real", 0.1), record("paper", None), record("draft", 0.9, images=150), record("nearest frame", 0.2)]
    table = summarize(records, "all", ("nearest frame",))
    assert table["nobody found"] == 1
    assert sorted(table["by family"]) == ["draft", "nearest frame"]
    assert table["by family"]["draft"]["accuracy"] == 1.0
    assert table["held out"]["synthetic"] == 0.0
    assert table["draft by images"]["150"]["auc"] == 1.0


def test_reliability_measures_the_calibration_error() -> None:
    calibrated = [record("real", 0.25)] * 3 + [record("draft", 0.25)] + [record("draft", 0.75)] * 3 + [record("real", 0.75)]
    assert reliability(calibrated, "all")["expected error"] == pytest.approx(0.0)
    overconfident = [record("real", 0.99), record("draft", 0.99)]
    assert reliability(overconfident, "all")["expected error"] == pytest.approx(0.49)


def test_roles_are_disjoint_and_every_method_is_trained_and_tested() -> None:
    people = random_people()
    assert len({each.scene for each in people}) == len(people) == PEOPLE
    for role in ("train", "calibrate", "test"):
        assert {spec.method for each in people if each.role == role for spec in each.specs} == set(METHODS), role
    assert {spec.method for each in studio_people() for spec in each.specs} < set(METHODS)
    assert all(each.as_videos and each.role == "test" and each.scene.number is None for each in studio_people())


def test_work_is_divided_evenly_with_the_test_first() -> None:
    workers = assign_to_workers([*studio_people(), *random_people()], 8)
    assert sum(map(len, workers)) == len(studio_people()) + PEOPLE
    loads = [sum(each.weight for each in worker) for worker in workers]
    assert max(loads) - min(loads) <= max(each.weight for each in random_people())
    assert sum(worker[0].as_videos for worker in workers) == len(studio_people())


def test_variants_that_are_not_shipped_stay_in_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DANCENOW_CACHE", str(tmp_path / "cache"))
    shipped = tmp_path / "shipped.safetensors"
    assert variant_path(SHIPPED, shipped) == shipped
    assert all(variant_path(name, shipped).is_relative_to(tmp_path / "cache") for name in VARIANTS if name != SHIPPED)
    with pytest.raises(UserError, match="no variant"):
        train_variant("better", shipped, torch.device("cpu"))


@pytest.fixture(scope="module")
def filmed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SceneConfig]:
    """The small scene of a random person."""
    config = replace(SceneConfig.random(0), runs=4, dance_frames=10, size_px=96)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DANCENOW_CACHE", str(tmp_path_factory.mktemp("cache")))
        film_scene(config)
        yield config


def test_a_random_persons_scene_has_footage_and_dances(filmed: SceneConfig) -> None:
    scene = load_scene(filmed)
    assert len(scene.frames) == len(scene.masks) == len(scene.index) == 4 * RUN
    assert [len(dance.track) for dance in scene.dances] == [10, 10]
    assert len(scene.crop_dataset(64, 2).image) == 4 * RUN
    assert len(scene.frame_dataset(Letterbox.of_frame(96, 96, 64), 1).image) == 4 * RUN
    body = scene.masks[0] > 127
    assert 0.02 < body.mean() < 0.5
    changed = np.abs(scene.frames[0].astype(int) - scene.plate.image_rgb).mean(axis=2)
    assert changed[body].mean() > 4 * changed[~body].mean()
    with pytest.raises(UserError, match="film"):
        load_scene(replace(SceneConfig.random(1), size_px=96))


def test_people_have_real_and_fake_samples(filmed: SceneConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    person = DatasetPerson(filmed.identity, "calibrate", (FakeSpec("draft", (4,)), FakeSpec("draft-references", (0,))), filmed)
    trunk = EfficientNetTrunk().eval().requires_grad_(False)
    make_clips(person, GenerationContext(torch.device("cpu"), trunk))
    monkeypatch.setattr("dancenow.research.bench.forensic_dataset.random_people", lambda: (person,))
    clips = load_samples("calibrate")
    families = [each.family for each in clips]
    assert families == ["real"] * 2 * REAL_REPEATS + ["nearest frame"] * 2 + ["draft"] * 2 + ["draft-references"] * 2
    assert all(each.images.shape[1:] == (3, 224, 224, 3) and 2 <= len(each.images) <= SAMPLES_PER_CLIP for each in clips)
    assert all(0.001 < (each.bodies > 0).mean() < 0.5 for each in clips)
    assert len({each.group for each in clips}) == 1
    assert {each.family for each in load_samples("calibrate", ("draft",))} == {"real", "nearest frame", "draft-references"}
    training_person = replace(person, role="train", specs=())
    make_clips(training_person, GenerationContext(torch.device("cpu"), trunk))
    monkeypatch.setattr("dancenow.research.bench.forensic_dataset.random_people", lambda: (training_person,))
    assert {each.family for each in load_samples("train")} == {
        "real",
        "nearest frame",
        "draft",
        "draft-references",
    }  # existing files are kept
    assert {each.family for each in load_samples("train", pseudo_fakes=True)} >= set(PSEUDO_FAKES)


def test_jittered_keypoints_have_the_requested_error() -> None:
    track = dancer_track(50)
    moved = jitter_track(track, 0.01, np.random.default_rng(0)).pose.xy - track.pose.xy
    assert 0.5 < np.abs(moved).mean() / (0.01 * 84 * 0.8) < 1.5
    assert moved.std(axis=0).mean() < 0.5 * np.abs(moved.mean(axis=0)).mean()
