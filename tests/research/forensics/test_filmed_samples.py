"""The simulated camera and the pseudo-fakes that are made of one clip."""

from dataclasses import replace
from fractions import Fraction

import cv2
import numpy as np
import pytest

from dancenow.provenance.forensics.samples import body_map
from dancenow.research.bench.pseudo_fakes import PSEUDO_FAKES
from dancenow.research.forensics.camera_model import CameraModel, blur_motion, hold_by_hand
from dancenow.research.forensics.compression import Encoding, draw_encodings, encode_decode, extract_samples
from dancenow.research.forensics.self_blending import BODY_CHANGES, estimate_matte
from dancenow.types import ImageRGB
from helpers.drawn_world import dancer_track, person
from helpers.forensic_clips import drawn

TRACK = dancer_track(12)
FRAMES = drawn(TRACK, blurred=False)
MATTES = [person(TRACK.pose[i], TRACK.width_px)[1] for i in range(len(TRACK))]


def noise_of(frames: list[ImageRGB]) -> float:
    """Change between frames where nothing moves."""
    still = np.stack(MATTES).max(axis=0) == 0
    corner = np.stack(frames).astype(np.float32)[:, still]
    return float(corner.std(axis=0).mean())


@pytest.mark.parametrize("demosaiced", [False, True])
def test_a_dim_room_is_noisier_and_denoising_helps(demosaiced: bool) -> None:
    rng = np.random.default_rng(0)
    clean = CameraModel(demosaiced=demosaiced)
    dim = replace(clean, shot_noise=0.003, read_noise=0.01)
    assert noise_of(clean.film(FRAMES, rng)) < 0.3
    noisy = noise_of(dim.film(FRAMES, rng))
    assert noisy > 1.0
    assert noise_of(replace(dim, denoising=1.5).film(FRAMES, rng)) < 0.9 * noisy
    assert np.abs(clean.film(FRAMES, rng)[0].astype(int) - FRAMES[0]).mean() < 4


def test_exposure_drifts_and_tone_changes_contrast() -> None:
    rng = np.random.default_rng(0)
    means = [frame.mean() for frame in CameraModel(exposure_drift=0.3).film([FRAMES[0]] * 12, rng)]
    assert np.ptp(means) > 2
    assert CameraModel(contrast=1.5).film(FRAMES[:1], rng)[0].std() > 1.1 * FRAMES[0].std()


def test_the_empty_room_has_the_tone_but_not_the_noise() -> None:
    camera = CameraModel(shot_noise=0.003, read_noise=0.01, contrast=1.4, saturation=0.5)
    plain = np.full((32, 32, 3), (90, 140, 60), np.uint8)
    assert camera.without_noise(plain).std(axis=(0, 1)).max() == 0
    filmed = camera.film([plain] * 20, np.random.default_rng(0))
    assert np.abs(np.mean(filmed, axis=(0, 1, 2)) - camera.without_noise(plain).mean(axis=(0, 1))).max() < 3


def test_motion_blurs_what_moves_only() -> None:
    moving = np.zeros((8, 96, 96, 3), np.uint8)
    for index, frame in enumerate(moving):
        cv2.rectangle(frame, (10 + 5 * index, 30), (40 + 5 * index, 60), (200, 180, 90), -1)
    blurred = blur_motion(list(moving), 1.0)
    assert len(np.unique(blurred[3][45])) > len(np.unique(moving[3][45]))
    assert np.abs(blurred[3][:20].astype(int) - moving[3][:20]).max() <= 1


def test_a_hand_moves_the_whole_picture_a_little() -> None:
    held = hold_by_hand(FRAMES, np.random.default_rng(3))
    change = [np.abs(a.astype(int) - b).mean() for a, b in zip(held, FRAMES, strict=True)]
    assert 0.05 < np.mean(change) < 20
    assert held[0].shape == FRAMES[0].shape


def test_every_random_camera_films() -> None:
    for seed in range(6):
        rng = np.random.default_rng(seed)
        filmed = CameraModel.random(rng).film(FRAMES[:3], rng)
        assert all(frame.dtype == np.uint8 and 5 < frame.mean() < 250 for frame in filmed)


@pytest.mark.parametrize("name", ["self-blended", "trembling limbs"])
def test_pseudo_fakes_keep_the_surroundings(name: str) -> None:
    frames, index = PSEUDO_FAKES[name](FRAMES, MATTES, np.random.default_rng(1))
    assert index.tolist() == list(range(len(FRAMES)))
    far = cv2.dilate(MATTES[5], np.ones((31, 31))) == 0
    assert np.abs(frames[5].astype(int) - FRAMES[5])[far].max() <= 1
    assert np.abs(frames[5].astype(int) - FRAMES[5])[MATTES[5] > 127].mean() > 0.3


@pytest.mark.parametrize("name", sorted(BODY_CHANGES))
def test_body_changes_keep_the_content(name: str) -> None:
    changed = BODY_CHANGES[name](FRAMES, np.random.default_rng(2))
    difference = np.abs(np.stack(changed).astype(int) - np.stack(FRAMES)).mean()
    assert 0 < difference < 25


def test_a_matte_is_where_the_person_hides_the_room() -> None:
    empty = np.median(np.stack(FRAMES), axis=0).astype(np.uint8)
    image = empty.copy()
    side = image.shape[0] // 4 * 4
    body = body_map(TRACK.pose[0], side)
    shown = cv2.resize(body, image.shape[1::-1]) > 127
    image[shown] = 255 - image[shown]
    matte = estimate_matte(image, empty, body) > 127
    assert (matte & shown).sum() / (matte | shown).sum() > 0.8


def test_thinned_clips_are_sampled_where_the_person_is() -> None:
    encoding = Encoding(20, every=2, hand_held=True)
    assert encoding.name.endswith("every 2, by hand")
    assert len(encode_decode(FRAMES, Fraction(24), encoding)) == 6
    samples = extract_samples(
        FRAMES, TRACK, Fraction(24), [encoding], family="real", group="g", clip="c", side_px=96, num_samples=2
    )
    assert len(samples[0].images) == 2
    drawn_encodings = [each for seed in range(8) for each in draw_encodings(np.random.default_rng(seed))]
    assert {each.every for each in drawn_encodings} == {1, 2}
    assert any(each.earlier_crf for each in drawn_encodings)
    assert any(each.hand_held for each in drawn_encodings)
