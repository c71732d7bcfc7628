"""Training of the forensic classifier: sampling, augmentation, and that it learns."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from dancenow.provenance.forensics.classifier import Calibration
from dancenow.research.forensics.augmentation import Augmentation, augment, draw_augmentation
from dancenow.research.forensics.compression import CRFS, Encoding, draw_encodings, encode_decode, extract_samples
from dancenow.research.forensics.finetuning import split_clips, videos_in
from dancenow.research.forensics.scoring import clip_scores
from dancenow.research.forensics.training import OFFSETS, REAL, ClipSamples, ForensicTask, PairedSampler
from dancenow.training.loop import Clock
from helpers.drawn_world import FPS, dancer_track
from helpers.forensic_clips import TINY_RECIPE, drawn


def clips(phase: float, encodings: tuple[Encoding, ...] = (Encoding(18), Encoding(28))) -> list[ClipSamples]:
    track = dancer_track(24, phase)
    return [
        each
        for blurred in (False, True)
        for each in extract_samples(
            drawn(track, blurred=blurred), track, Fraction(FPS), encodings, family="blurred" if blurred else REAL,
            group=f"{phase}", clip=f"{phase} {blurred}", side_px=96, num_samples=6,
        )
    ]  # fmt: skip


def test_a_pair_of_real_and_synthetic_shows_one_person() -> None:
    samples, rng = [*clips(0.0), *clips(1.0)], np.random.default_rng(0)
    rows = [each for each in samples for _ in each.images]
    for _ in range(20):
        real, fake = PairedSampler(samples).draw(rng)
        assert (rows[real].synthetic, rows[fake].synthetic) == (False, True)
        assert rows[real].group == rows[fake].group


def test_small_bodies_and_families_with_more_weight_are_drawn_more_often() -> None:
    def filled(side: int, family: str) -> ClipSamples:
        bodies = np.zeros((3, 24, 24), np.uint8)
        bodies[:, :side, :side] = 255
        return ClipSamples(np.zeros((3, len(OFFSETS), 96, 96, 3), np.uint8), bodies, family, "g", f"{family} {side}")

    samples = [filled(12, REAL), filled(6, REAL), filled(12, "generated"), filled(12, "pseudo-fake")]
    sampler, rng = PairedSampler(samples, weights={"pseudo-fake": 0.25}), np.random.default_rng(0)
    drawn = np.array([sampler.draw(rng) for _ in range(2000)]) // 3
    assert (drawn[:, 0] == 1).mean() == pytest.approx(4 / 5, abs=0.04)
    assert (drawn[:, 1] == 3).mean() == pytest.approx(1 / 5, abs=0.04)


def plain(count: int) -> Augmentation:
    """Parameters that change nothing."""
    drawn = draw_augmentation(np.random.default_rng(0), count, 0.0)
    return replace(drawn, flipped=np.zeros(count, np.bool_))


def image_pairs(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    clip = clips(0.0)[0]
    return torch.from_numpy(clip.images[:count, :2]), torch.from_numpy(clip.bodies[:count])


def test_without_augmentation_the_crop_holds_unchanged_pixels_and_some_of_the_body() -> None:
    pairs, bodies = image_pairs(4)
    cropped, body = augment(pairs, bodies, plain(4), 64, torch.Generator().manual_seed(3))
    assert (cropped.shape, body.shape) == ((4, 2, 3, 64, 64), (4, 1, 16, 16))
    levels = cropped.add(1).mul(127.5).round().byte().permute(0, 1, 3, 4, 2)
    for index in range(4):
        crops = pairs[index, 1].unfold(0, 64, 1).unfold(1, 64, 1).permute(0, 1, 3, 4, 2)
        assert any(torch.equal(levels[index, 1], each) for each in crops.flatten(0, 1))
    assert (body.amax(dim=(1, 2, 3)) > 0.5).all()


def test_every_augmentation_changes_the_images_and_is_reproducible() -> None:
    pairs, bodies = image_pairs(6)

    def augmented(parameters: Augmentation) -> torch.Tensor:
        return augment(pairs, bodies, parameters, 64, torch.Generator().manual_seed(3))[0]

    before, ones = augmented(plain(6)), np.ones(6, np.float32)
    changes: dict[str, Any] = {
        "scale": 0.7 * ones, "flipped": ones > 0, "blur": ones, "motion_blur": 2 * ones, "denoised": ones > 0,
        "sharpening": ones, "noise": 8 * ones, "brightness": 20 * ones, "contrast": 0.7 * ones, "gamma": 1.3 * ones,
        "jpeg": 40 * ones, "gain": np.full((6, 3), 0.9, np.float32), "shift_px": np.full((6, 2), 2, np.float32),
        "channel_order": np.tile([2, 0, 1], (6, 1)),
    }  # fmt: skip
    for name, value in changes.items():
        after = augmented(replace(plain(6), **{name: value}))
        difference = float((after - before).abs().mean())
        assert 1e-3 < difference < 0.6, name
        assert after.isfinite().all(), name
    strong = draw_augmentation(np.random.default_rng(5), 6, 1.0)
    assert torch.equal(augmented(strong), augmented(strong))


def test_a_batch_alternates_real_and_synthetic() -> None:
    pairs, body, synthetic = PairedSampler(clips(0.0)).batch(np.random.default_rng(0), TINY_RECIPE)
    assert pairs.shape == (8, 2, 3, 64, 64)
    assert body.shape == (8, 1, 16, 16)
    assert synthetic.tolist() == [0.0, 1.0] * 4


def test_training_needs_both_classes() -> None:
    with pytest.raises(ValueError, match="both real and synthetic"):
        PairedSampler([each for each in clips(0.0) if not each.synthetic])


def test_it_learns_to_detect_a_blurred_body_in_an_unseen_dance() -> None:
    task = ForensicTask(PairedSampler(clips(0.0)), TINY_RECIPE, seed=0)
    for step in range(40):
        task.step(np.random.default_rng((0, step)), step / 40)
    tested = clips(2.0)
    scores = clip_scores(task.classifier(Calibration(), ""), tested)
    assert min(s for s, c in zip(scores, tested, strict=True) if c.synthetic) > max(
        s for s, c in zip(scores, tested, strict=True) if not c.synthetic
    )


def test_a_resumed_training_equals_an_unbroken_one() -> None:
    def task() -> ForensicTask:
        return ForensicTask(sampler, TINY_RECIPE, seed=0)

    sampler = PairedSampler(clips(0.0))
    unbroken, stopped, resumed = task(), task(), task()
    for step in range(3):
        unbroken.step(np.random.default_rng(step), 0.1)
    stopped.step(np.random.default_rng(0), 0.1)
    resumed.restore(stopped.state(Clock(0.0, stopped.images)))
    for step in (1, 2):
        resumed.step(np.random.default_rng(step), 0.1)
    for a, b in zip(unbroken.net.parameters(), resumed.net.parameters(), strict=True):
        assert torch.equal(a, b)


def test_encodings_apply_scale_and_quality() -> None:
    chosen = draw_encodings(np.random.default_rng(3))
    assert [each.crf for each in chosen] == list(CRFS)
    frames = drawn(dancer_track(6), blurred=False)
    plain = encode_decode(frames, Fraction(24), Encoding(18))
    harsh = encode_decode(frames, Fraction(24), Encoding(33, scale=0.5, grain=3.0, earlier_crf=24))
    assert plain[0].shape == (128, 128, 3)
    assert (len(harsh), harsh[0].shape) == (6, (64, 64, 3))
    assert np.abs(plain[3].astype(int) - frames[3]).mean() < 4


def test_every_fifth_clip_is_held_out_if_there_are_enough() -> None:
    def some(count: int, family: str) -> list[ClipSamples]:
        empty = np.zeros((0, len(OFFSETS), 8, 8, 3), np.uint8), np.zeros((0, 2, 2), np.uint8)
        return [ClipSamples(*empty, family, "g", f"{family} {i}") for i in range(count)]

    train, held_out = split_clips([*some(10, REAL), *some(5, "fake")])
    assert [each.clip for each in held_out] == ["real 4", "real 9", "fake 4"]
    assert len(train) == 12
    assert split_clips([*some(10, REAL), *some(4, "fake")])[1] == []


def test_masks_of_rendered_clips_are_no_videos_to_learn_from(tmp_path: Path) -> None:
    for name in ("b.mkv", "a.mp4", "a.masks.mkv", "a.npz"):
        (tmp_path / name).touch()
    assert [path.name for path in videos_in(tmp_path)] == ["a.mp4", "b.mkv"]
