"""The forensic classifier: a patch network, its calibration, and its checkpoint.

The network scores each image patch, and the scores of the patches on the person's body are averaged (patch-based forensics:
Chai et al., 2020).
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from dancenow.errors import ModelError
from dancenow.provenance.forensics.network import ForensicConfig, ForensicNet
from dancenow.storage.checkpoint import Checkpoint, CheckpointInfo, load_checkpoint

KIND: Final = "forensic"
"""Checkpoint kind of a forensic classifier."""
TYPICAL_BODY_FRACTION: Final = 0.15
"""Fraction of the image that a body typically fills; the reference of `Calibration.octave`."""
_NEWTON_STEPS: Final = 40


def pool_logits(logits: Tensor, body: Tensor) -> Tensor:
    """Average patch logits [B,1,h,w] over the body map [B,1,H,W] in [0,1], or over everything without a body: [B]."""
    weight = F.interpolate(body, logits.shape[-2:], mode="area") + 1e-4
    return (logits * weight).sum(dim=(1, 2, 3)) / weight.sum(dim=(1, 2, 3))


@dataclass(frozen=True)
class Calibration:
    """Map a clip's mean logit to a probability, assuming equal priors for real and synthesized (Platt, 1999).

    octave: offset added per doubling of the fraction of the image that the body fills, relative to `TYPICAL_BODY_FRACTION`:
    a small body shows less detail. octaves: the smallest and the largest value of that logarithm in the calibration set.
    """

    slope: float = 1.0
    offset: float = 0.0
    octave: float = 0.0
    octaves: tuple[float, float] = (0.0, 0.0)

    def for_body_fraction(self, body_fraction: float) -> Self:
        """The calibration for clips in which the body fills this fraction of the image."""
        octaves = float(np.clip(_octaves(np.asarray(body_fraction)), *self.octaves))
        return replace(self, offset=self.offset + self.octave * octaves, octave=0.0)

    def logit(self, score: Tensor) -> Tensor:
        """Log-odds that a clip with this mean logit is synthesized."""
        return score * self.slope + self.offset

    def probability(self, score: float) -> float:
        """Probability that the clip is synthesized."""
        return float(torch.sigmoid(self.logit(torch.tensor(score, dtype=torch.float64))))

    @classmethod
    def fit(cls, scores: Tensor, synthetic: Tensor, body_fractions: NDArray[np.float64] | None = None) -> Self:
        """Fit to the mean logits [N] of clips with known labels, bool [N]. Both classes weigh the same, and the targets are
        smoothed, so that no clip is ever certain. body_fractions: [N], to learn the effect of body size as well.

        Raises:
            ValueError: one of the classes is empty.
        """
        columns = [scores.double()]
        if body_fractions is not None:
            octaves = _octaves(body_fractions)
            columns.append(torch.from_numpy(octaves))
        *counts, offset = _fit_logistic(torch.stack(columns, dim=1), synthetic).tolist()
        # A negative slope means that the classifier has learned nothing: report even odds.
        if counts[0] <= 0:
            return cls(0.0, 0.0)
        if body_fractions is None:
            return cls(counts[0], offset)
        return cls(counts[0], offset, counts[1], (float(octaves.min()), float(octaves.max())))


def _octaves(body_fraction: NDArray[Any]) -> NDArray[np.float64]:
    return np.asarray(np.log2(np.maximum(body_fraction, 1e-4) / TYPICAL_BODY_FRACTION), np.float64)


def _fit_logistic(columns: Tensor, synthetic: Tensor) -> Tensor:
    """Logistic regression on the columns of [N,M]: a coefficient per column and an offset, [M+1]."""
    count = torch.stack([(~synthetic).sum(), synthetic.sum()]).double()
    if not bool((count > 0).all()):
        raise ValueError("a calibration needs clips of both classes")
    target = torch.where(synthetic, (count[1] + 1) / (count[1] + 2), 1 / (count[0] + 2))
    weight = torch.where(synthetic, 0.5 / count[1], 0.5 / count[0])
    scale = columns.double().abs().mean(dim=0).clamp(min=1e-6)
    scaled = torch.cat([columns.double() / scale, torch.ones(len(columns), 1, dtype=torch.float64)], dim=1)
    coefficients = torch.zeros(scaled.shape[1], dtype=torch.float64)
    ridge = 1e-4 * torch.eye(len(coefficients), dtype=torch.float64)
    for _ in range(_NEWTON_STEPS):
        predicted = torch.sigmoid(scaled @ coefficients)
        gradient = scaled.T @ (weight * (predicted - target)) + ridge @ coefficients
        hessian = (scaled.T * (weight * predicted * (1 - predicted))) @ scaled + ridge
        coefficients = coefficients - torch.linalg.solve(hessian, gradient).clamp(-2, 2)
    return torch.cat([coefficients[:-1] / scale, coefficients[-1:]])


@dataclass(frozen=True, eq=False)
class ForensicClassifier:
    """A trained network, its calibration, and a description of its training data."""

    net: ForensicNet
    calibration: Calibration
    trained_on: str

    def to_checkpoint(self, images_seen: int = 0) -> Checkpoint:
        """Save in half precision; 2.8 MB for the shipped size."""
        config: dict[str, Any] = {
            "network": asdict(self.net.config), "calibration": asdict(self.calibration), "trained_on": self.trained_on,
        }  # fmt: skip
        halves = {name: value.half().cpu() for name, value in self.net.state_dict().items()}
        return Checkpoint(CheckpointInfo(KIND, config, images_seen), halves)

    @classmethod
    def from_checkpoint(cls, checkpoint: Checkpoint, path: Path) -> Self:
        """The inverse of `to_checkpoint`.

        Raises:
            UserError: another version of dancenow wrote the file.
        """
        config: Mapping[str, Any] = checkpoint.info.config
        try:
            net = _net(config["network"], checkpoint.tensors)
            calibration, trained_on = _calibration(config["calibration"]), str(config["trained_on"])
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise ModelError(f"{path} was made by another version of dancenow; train it again with --train.") from error
        return cls(net.eval().requires_grad_(False), calibration, trained_on)


def _calibration(config: Mapping[str, Any]) -> Calibration:
    low, high = config.get("octaves", (0.0, 0.0))  # a list in the file
    return Calibration(**{**config, "octaves": (float(low), float(high))})


def _net(config: Mapping[str, Any], weights: Mapping[str, Tensor]) -> ForensicNet:
    net = ForensicNet(ForensicConfig(**{**config, "blocks": tuple(config["blocks"])}))  # a list in the file
    net.load_state_dict({name: value.float() for name, value in weights.items()})
    return net


def load_classifier(path: Path) -> ForensicClassifier:
    """Read a classifier's checkpoint.

    Raises:
        UserError: the file is missing, damaged or of another kind.
    """
    return ForensicClassifier.from_checkpoint(load_checkpoint(path, KIND), path)
