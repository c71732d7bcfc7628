"""The classifier's network, its pooling, its calibration and its file."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from dancenow.checkpoint import save_checkpoint
from dancenow.errors import UserError
from dancenow.models.forensic import Calibration, Forensic, Jury, fit_shares, load_forensic, new_juror, pool
from dancenow.models.juror import ForensicConfig
from dancenow.models.perceptual import EfficientNetTrunk
from dancenow.models.trunknet import TrunkNet

TINY = ForensicConfig(crop_px=64, width=8)


KINDS = {"fine": TINY, "trunk": replace(TINY, trunk=2), "deep trunk, beside": replace(TINY, trunk=4, beside=True)}
WHOLE, ONE = torch.ones(2, 1, 16, 24), torch.ones(1, 1, 16, 16)


@pytest.mark.parametrize("kind", KINDS)
def test_every_patch_gets_a_logit_and_pairs_show_more_than_pictures(kind: str) -> None:
    torch.manual_seed(0)
    pairs = torch.rand(2, 2, 3, 64, 96) * 2 - 1
    other = pairs.clone()
    other[:, 0] = pairs[:, 1]  # the same pictures, in which nothing moves
    both, single = new_juror(KINDS[kind]), new_juror(replace(KINDS[kind], frames=1))
    assert both(pairs, WHOLE).shape == (2, 1, 4, 6)
    assert not torch.allclose(both(pairs, WHOLE), both(other, WHOLE))
    assert torch.equal(single(pairs, WHOLE), single(other, WHOLE))
    both(pairs, WHOLE).sum().backward()
    assert all(value.grad is not None for value in both.parameters()), "all of it learns"


def test_beside_its_room_a_body_is_judged_by_what_differs(monkeypatch: pytest.MonkeyPatch) -> None:
    net = new_juror(replace(TINY, beside=True))
    logits, body = torch.full((1, 1, 6, 6), 3.0), torch.zeros(1, 1, 24, 24)
    body[..., :4, :4] = 1.0
    logits[..., 0, 0] += 2.0
    monkeypatch.setattr(net, "patches", lambda _pairs: logits)
    with torch.no_grad():
        assert net.beside is not None
        net.beside.fill_(1.0)
        pairs = torch.zeros(1, 2, 3, 96, 96)
        assert float(pool(net(pairs, body), body)) == pytest.approx(2.0, abs=0.15)
        assert float(pool(net(pairs, torch.ones_like(body)), body)) == pytest.approx(5.0, abs=0.01), "there is no room"


def test_a_trunk_begins_as_it_was_trained() -> None:
    torch.manual_seed(3)
    trunk, net = EfficientNetTrunk(), new_juror(KINDS["trunk"])
    assert isinstance(net, TrunkNet)
    net.begin_as(trunk)
    picture = torch.rand(1, 3, 64, 64)
    torch.testing.assert_close(net.trunk.features(picture, 2), trunk.features(picture, 2))
    assert len(net.trunk.blocks) == 3


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


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_brings_the_same_classifier_back(kind: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    forensic = Forensic(new_juror(KINDS[kind]).eval(), Calibration(2.0, -1.0), "drawings")
    save_checkpoint(tmp_path / "weights.safetensors", forensic.to_checkpoint(12))
    again = load_forensic(tmp_path / "weights.safetensors")
    pairs = torch.rand(1, 2, 3, 64, 64)
    torch.testing.assert_close(again.net(pairs, ONE), forensic.net(pairs, ONE), atol=2e-2, rtol=2e-2)  # half precision
    assert (again.calibration, again.trained_on) == (forensic.calibration, "drawings")


def test_a_jury_says_the_weighted_sum_and_comes_back_from_its_file(tmp_path: Path) -> None:
    torch.manual_seed(0)
    nets = [new_juror(TINY).eval(), new_juror(TINY).eval()]
    jury = Forensic(Jury(nets, (2.0, 0.5)), Calibration(1.0, -1.0), "drawings")
    pairs = torch.rand(1, 2, 3, 64, 64)
    torch.testing.assert_close(jury.net(pairs, ONE), 2 * nets[0](pairs, ONE) + 0.5 * nets[1](pairs, ONE))
    save_checkpoint(tmp_path / "weights.safetensors", jury.to_checkpoint(12))
    again = load_forensic(tmp_path / "weights.safetensors")
    torch.testing.assert_close(again.net(pairs, ONE), jury.net(pairs, ONE), atol=2e-2, rtol=2e-2)  # half precision
    assert len(again.jurors) == 2
    with pytest.raises(ValueError, match="one size"):
        Jury([nets[0], new_juror(replace(TINY, crop_px=96))], (1.0, 1.0))


def test_networks_that_know_nothing_count_for_nothing_and_good_ones_for_more() -> None:
    rng = np.random.default_rng(0)
    made = np.arange(200) % 2 == 1
    good, noise = np.where(made, 1.0, -1.0) + rng.normal(0, 0.7, 200), rng.normal(0, 1, 200)
    shares, _ = fit_shares(torch.from_numpy(np.stack([good, noise, -good], axis=1)), torch.from_numpy(made))
    assert shares[0] > 1
    assert shares[1] < 0.2 * shares[0]
    assert shares[2] == 0 or shares[0] > shares[2]


def test_damaged_and_foreign_files_are_refused(tmp_path: Path) -> None:
    whole = tmp_path / "weights.safetensors"
    save_checkpoint(whole, Forensic(new_juror(TINY), Calibration(), "").to_checkpoint())
    (tmp_path / "cut.safetensors").write_bytes(whole.read_bytes()[:2000])
    with pytest.raises(UserError, match="damaged"):
        load_forensic(tmp_path / "cut.safetensors")
    other = Forensic(new_juror(TINY), Calibration(), "").to_checkpoint()
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
    forensic = Forensic(new_juror(TINY).eval(), fitted, "drawings")
    again = Forensic.of_checkpoint(forensic.to_checkpoint(), Path("f"))
    assert again.calibration == fitted
    assert Calibration.fit(torch.from_numpy(-scores), torch.from_numpy(made), shares).sized(0.1).probability(9.0) == 0.5
