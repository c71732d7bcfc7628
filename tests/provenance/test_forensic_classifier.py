"""The classifier's network, its pooling, its calibration and its file."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from dancenow.errors import UserError
from dancenow.provenance.forensics.classifier import Calibration, Forensic, load_forensic, pool
from dancenow.provenance.forensics.network import FineNet, ForensicConfig
from dancenow.storage.checkpoint import save_checkpoint

TINY = ForensicConfig(crop_px=64, width=8)


def test_every_patch_gets_a_logit_and_pairs_show_more_than_pictures() -> None:
    torch.manual_seed(0)
    pairs = torch.rand(2, 2, 3, 64, 96) * 2 - 1
    other = pairs.clone()
    other[:, 0] = pairs[:, 1]  # the same pictures, in which nothing moves
    both, single = FineNet(TINY), FineNet(replace(TINY, frames=1))
    assert both(pairs).shape == (2, 1, 4, 6)
    assert not torch.allclose(both(pairs), both(other))
    assert torch.equal(single(pairs), single(other))
    both(pairs).sum().backward()
    assert all(value.grad is not None for value in both.parameters()), "all of it learns"


def test_only_patches_on_the_body_count() -> None:
    logits, body = torch.zeros(1, 1, 4, 4), torch.zeros(1, 1, 16, 16)
    logits[..., 0, 0], logits[..., 3, 3] = 5.0, -7.0
    body[..., :4, :4] = 1.0
    assert float(pool(logits, body)) == pytest.approx(5.0, abs=0.01)
    assert float(pool(logits, torch.zeros_like(body))) == pytest.approx(-2 / 16, abs=1e-4)


def test_calibration_gives_the_share_that_is_synthetic() -> None:
    generator = torch.Generator().manual_seed(1)
    synthetic = torch.arange(4000) % 4 > 0  # three of four, which must not tip the balance
    scores = 0.1 * (torch.randn(4000, generator=generator) + synthetic * 2.0)
    calibration = Calibration.fit(scores, synthetic)
    # Two normal distributions of deviation .1, .2 apart: the odds rise by e^2 a deviation, and are even in the middle.
    assert calibration.slope == pytest.approx(20, rel=0.1)
    assert calibration.probability(0.1) == pytest.approx(0.5, abs=0.03)
    assert calibration.probability(0.3) == pytest.approx(0.982, abs=0.01)


def test_a_few_clips_told_apart_perfectly_give_no_certainty() -> None:
    calibration = Calibration.fit(torch.tensor([-3.0, -4.0, 3.0, 4.0]), torch.tensor([False, False, True, True]))
    assert 0.6 < calibration.probability(4.0) < 0.95
    with pytest.raises(ValueError, match="both classes"):
        Calibration.fit(torch.tensor([1.0]), torch.tensor([True]))


def test_what_is_upside_down_says_even() -> None:
    calibration = Calibration.fit(torch.tensor([3.0, 4.0, -3.0, -4.0]), torch.tensor([False, False, True, True]))
    assert calibration.probability(4.0) == pytest.approx(0.5)


def test_a_file_brings_the_same_classifier_back(tmp_path: Path) -> None:
    torch.manual_seed(0)
    forensic = Forensic(FineNet(TINY).eval(), Calibration(2.0, -1.0), "drawings")
    save_checkpoint(tmp_path / "weights.safetensors", forensic.to_checkpoint(12))
    again = load_forensic(tmp_path / "weights.safetensors")
    pairs = torch.rand(1, 2, 3, 64, 64)
    torch.testing.assert_close(again.net(pairs), forensic.net(pairs), atol=2e-2, rtol=2e-2)  # half precision
    assert (again.calibration, again.trained_on) == (forensic.calibration, "drawings")


def test_damaged_and_foreign_files_are_refused(tmp_path: Path) -> None:
    whole = tmp_path / "weights.safetensors"
    save_checkpoint(whole, Forensic(FineNet(TINY), Calibration(), "").to_checkpoint())
    (tmp_path / "cut.safetensors").write_bytes(whole.read_bytes()[:2000])
    with pytest.raises(UserError, match="damaged"):
        load_forensic(tmp_path / "cut.safetensors")
    other = Forensic(FineNet(TINY), Calibration(), "").to_checkpoint()
    save_checkpoint(whole, type(other)(other.info, {k: v for k, v in other.tensors.items() if "head" not in k}))
    with pytest.raises(UserError, match="another version"):
        load_forensic(whole)
    with pytest.raises(UserError, match="no checkpoint"):
        load_forensic(tmp_path / "absent.safetensors")


def test_a_calibration_learns_what_the_size_of_the_body_does() -> None:
    rng = np.random.default_rng(0)
    shares = 0.15 * 2.0 ** rng.uniform(-2, 1, 400)
    made = rng.random(400) < 0.5
    scores = np.where(made, 1.0, -1.0) + 2 * np.log2(shares / 0.15) + rng.normal(0, 0.2, 400)
    fitted = Calibration.fit(torch.from_numpy(scores), torch.from_numpy(made), shares)
    small, usual = fitted.sized(0.15 / 4), fitted.sized(0.15)
    assert small.probability(-3.2) > 0.9 > 0.1 > usual.probability(-3.2)
    assert small.probability(-4.8) < 0.1
    assert fitted.sized(1e-9).probability(-3.2) == pytest.approx(fitted.sized(shares.min()).probability(-3.2))
    forensic = Forensic(FineNet(TINY).eval(), fitted, "drawings")
    again = Forensic.of_checkpoint(forensic.to_checkpoint(), Path("f"))
    assert again.calibration == fitted
    assert Calibration.fit(torch.from_numpy(-scores), torch.from_numpy(made), shares).sized(0.1).probability(9.0) == 0.5
