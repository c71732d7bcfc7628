"""Learning to tell real from synthetic: what a step sees, and that something is learnt."""

from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch

from dancenow.provenance.forensics.classifier import Calibration
from dancenow.research.forensics.augmentation import Disguise, disguised, draw_disguise
from dancenow.research.forensics.compression import QUALITIES, Encoding, draw_encodings, encoded, evidence_of
from dancenow.research.forensics.finetuning import split
from dancenow.research.forensics.scoring import clip_scores
from dancenow.research.forensics.training import OFFSETS, REAL, Evidence, ForensicTask, Shelf
from dancenow.training.loop import Clock
from helpers.drawn_world import FPS, dancer_track
from helpers.forensic_clips import TINY_RECIPE, drawn


def clips(phase: float, encodings: tuple[Encoding, ...] = (Encoding(18), Encoding(28))) -> list[Evidence]:
    track = dancer_track(24, phase)
    return [
        each
        for smeared in (False, True)
        for each in evidence_of(
            drawn(track, smeared=smeared), track, Fraction(FPS), encodings, family="smeared" if smeared else REAL,
            group=f"{phase}", clip=f"{phase} {smeared}", side_px=96, looks=6,
        )
    ]  # fmt: skip


def test_real_and_synthetic_beside_each_other_are_of_one_person() -> None:
    evidence, rng = [*clips(0.0), *clips(1.0)], np.random.default_rng(0)
    rows = [each for each in evidence for _ in each.pictures]
    for _ in range(20):
        real, made = Shelf(evidence).draw(rng)
        assert (rows[real].synthetic, rows[made].synthetic) == (False, True)
        assert rows[real].group == rows[made].group


def test_small_bodies_and_what_counts_more_are_seen_more_often() -> None:
    def filled(side: int, family: str) -> Evidence:
        bodies = np.zeros((3, 24, 24), np.uint8)
        bodies[:, :side, :side] = 255
        return Evidence(np.zeros((3, len(OFFSETS), 96, 96, 3), np.uint8), bodies, family, "g", f"{family} {side}")

    evidence = [filled(12, REAL), filled(6, REAL), filled(12, "forged"), filled(12, "pretended")]
    shelf, rng = Shelf(evidence, counts={"pretended": 0.25}), np.random.default_rng(0)
    drawn = np.array([shelf.draw(rng) for _ in range(2000)]) // 3
    assert (drawn[:, 0] == 1).mean() == pytest.approx(4 / 5, abs=0.04)
    assert (drawn[:, 1] == 3).mean() == pytest.approx(1 / 5, abs=0.04)


def plain(count: int) -> Disguise:
    """Nothing is done, and nothing is mirrored."""
    drawn = draw_disguise(np.random.default_rng(0), count, 0.0)
    return replace(drawn, mirrored=np.zeros(count, np.bool_))


def looks(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    clip = clips(0.0)[0]
    return torch.from_numpy(clip.pictures[:count, :2]), torch.from_numpy(clip.bodies[:count])


def test_without_a_disguise_a_window_of_the_very_pixels_is_seen_with_some_of_the_body() -> None:
    pairs, bodies = looks(4)
    seen, body = disguised(pairs, bodies, plain(4), 64, torch.Generator().manual_seed(3))
    assert (seen.shape, body.shape) == ((4, 2, 3, 64, 64), (4, 1, 16, 16))
    levels = seen.add(1).mul(127.5).round().byte().permute(0, 1, 3, 4, 2)
    for look in range(4):
        windows = pairs[look, 1].unfold(0, 64, 1).unfold(1, 64, 1).permute(0, 1, 3, 4, 2)
        assert any(torch.equal(levels[look, 1], each) for each in windows.flatten(0, 1))
    assert (body.amax(dim=(1, 2, 3)) > 0.5).all()


def test_every_disguise_changes_what_is_seen_and_the_same_draw_gives_the_same() -> None:
    pairs, bodies = looks(6)

    def shown(how: Disguise) -> torch.Tensor:
        return disguised(pairs, bodies, how, 64, torch.Generator().manual_seed(3))[0]

    before, ones = shown(plain(6)), np.ones(6, np.float32)
    changes: dict[str, Any] = {
        "shrink": 0.7 * ones, "mirrored": ones > 0, "blur": ones, "smear": 2 * ones, "smoothed": ones > 0, "sharpened": ones,
        "noise": 8 * ones, "lift": 20 * ones, "contrast": 0.7 * ones, "gamma": 1.3 * ones, "jpeg": 40 * ones,
        "gain": np.full((6, 3), 0.9, np.float32), "moved": np.full((6, 2), 2, np.float32),
        "dyed": np.tile([2, 0, 1], (6, 1)),
    }  # fmt: skip
    for name, value in changes.items():
        after = shown(replace(plain(6), **{name: value}))
        difference = float((after - before).abs().mean())
        assert 1e-3 < difference < 0.6, name
        assert after.isfinite().all(), name
    strong = draw_disguise(np.random.default_rng(5), 6, 1.0)
    assert torch.equal(shown(strong), shown(strong))


def test_the_first_and_last_of_a_batch_are_labelled() -> None:
    pairs, body, synthetic = Shelf(clips(0.0)).batch(np.random.default_rng(0), TINY_RECIPE)
    assert pairs.shape == (8, 2, 3, 64, 64)
    assert body.shape == (8, 1, 16, 16)
    assert synthetic.tolist() == [0.0, 1.0] * 4


def test_without_a_counterpart_nothing_can_be_learnt() -> None:
    with pytest.raises(ValueError, match="both real and synthetic"):
        Shelf([each for each in clips(0.0) if not each.synthetic])


def test_it_learns_to_tell_a_smeared_body_on_a_dance_it_has_not_seen() -> None:
    task = ForensicTask(Shelf(clips(0.0)), TINY_RECIPE, seed=0)
    for step in range(40):
        task.step(np.random.default_rng((0, step)), step / 40)
    tested = clips(2.0)
    scores = clip_scores(task.forensic(Calibration(), ""), tested)
    assert min(s for s, c in zip(scores, tested, strict=True) if c.synthetic) > max(
        s for s, c in zip(scores, tested, strict=True) if not c.synthetic
    )


def test_a_training_that_was_stopped_goes_on_exactly() -> None:
    def task() -> ForensicTask:
        return ForensicTask(shelf, TINY_RECIPE, seed=0)

    shelf = Shelf(clips(0.0))
    unbroken, stopped, resumed = task(), task(), task()
    for step in range(3):
        unbroken.step(np.random.default_rng(step), 0.1)
    stopped.step(np.random.default_rng(0), 0.1)
    resumed.restore(stopped.state(Clock(0.0, stopped.images)))
    for step in (1, 2):
        resumed.step(np.random.default_rng(step), 0.1)
    for a, b in zip(unbroken.net.parameters(), resumed.net.parameters(), strict=True):
        assert torch.equal(a, b)


def test_encodings_differ_in_all_but_their_seed() -> None:
    chosen = draw_encodings(np.random.default_rng(3))
    assert [each.crf for each in chosen] == list(QUALITIES)
    frames = drawn(dancer_track(6), smeared=False)
    plain = encoded(frames, Fraction(24), Encoding(18))
    harsh = encoded(frames, Fraction(24), Encoding(33, scale=0.5, grain=3.0, before=24))
    assert plain[0].shape == (128, 128, 3)
    assert (len(harsh), harsh[0].shape) == (6, (64, 64, 3))
    assert np.abs(plain[3].astype(int) - frames[3]).mean() < 4


def test_every_fifth_clip_is_kept_apart_where_there_are_enough() -> None:
    def some(count: int, family: str) -> list[Evidence]:
        empty = np.zeros((0, len(OFFSETS), 8, 8, 3), np.uint8), np.zeros((0, 2, 2), np.uint8)
        return [Evidence(*empty, family, "g", f"{family} {i}") for i in range(count)]

    learnt, kept = split([*some(10, REAL), *some(5, "made")])
    assert [each.clip for each in kept] == ["real 4", "real 9", "made 4"]
    assert len(learnt) == 12
    assert split([*some(10, REAL), *some(4, "made")])[1] == []
