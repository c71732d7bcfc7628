"""The figures of the classifier's bench, and the clips that it is made of."""

from pathlib import Path

import numpy as np
import pytest
import torch

from dancenow.bench.caststores import Recruit, evidence_of_runs
from dancenow.bench.forensics import VARIANTS, auc, rates, reliability, summarised, train_variant, variant_path
from dancenow.bench.forgeries import WAYS
from dancenow.bench.scenes import shaken
from dancenow.bench.suspects import CAST, recruits, shared_out, studio_people
from dancenow.data.clips import ClipStore, cut
from dancenow.errors import UserError
from dancenow.pose.letterbox import Letterbox
from dancenow.training.encodings import Encoding
from dancenow.types import Crop, Pose
from world import dancer_track, person


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
    assert len({each.number for each in people}) == len(people) == CAST.people
    for role in ("train", "calibrate", "test"):
        assert {order.way for each in people if each.role == role for order in each.orders} == set(WAYS), role
    assert {order.way for each in studio_people() for order in each.orders} < set(WAYS)
    assert all(each.scene is not None and each.role == "test" for each in studio_people())


def test_work_is_shared_out_evenly_with_the_test_first() -> None:
    shares = shared_out([*studio_people(), *recruits()], 8)
    assert sum(map(len, shares)) == len(studio_people()) + CAST.people
    loads = [sum(each.weight for each in share) for share in shares]
    assert max(loads) - min(loads) <= 1.0
    assert sum(share[0].scene is not None for share in shares) == len(studio_people())


def test_variants_that_are_not_shipped_stay_in_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DANCENOW_CACHE", str(tmp_path / "cache"))
    shipped = tmp_path / "shipped.safetensors"
    assert variant_path("all", shipped) == shipped
    assert all(variant_path(name, shipped).is_relative_to(tmp_path / "cache") for name in VARIANTS if name != "all")
    with pytest.raises(UserError, match="no variant"):
        train_variant("better", shipped, torch.device("cpu"))


def some_person() -> ClipStore:
    """Four runs of a drawn dancer, in a frame of 96 px of which the middle is stored."""
    track = dancer_track(24, size_px=96, body_px=60)
    drawn = [person(track.pose[i], 96) for i in range(24)]
    to_stored = np.tile(np.array([[0.75, 0.0, 0.0], [0.0, 0.75, 0.0]]), (24, 1, 1))
    crops = [Crop(each, 72) for each in to_stored]
    poses = [crop.apply(track.pose[i]) for i, crop in enumerate(crops)]
    return ClipStore(
        image=np.stack([cut(image, crop) for (image, _), crop in zip(drawn, crops, strict=True)]),
        mask=np.stack([cut(mask, crop) for (_, mask), crop in zip(drawn, crops, strict=True)]),
        pose=Pose(*(np.stack([getattr(p, name) for p in poses]) for name in ("xy", "confidence", "depth"))),
        to_stored=to_stored, plate=np.full((72, 72, 4), 255, np.uint8),
        plate_to_frame=np.array([[4 / 3, 0.0, 1 / 6], [0.0, 4 / 3, 1 / 6]]),
        starts=np.arange(0, 24, 6), length=6, canvas_px=64,
    )  # fmt: skip


def test_a_person_is_learnt_from_half_of_the_runs_and_looked_at_in_place() -> None:
    store = some_person()
    recruit = Recruit("drawn", store, np.full((96, 96, 3), 200, np.uint8), seed=0)
    assert sorted([*recruit.learnt, *recruit.unseen]) == [0, 1, 2, 3]
    assert len(recruit.clip_store(64, 2).image) == 12
    whole = recruit.whole_store(Letterbox.of_frame(96, 96, 96), 1)
    frame, _ = person(dancer_track(24, size_px=96, body_px=60).pose[int(np.sort(recruit.learnt)[0]) * 6], 96)
    assert np.abs(whole.image[0][:90, :90].astype(int) - frame[:90, :90]).mean() < 6
    shown = recruit.retrieved(recruit.unseen)
    assert len(shown) == 2
    rng = np.random.default_rng(0)
    looks = evidence_of_runs(recruit.runs, Encoding(20), rng, family="real", group="g", clip="c", side_px=96)
    assert looks.pictures.shape == (4, 3, 96, 96, 3)
    assert 0.02 < (looks.bodies > 0).mean() < 0.5


def test_shaken_keypoints_are_off_by_about_what_was_asked() -> None:
    track = dancer_track(50)
    moved = shaken(track, 0.01, np.random.default_rng(0)).pose.xy - track.pose.xy
    assert 0.5 < np.abs(moved).mean() / (0.01 * 84 * 0.8) < 1.5
    assert moved.std(axis=0).mean() < 0.5 * np.abs(moved.mean(axis=0)).mean()
