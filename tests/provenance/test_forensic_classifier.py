"""Network, pooling, calibration and checkpoint of the forensic classifier."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from dancenow.errors import UserError
from dancenow.provenance.forensics.classifier import Calibration, ForensicClassifier, load_classifier, pool_logits
from dancenow.provenance.forensics.network import ForensicConfig, ForensicNet
from dancenow.storage.checkpoint import save_checkpoint

TINY = ForensicConfig(crop_px=64, width=8)


def test_every_patch_gets_a_logit_and_pairs_show_more_than_single_images() -> None:
    torch.manual_seed(0)
    pairs = torch.rand(2, 2, 3, 64, 96) * 2 - 1
    other = pairs.clone()
    other[:, 0] = pairs[:, 1]  # the second image twice: nothing moves
    pair_net, single_net = ForensicNet(TINY), ForensicNet(replace(TINY, frames=1))
    assert pair_net(pairs).shape == (2, 1, 4, 6)
    assert not torch.allclose(pair_net(pairs), pair_net(other))
    assert torch.equal(single_net(pairs), single_net(other))
    pair_net(pairs).sum().backward()
    assert all(value.grad is not None for value in pair_net.parameters()), "every parameter has a gradient"


def test_pooling_uses_only_patches_on_the_body() -> None:
    logits, body = torch.zeros(1, 1, 4, 4), torch.zeros(1, 1, 16, 16)
    logits[..., 0, 0], logits[..., 3, 3] = 5.0, -7.0
    body[..., :4, :4] = 1.0
    assert float(pool_logits(logits, body)) == pytest.approx(5.0, abs=0.01)
    assert float(pool_logits(logits, torch.zeros_like(body))) == pytest.approx(-2 / 16, abs=1e-4)


def test_calibrated_probabilities_match_the_fraction_that_is_synthetic() -> None:
    generator = torch.Generator().manual_seed(1)
    synthetic = torch.arange(4000) % 4 > 0  # unbalanced classes must not bias the result
    scores = 0.1 * (torch.randn(4000, generator=generator) + synthetic * 2.0)
    calibration = Calibration.fit(scores, synthetic)
    # Two normal distributions, standard deviation 0.1, means 0.2 apart: the odds grow by e^2 per deviation, even halfway.
    assert calibration.slope == pytest.approx(20, rel=0.1)
    assert calibration.probability(0.1) == pytest.approx(0.5, abs=0.03)
    assert calibration.probability(0.3) == pytest.approx(0.982, abs=0.01)


def test_a_few_perfectly_separated_clips_do_not_give_certainty() -> None:
    calibration = Calibration.fit(torch.tensor([-3.0, -4.0, 3.0, 4.0]), torch.tensor([False, False, True, True]))
    assert 0.6 < calibration.probability(4.0) < 0.95
    with pytest.raises(ValueError, match="both classes"):
        Calibration.fit(torch.tensor([1.0]), torch.tensor([True]))


def test_a_classifier_with_inverted_scores_reports_even_odds() -> None:
    calibration = Calibration.fit(torch.tensor([3.0, 4.0, -3.0, -4.0]), torch.tensor([False, False, True, True]))
    assert calibration.probability(4.0) == pytest.approx(0.5)


def test_saving_and_loading_restores_the_classifier(tmp_path: Path) -> None:
    torch.manual_seed(0)
    forensic = ForensicClassifier(ForensicNet(TINY).eval(), Calibration(2.0, -1.0), "drawings")
    save_checkpoint(tmp_path / "weights.safetensors", forensic.to_checkpoint(12))
    loaded = load_classifier(tmp_path / "weights.safetensors")
    pairs = torch.rand(1, 2, 3, 64, 64)
    torch.testing.assert_close(loaded.net(pairs), forensic.net(pairs), atol=2e-2, rtol=2e-2)  # half precision
    assert (loaded.calibration, loaded.trained_on) == (forensic.calibration, "drawings")


def test_damaged_and_foreign_files_raise_an_error(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    save_checkpoint(path, ForensicClassifier(ForensicNet(TINY), Calibration(), "").to_checkpoint())
    (tmp_path / "cut.safetensors").write_bytes(path.read_bytes()[:2000])
    with pytest.raises(UserError, match="damaged"):
        load_classifier(tmp_path / "cut.safetensors")
    other = ForensicClassifier(ForensicNet(TINY), Calibration(), "").to_checkpoint()
    save_checkpoint(path, type(other)(other.info, {k: v for k, v in other.tensors.items() if "head" not in k}))
    with pytest.raises(UserError, match="another version"):
        load_classifier(path)
    with pytest.raises(UserError, match="no checkpoint"):
        load_classifier(tmp_path / "absent.safetensors")


def test_calibration_learns_the_effect_of_body_size() -> None:
    rng = np.random.default_rng(0)
    fractions = 0.15 * 2.0 ** rng.uniform(-2, 1, 400)
    synthetic = rng.random(400) < 0.5
    scores = np.where(synthetic, 1.0, -1.0) + 2 * np.log2(fractions / 0.15) + rng.normal(0, 0.2, 400)
    fitted = Calibration.fit(torch.from_numpy(scores), torch.from_numpy(synthetic), fractions)
    small, usual = fitted.for_body_fraction(0.15 / 4), fitted.for_body_fraction(0.15)
    assert small.probability(-3.2) > 0.9 > 0.1 > usual.probability(-3.2)
    assert small.probability(-4.8) < 0.1
    assert fitted.for_body_fraction(1e-9).probability(-3.2) == pytest.approx(
        fitted.for_body_fraction(fractions.min()).probability(-3.2)
    )
    forensic = ForensicClassifier(ForensicNet(TINY).eval(), fitted, "drawings")
    loaded = ForensicClassifier.from_checkpoint(forensic.to_checkpoint(), Path("f"))
    assert loaded.calibration == fitted
    assert (
        Calibration.fit(torch.from_numpy(-scores), torch.from_numpy(synthetic), fractions)
        .for_body_fraction(0.1)
        .probability(9.0)
        == 0.5
    )
