"""The reasons of a verdict: what is measured of the body against its surroundings, and what is said about it."""

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from dancenow.provenance.forensics.detector import Finding
from dancenow.provenance.forensics.reasons import SOFTER, Evidence, reasons_in_words
from dancenow.provenance.forensics.surroundings import Contrast, edge_map, pool_patches, surroundings_map

SIDE_PX = 224
USUAL = Evidence(body=2.0, beside=0.0, edge=2.0, inside=2.0, detail=-0.2, noise=1.0, flicker=2.0)


@pytest.fixture
def body() -> NDArray[np.uint8]:
    """A body of 64 x 160 px in the middle."""
    drawn = np.zeros((SIDE_PX // 4, SIDE_PX // 4), np.uint8)
    drawn[8:48, 20:36] = 255
    return drawn


def noisy_pair(body: NDArray[np.uint8], sigma_px: float = 0.0, still: bool = False) -> NDArray[np.uint8]:
    """Two frames of noise, with a blurred or an unchanged body."""
    rng = np.random.default_rng(0)
    frames = [np.clip(rng.normal(128, 25, (SIDE_PX, SIDE_PX, 3)), 0, 255).astype(np.uint8) for _ in range(2)]
    inside = cv2.resize(body, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_NEAREST)[..., None] > 0
    if sigma_px:
        frames = [np.where(inside, cv2.GaussianBlur(each, (0, 0), sigma_px), each) for each in frames]
    if still:
        frames[1] = np.where(inside, frames[0], frames[1])
    return np.stack(frames).astype(np.uint8)


def measure(images: NDArray[np.uint8], body: NDArray[np.uint8]) -> Contrast:
    return Contrast.measure(images, body, surroundings_map(images, body))


def test_a_body_like_its_surroundings_has_no_contrast(body: NDArray[np.uint8]) -> None:
    found = measure(noisy_pair(body), body)
    assert (found.detail, found.noise, found.flicker) == pytest.approx((0, 0, 0), abs=0.1)


def test_a_soft_body_and_an_unchanged_body_are_measured(body: NDArray[np.uint8]) -> None:
    soft, still = measure(noisy_pair(body, sigma_px=1.2), body), measure(noisy_pair(body, still=True), body)
    assert soft.detail < SOFTER
    assert soft.noise < -1
    assert still.detail == pytest.approx(0, abs=0.1)
    assert still.flicker < -3


def test_what_lies_beyond_the_frame_is_no_surroundings(body: NDArray[np.uint8]) -> None:
    images = noisy_pair(body)
    images[:, :, :32] = images[:, :, 32:33]
    around = surroundings_map(images, body)
    assert not around[:, :7].any()
    assert around[:, 8].all()
    assert not around[28, 16:40].any()
    assert not surroundings_map(np.zeros_like(images), body).any()


def test_a_body_that_fills_the_image_has_no_surroundings() -> None:
    everything = np.full((SIDE_PX // 4, SIDE_PX // 4), 255, np.uint8)
    images = noisy_pair(everything)
    evidence = Evidence.measure(np.ones((14, 14), np.float32), images, everything)
    assert evidence.body == pytest.approx(1.0)
    assert np.isnan([evidence.beside, evidence.detail, evidence.flicker]).all()
    assert evidence.to_json()["beside"] is None
    assert reasons_in_words(evidence) == (
        "Measured: too little is seen beside the body to compare. The classifier alone says so.",
    )


def test_patches_are_pooled_over_body_edge_and_surroundings(body: NDArray[np.uint8]) -> None:
    logits = np.zeros((14, 14), np.float32)
    logits[2:12, 5:9] = 4.0
    images = noisy_pair(body)
    evidence = Evidence.measure(logits, images, body)
    assert evidence.body == pytest.approx(4.0)
    assert evidence.beside == pytest.approx(0.0)
    assert evidence.inside > evidence.edge > 0
    assert np.isnan(pool_patches(logits, np.zeros_like(body)))
    assert edge_map(body)[8, 28] == 255
    assert edge_map(body)[28, 28] == 0


def test_only_what_is_measured_is_said() -> None:
    assert reasons_in_words(USUAL) == ("Measured: nothing out of the ordinary. The classifier alone says so.",)
    soft = reasons_in_words(replace(USUAL, detail=-1.0, inside=3.0))
    assert soft == (
        "Measured: the body is softer than its surroundings, with 50% of their fine detail.",
        "The classifier reacts most to the inside of the body.",
    )
    assert "outline" in reasons_in_words(replace(USUAL, edge=4.0))[1]
    assert "camera or encoding may be the cause" in reasons_in_words(replace(USUAL, beside=1.8))[1]


def test_means_of_a_clip_leave_out_what_is_not_known() -> None:
    mean = Evidence.mean([USUAL, replace(USUAL, beside=np.nan, body=4.0), replace(USUAL, flicker=np.nan)])
    assert (mean.body, mean.beside, mean.flicker) == pytest.approx((8 / 3, 0.0, 2.0))
    assert np.isnan(Evidence.mean([replace(USUAL, edge=np.nan)]).edge)


def test_reasons_are_given_for_synthesized_people_alone() -> None:
    finding = Finding("synthesized", 0.97, (0.97,), 12, 50.0, 3.5, evidence=replace(USUAL, detail=-1.0))
    assert "softer" in finding.sentences()[1]
    assert "softer" in json.dumps(finding.to_json(), allow_nan=False)
    assert replace(finding, verdict="real").reasons() == ()
    assert replace(finding, evidence=None).reasons() == ()
