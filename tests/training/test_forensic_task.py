"""Learning to tell real from synthetic: what a step sees, and that something is learnt."""

from fractions import Fraction

import numpy as np
import pytest
import torch

from dancenow.models.forensic import Calibration
from dancenow.training.encodings import QUALITIES, Encoding, draw_encodings, encoded, evidence_of
from dancenow.training.folders import split
from dancenow.training.forensic import REAL, Evidence, ForensicTask, Shelf, disguised, draw_disguise
from dancenow.training.loop import Clock
from dancenow.training.scoring import clip_scores
from suspects import TINY_RECIPE, drawn
from world import FPS, dancer_track


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


def test_real_and_synthetic_beside_each_other_are_of_one_group_and_disguised_alike() -> None:
    shelf, rng = Shelf([*clips(0.0), *clips(1.0)]), np.random.default_rng(0)
    for _ in range(20):
        real, made = shelf.draw(rng)
        assert (real.synthetic, made.synthetic) == (False, True)
        assert real.group == made.group
    run = real.pictures[0]
    how = draw_disguise(np.random.default_rng(5), 1.0)
    once, again = (disguised(run, real.bodies[0], how, 64) for _ in range(2))
    assert np.array_equal(once[0], again[0])
    assert once[0].shape == (2, 64, 64, 3)
    assert once[1].shape == (16, 16)
    assert once[1].max() > 127  # some of the body is always in the window


def test_the_first_and_last_of_a_batch_are_labelled() -> None:
    pairs, body, synthetic = Shelf(clips(0.0)).batch(np.random.default_rng(0), TINY_RECIPE)
    assert pairs.shape == (8, 2, 3, 64, 64)
    assert body.shape == (8, 1, 16, 16)
    assert synthetic.tolist() == [0.0, 1.0] * 4


def test_without_a_counterpart_nothing_can_be_learnt() -> None:
    with pytest.raises(ValueError, match="both real and synthetic"):
        Shelf([each for each in clips(0.0) if not each.synthetic])


def test_it_learns_to_tell_a_smeared_body_on_a_dance_it_has_not_seen() -> None:
    task = ForensicTask(Shelf(clips(0.0)), TINY_RECIPE, seed=0, device=torch.device("cpu"))
    for step in range(40):
        task.step(np.random.default_rng((0, step)), step / 40)
    tested = clips(2.0)
    scores = clip_scores(task.forensic(Calibration(), ""), tested)
    assert min(s for s, c in zip(scores, tested, strict=True) if c.synthetic) > max(
        s for s, c in zip(scores, tested, strict=True) if not c.synthetic
    )


def test_a_training_that_was_stopped_goes_on_exactly() -> None:
    def task() -> ForensicTask:
        return ForensicTask(shelf, TINY_RECIPE, seed=0, device=torch.device("cpu"))

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
        empty = np.zeros((0, 4, 8, 8, 3), np.uint8), np.zeros((0, 2, 2), np.uint8)
        return [Evidence(*empty, family, "g", f"{family} {i}") for i in range(count)]

    learnt, kept = split([*some(10, REAL), *some(5, "made")])
    assert [each.clip for each in kept] == ["real 4", "real 9", "made 4"]
    assert len(learnt) == 12
    assert split([*some(10, REAL), *some(4, "made")])[1] == []
