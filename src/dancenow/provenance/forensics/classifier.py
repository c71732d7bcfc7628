"""The classifier that tells synthesized from real: a network, its calibration, and their file.

The network says of every patch of a picture how synthetic it looks, and the patches on the person's body are averaged (after
patch-based forensics: Chai et al., 2020).
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
from dancenow.provenance.forensics.network import FineNet, ForensicConfig
from dancenow.storage.checkpoint import Checkpoint, CheckpointInfo, load_checkpoint

KIND: Final = "forensic"
"""Kind of the checkpoints that hold one."""
USUAL_SHARE: Final = 0.15
"""Of the picture, which the body fills."""
_NEWTON_STEPS: Final = 40


def pool(logits: Tensor, body: Tensor) -> Tensor:
    """The mean [B] of patch logits [B,1,h,w] over the body, [B,1,H,W] in [0,1]; over everything where there is no body."""
    weight = F.interpolate(body, logits.shape[-2:], mode="area") + 1e-4
    return (logits * weight).sum(dim=(1, 2, 3)) / weight.sum(dim=(1, 2, 3))


@dataclass(frozen=True)
class Calibration:
    """From a clip's mean logit to a probability, if real and synthesized are equally likely beforehand (Platt, 1999).

    octave: what is added for each doubling of the share of the picture that the body fills, beginning with `USUAL_SHARE`: of a
    small body there is less to see. octaves: the least and the most for which that was learnt.
    """

    slope: float = 1.0
    offset: float = 0.0
    octave: float = 0.0
    octaves: tuple[float, float] = (0.0, 0.0)

    def sized(self, body_share: float) -> Self:
        """What holds for clips in which the body fills this share of the picture."""
        octaves = float(np.clip(_octaves(np.asarray(body_share)), *self.octaves))
        return replace(self, offset=self.offset + self.octave * octaves, octave=0.0)

    def logit(self, score: Tensor) -> Tensor:
        """The logarithm of the odds that a clip of this mean logit is synthesized."""
        return score * self.slope + self.offset

    def probability(self, score: float) -> float:
        """Of being synthesized."""
        return float(torch.sigmoid(self.logit(torch.tensor(score, dtype=torch.float64))))

    @classmethod
    def fit(cls, scores: Tensor, synthetic: Tensor, body_shares: NDArray[np.float64] | None = None) -> Self:
        """By the mean logits [N] of clips whose origin, bool [N], is known; both classes count the same, and no clip is ever
        quite certain. body_shares: [N], to learn what size does, too.

        Raises:
            ValueError: one of the classes is empty.
        """
        columns = [scores.double()]
        if body_shares is not None:
            octaves = _octaves(body_shares)
            columns.append(torch.from_numpy(octaves))
        *counts, offset = _fitted(torch.stack(columns, dim=1), synthetic).tolist()
        # A classifier that is turned round by its calibration has learnt nothing: say so by saying "even".
        if counts[0] <= 0:
            return cls(0.0, 0.0)
        if body_shares is None:
            return cls(counts[0], offset)
        return cls(counts[0], offset, counts[1], (float(octaves.min()), float(octaves.max())))


def _octaves(body_share: NDArray[Any]) -> NDArray[np.float64]:
    return np.asarray(np.log2(np.maximum(body_share, 1e-4) / USUAL_SHARE), np.float64)


def _fitted(seen: Tensor, synthetic: Tensor) -> Tensor:
    """What each column of [N,M] counts for, and an offset, [M+1], by logistic regression."""
    count = torch.stack([(~synthetic).sum(), synthetic.sum()]).double()
    if not bool((count > 0).all()):
        raise ValueError("a calibration needs clips of both classes")
    target = torch.where(synthetic, (count[1] + 1) / (count[1] + 2), 1 / (count[0] + 2))
    weight = torch.where(synthetic, 0.5 / count[1], 0.5 / count[0])
    scale = seen.double().abs().mean(dim=0).clamp(min=1e-6)
    scaled = torch.cat([seen.double() / scale, torch.ones(len(seen), 1, dtype=torch.float64)], dim=1)
    line = torch.zeros(scaled.shape[1], dtype=torch.float64)
    ridge = 1e-4 * torch.eye(len(line), dtype=torch.float64)
    for _ in range(_NEWTON_STEPS):
        said = torch.sigmoid(scaled @ line)
        slope_of_loss = scaled.T @ (weight * (said - target)) + ridge @ line
        curvature = (scaled.T * (weight * said * (1 - said))) @ scaled + ridge
        line = line - torch.linalg.solve(curvature, slope_of_loss).clamp(-2, 2)
    return torch.cat([line[:-1] / scale, line[-1:]])


@dataclass(frozen=True, eq=False)
class Forensic:
    """A trained network with its calibration, and what it was trained on, in words."""

    net: FineNet
    calibration: Calibration
    trained_on: str

    def to_checkpoint(self, images_seen: int = 0) -> Checkpoint:
        """In half precision; 2.8 MB for the size that is shipped."""
        config: dict[str, Any] = {
            "network": asdict(self.net.config), "calibration": asdict(self.calibration), "trained_on": self.trained_on,
        }  # fmt: skip
        halves = {name: value.half().cpu() for name, value in self.net.state_dict().items()}
        return Checkpoint(CheckpointInfo(KIND, config, images_seen), halves)

    @classmethod
    def of_checkpoint(cls, checkpoint: Checkpoint, path: Path) -> Self:
        """The inverse of `to_checkpoint`.

        Raises:
            UserError: the file was made by another version.
        """
        config: Mapping[str, Any] = checkpoint.info.config
        try:
            net = _net(config["network"], checkpoint.tensors)
            calibration, trained_on = _calibration(config["calibration"]), str(config["trained_on"])
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise ModelError(f"{path} was made by another version of dancenow; train it again with --train.") from error
        return cls(net.eval().requires_grad_(False), calibration, trained_on)


def _calibration(described: Mapping[str, Any]) -> Calibration:
    low, high = described.get("octaves", (0.0, 0.0))  # a list in the file
    return Calibration(**{**described, "octaves": (float(low), float(high))})


def _net(described: Mapping[str, Any], weights: Mapping[str, Tensor]) -> FineNet:
    net = FineNet(ForensicConfig(**{**described, "blocks": tuple(described["blocks"])}))  # a list in the file
    net.load_state_dict({name: value.float() for name, value in weights.items()})
    return net


def load_forensic(path: Path) -> Forensic:
    """Read a classifier's file.

    Raises:
        UserError: it is missing, damaged or something else.
    """
    return Forensic.of_checkpoint(load_checkpoint(path, KIND), path)
