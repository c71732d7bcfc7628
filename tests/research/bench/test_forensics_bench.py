"""The figures of the classifier's bench, and the clips that it is made of."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from dancenow.errors import UserError
from dancenow.metrics.perceptual import EfficientNetTrunk
from dancenow.pose.letterbox import Letterbox
from dancenow.research.bench.fake_generation import WAYS, Order, Workshop
from dancenow.research.bench.forensic_dataset import (
    PEOPLE,
    REAL_TURNS,
    Suspect,
    looks_at,
    make,
    recruits,
    shared_out,
    studio_people,
)
from dancenow.research.bench.forensics import (
    SHIPPED,
    VARIANTS,
    auc,
    rates,
    reliability,
    summarised,
    train_variant,
    variant_path,
)
from dancenow.research.bench.pseudo_fakes import PRETENCES
from dancenow.research.bench.rendered_scenes import RUN, SceneConfig, film_scene, load_scene, shaken
from helpers.drawn_world import dancer_track


def cell(family: str, said: float | None, subject: str = "a", images: int = 0) -> dict[str, object]:
    return {"subject": subject, "dance": "d", "family": family, "images": images, "encoding": "crf 18", "all": said}


def test_accuracy_counts_both_classes_alike_whatever_their_numbers() -> None:
    cells = [cell("real", 0.1), cell("real", 0.6), *(cell("draft", p) for p in (0.9, 0.8, 0.7, 0.2))]
    assert rates(cells, "all") == {"clips": 6, "accuracy": 0.625, "auc": 0.875, "real": 0.5, "synthetic": 0.75}
    assert auc(np.array([0.1, 0.5]), np.array([0.5, 0.9])) == 0.875
    assert auc(np.array([]), np.array([0.5])) is None


def test_tables_leave_out_where_nobody_was_found_and_say_how_often() -> None:
    cells = [cell("real", 0.1), cell("paper", None), cell("draft", 0.9, images=150), cell("nearest frame", 0.2)]
    table = summarised(cells, "all", ("nearest frame",))
    assert table["nobody found"] == 1
    assert sorted(table["by family"]) == ["draft", "nearest frame"]
    assert table["by family"]["draft"]["accuracy"] == 1.0
    assert table["held out"]["synthetic"] == 0.0
    assert table["draft by images"]["150"]["auc"] == 1.0


def test_reliability_is_what_probabilities_are_off_by() -> None:
    honest = [cell("real", 0.25)] * 3 + [cell("draft", 0.25)] + [cell("draft", 0.75)] * 3 + [cell("real", 0.75)]
    assert reliability(honest, "all")["expected error"] == pytest.approx(0.0)
    boastful = [cell("real", 0.99), cell("draft", 0.99)]
    assert reliability(boastful, "all")["expected error"] == pytest.approx(0.49)


def test_nobody_is_in_two_roles_and_every_way_is_learnt_and_tested() -> None:
    people = recruits()
    assert len({each.scene for each in people}) == len(people) == PEOPLE
    for role in ("train", "calibrate", "test"):
        assert {order.way for each in people if each.role == role for order in each.orders} == set(WAYS), role
    assert {order.way for each in studio_people() for order in each.orders} < set(WAYS)
    assert all(each.judged and each.role == "test" and each.scene.number is None for each in studio_people())


def test_work_is_shared_out_evenly_with_the_test_first() -> None:
    shares = shared_out([*studio_people(), *recruits()], 8)
    assert sum(map(len, shares)) == len(studio_people()) + PEOPLE
    loads = [sum(each.weight for each in share) for share in shares]
    assert max(loads) - min(loads) <= max(each.weight for each in recruits())
    assert sum(share[0].judged for share in shares) == len(studio_people())


def test_variants_that_are_not_shipped_stay_in_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DANCENOW_CACHE", str(tmp_path / "cache"))
    shipped = tmp_path / "shipped.safetensors"
    assert variant_path(SHIPPED, shipped) == shipped
    assert all(variant_path(name, shipped).is_relative_to(tmp_path / "cache") for name in VARIANTS if name != SHIPPED)
    with pytest.raises(UserError, match="no variant"):
        train_variant("better", shipped, torch.device("cpu"))


@pytest.fixture(scope="module")
def filmed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SceneConfig]:
    """A random person's scene, small."""
    config = replace(SceneConfig.random(0), runs=4, dance_frames=10, size_px=96)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DANCENOW_CACHE", str(tmp_path_factory.mktemp("cache")))
        film_scene(config)
        yield config


def test_a_random_persons_scene_is_footage_with_dances_beside_it(filmed: SceneConfig) -> None:
    scene = load_scene(filmed)
    assert len(scene.frames) == len(scene.masks) == len(scene.index) == 4 * RUN
    assert [len(dance.track) for dance in scene.dances] == [10, 10]
    assert len(scene.clip_store(64, 2).image) == 4 * RUN
    assert len(scene.whole_store(Letterbox.of_frame(96, 96, 64), 1).image) == 4 * RUN
    body = scene.masks[0] > 127
    assert 0.02 < body.mean() < 0.5
    changed = np.abs(scene.frames[0].astype(int) - scene.plate.image_rgb).mean(axis=2)
    assert changed[body].mean() > 4 * changed[~body].mean()
    with pytest.raises(UserError, match="film"):
        load_scene(replace(SceneConfig.random(1), size_px=96))


def test_people_are_looked_at_as_filmed_and_as_forged(filmed: SceneConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    someone = Suspect(filmed.identity, "calibrate", (Order("draft", (4,)),), filmed)
    trunk = EfficientNetTrunk().eval().requires_grad_(False)
    make(someone, Workshop(torch.device("cpu"), trunk))
    monkeypatch.setattr("dancenow.research.bench.forensic_dataset.recruits", lambda: (someone,))
    clips = looks_at("calibrate")
    families = [each.family for each in clips]
    assert families == ["real"] * 2 * REAL_TURNS + ["nearest frame"] * 2 + ["draft"] * 2
    assert all(each.pictures.shape[1:] == (3, 224, 224, 3) and len(each.pictures) == 7 for each in clips)
    assert all(0.001 < (each.bodies > 0).mean() < 0.5 for each in clips)
    assert len({each.group for each in clips}) == 1
    assert {each.family for each in looks_at("calibrate", ("draft",))} == {"real", "nearest frame"}
    learnt_from = replace(someone, role="train", orders=())
    make(learnt_from, Workshop(torch.device("cpu"), trunk))
    monkeypatch.setattr("dancenow.research.bench.forensic_dataset.recruits", lambda: (learnt_from,))
    assert {each.family for each in looks_at("train")} == {"real", "nearest frame", "draft"}  # what was there is kept
    assert {each.family for each in looks_at("train", pretences=True)} >= set(PRETENCES)


def test_shaken_keypoints_are_off_by_about_what_was_asked() -> None:
    track = dancer_track(50)
    moved = shaken(track, 0.01, np.random.default_rng(0)).pose.xy - track.pose.xy
    assert 0.5 < np.abs(moved).mean() / (0.01 * 84 * 0.8) < 1.5
    assert moved.std(axis=0).mean() < 0.5 * np.abs(moved.mean(axis=0)).mean()
