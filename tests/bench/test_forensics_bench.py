"""The figures of the classifier's bench, and the clips that it is made of."""

from pathlib import Path

import numpy as np
import pytest

from dancenow.bench.forensics import VARIANTS, auc, rates, reliability, summarised, train_variant, variant_path
from dancenow.bench.forgeries import WAYS
from dancenow.bench.scenes import shaken
from dancenow.bench.suspects import chosen, suspects
from dancenow.errors import UserError
from world import dancer_track


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


def test_nobody_is_in_two_roles_and_every_way_is_held_against_the_test() -> None:
    people = suspects()
    assert len({each.name for each in people}) == len(people)
    tested = {order.way for each in people if each.role == "test" for order in each.orders}
    learnt = {order.way for each in people if each.role == "train" for order in each.orders}
    assert learnt == tested == set(WAYS)
    assert {each.number for each in people if each.role == "test"} & {e.number for e in people if e.role == "train"} == set()
    with pytest.raises(UserError, match="no suspect"):
        chosen(people, ["zoe"])


def test_variants_that_are_not_shipped_stay_in_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DANCENOW_CACHE", str(tmp_path / "cache"))
    shipped = tmp_path / "shipped.safetensors"
    assert variant_path("all", shipped) == shipped
    assert all(variant_path(name, shipped).is_relative_to(tmp_path / "cache") for name in VARIANTS if name != "all")
    with pytest.raises(UserError, match="no variant"):
        train_variant("better", shipped)


def test_shaken_keypoints_are_off_by_about_what_was_asked() -> None:
    track = dancer_track(50)
    moved = shaken(track, 0.01, np.random.default_rng(0)).pose.xy - track.pose.xy
    assert 0.5 < np.abs(moved).mean() / (0.01 * 84 * 0.8) < 1.5
    assert moved.std(axis=0).mean() < 0.5 * np.abs(moved.mean(axis=0)).mean()
