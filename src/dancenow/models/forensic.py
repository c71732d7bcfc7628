"""Tells synthesized from real: a small convolutional network on pairs of consecutive pictures of a person.

It sees the picture, what is fine in both pictures, and the change between them, and says of every patch how synthetic it looks;
the patches on the person's body are averaged (after patch-based forensics: Chai et al., 2020; fine residuals: Fridrich and
Kodovský, 2012).
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, Literal, Self, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dancenow.checkpoint import Checkpoint, CheckpointInfo, load_checkpoint, with_prefix
from dancenow.errors import UserError

KIND: Final = "forensic"
"""Kind of the checkpoints that hold one."""
PATCH_PX: Final = 16
"""Side of the patches that are judged; each is judged by what lies around it, too."""
_FINE_GAIN, _CHANGE_GAIN = 4.0, 2.0
_NEWTON_STEPS: Final = 40


@dataclass(frozen=True)
class ForensicConfig:
    """crop_px: side of the pictures it is made for. width: channels of the first stage. frames: 2 sees both pictures of a pair,
    1 the second alone, for comparison. blocks: residual blocks of each of the three stages after the first."""

    crop_px: int = 224
    width: int = 24
    frames: Literal[1, 2] = 2
    blocks: tuple[int, int, int] = (1, 1, 1)

    def __post_init__(self) -> None:
        if self.crop_px % PATCH_PX or self.crop_px < 2 * PATCH_PX:
            raise ValueError(f"crop_px must be a multiple of {PATCH_PX}, at least {2 * PATCH_PX}, got {self.crop_px}")
        if self.width % 8 or self.width < 8 or self.frames not in (1, 2):
            raise ValueError(f"width must be a multiple of 8 and frames 1 or 2, got {self.width} and {self.frames}")


class _Block(nn.Module):
    """Two convolutions beside a shortcut (He et al., 2016)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(_convolution(channels, channels), _convolution(channels, channels))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.body(x)
        return out


def _convolution(before: int, after: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, 3, stride, 1, bias=False), nn.GroupNorm(8, after), nn.LeakyReLU(0.1, inplace=True)
    )


class ForensicNet(nn.Module):
    """The network: pairs of pictures in, a logit per patch out; positive says synthesized."""

    def __init__(self, config: ForensicConfig) -> None:
        super().__init__()
        self.config = config
        widths = [config.width * times for times in (1, 2, 4, 5)]
        stages: list[nn.Module] = [_convolution(12 if config.frames == 2 else 6, widths[0], 2)]
        for (before, after), blocks in zip(pairwise(widths), config.blocks, strict=True):
            stages += [_convolution(before, after, 2), *(_Block(after) for _ in range(blocks))]
        self.body = nn.Sequential(*stages)
        self.head = nn.Conv2d(widths[-1], 1, 1)
        blur = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0]) / 16
        self.register_buffer("blur", (blur[:, None] * blur).expand(3, 1, 5, 5).contiguous(), persistent=False)

    def forward(self, pairs: Tensor) -> Tensor:
        """Pairs [B,2,3,S,S] in [-1,1] to the logits of patches [B,1,S/16,S/16]."""
        before, now = pairs[:, 0], pairs[:, 1]
        seen = [now, self._fine(now)]
        if self.config.frames == 2:
            seen += [self._fine(before), (now - before) * _CHANGE_GAIN]
        logits: Tensor = self.head(self.body(torch.cat(seen, dim=1)))
        return logits

    def _fine(self, picture: Tensor) -> Tensor:
        """What a blur over five pixels takes away."""
        with torch.autocast(picture.device.type, enabled=False):  # half precision is coarser than what is looked for
            padded = F.pad(picture.float(), (2, 2, 2, 2), mode="reflect")
            return (picture - F.conv2d(padded, self.blur, groups=3)) * _FINE_GAIN  # type: ignore[arg-type]


def pool(logits: Tensor, body: Tensor) -> Tensor:
    """The mean [B] of patch logits [B,1,h,w] over the body, [B,1,H,W] in [0,1]; over everything where there is no body."""
    weight = F.interpolate(body, logits.shape[-2:], mode="area") + 1e-4
    return (logits * weight).sum(dim=(1, 2, 3)) / weight.sum(dim=(1, 2, 3))


@dataclass(frozen=True)
class Calibration:
    """From a clip's mean logit to a probability, if real and synthesized are equally likely beforehand (Platt, 1999)."""

    slope: float = 1.0
    offset: float = 0.0

    def logit(self, score: Tensor) -> Tensor:
        """The logarithm of the odds that a clip of this mean logit is synthesized."""
        return score * self.slope + self.offset

    def probability(self, score: float) -> float:
        """Of being synthesized."""
        return float(torch.sigmoid(self.logit(torch.tensor(score, dtype=torch.float64))))

    @classmethod
    def fit(cls, scores: Tensor, synthetic: Tensor) -> Self:
        """By clips [N] whose origin, bool [N], is known; see `fit_shares`.

        Raises:
            ValueError: one of the classes is empty.
        """
        shares, offset = fit_shares(scores[:, None], synthetic)
        # A classifier that is turned round by its calibration has learnt nothing: say so by saying "even".
        return cls(shares[0], offset if shares[0] > 0 else 0.0)


def fit_shares(scores: Tensor, synthetic: Tensor) -> tuple[tuple[float, ...], float]:
    """What each of several networks' mean logits [N,M] of clips counts for, none below 0, and an offset: their weighted sum is
    then the logarithm of the odds that a clip is synthesized. Both classes count the same, and no clip is ever quite certain.

    Raises:
        ValueError: one of the classes is empty.
    """
    count = torch.stack([(~synthetic).sum(), synthetic.sum()]).double()
    if not bool((count > 0).all()):
        raise ValueError("a calibration needs clips of both classes")
    target = torch.where(synthetic, (count[1] + 1) / (count[1] + 2), 1 / (count[0] + 2))
    weight = torch.where(synthetic, 0.5 / count[1], 0.5 / count[0])
    scale = scores.double().abs().mean(dim=0).clamp(min=1e-6)
    seen = torch.cat([scores.double() / scale, torch.ones(len(scores), 1, dtype=torch.float64)], dim=1)
    line = torch.zeros(seen.shape[1], dtype=torch.float64)
    ridge = 1e-4 * torch.eye(len(line), dtype=torch.float64)
    for _ in range(_NEWTON_STEPS):
        said = torch.sigmoid(seen @ line)
        slope_of_loss = seen.T @ (weight * (said - target)) + ridge @ line
        curvature = (seen.T * (weight * said * (1 - said))) @ seen + ridge
        line = line - torch.linalg.solve(curvature, slope_of_loss).clamp(-2, 2)
    shares = (line[:-1] / scale).clamp(min=0)
    return tuple(shares.tolist()), float(line[-1])


class Jury(nn.Module):
    """Several networks that look for different things, as one: the weighted sum of their logits."""

    def __init__(self, nets: Sequence[ForensicNet], shares: Sequence[float]) -> None:
        """shares: what each counts for.

        Raises:
            ValueError: the networks are made for pictures of different sizes, or there are not as many shares.
        """
        super().__init__()
        if len({net.config.crop_px for net in nets}) != 1 or len(nets) != len(shares):
            raise ValueError("a jury needs networks for pictures of one size, and a share for each")
        self.nets, self.shares = nn.ModuleList(nets), tuple(shares)

    @property
    def config(self) -> ForensicConfig:
        """The first one's: that of the pictures is everyone's."""
        return cast(ForensicNet, self.nets[0]).config

    def forward(self, pairs: Tensor) -> Tensor:
        """As `ForensicNet.forward`."""
        return torch.stack([share * net(pairs) for share, net in zip(self.shares, self.nets, strict=True)]).sum(dim=0)


@dataclass(frozen=True, eq=False)
class Forensic:
    """A trained network, or a jury of them, with its calibration, and what it was trained on, in words."""

    net: ForensicNet | Jury
    calibration: Calibration
    trained_on: str

    @property
    def jurors(self) -> tuple[ForensicNet, ...]:
        """The networks, one or several."""
        return tuple(cast(ForensicNet, net) for net in self.net.nets) if isinstance(self.net, Jury) else (self.net,)

    def to_checkpoint(self, images_seen: int = 0) -> Checkpoint:
        """In half precision; 1.2 MB for a network of the default size."""
        config: dict[str, Any] = {"calibration": asdict(self.calibration), "trained_on": self.trained_on}
        tensors: dict[str, Tensor] = {}
        for number, net in enumerate(self.jurors):
            halves = {name: value.half().cpu() for name, value in net.state_dict().items()}
            tensors |= with_prefix(_part(number), halves)
        config["networks"] = [asdict(net.config) for net in self.jurors]
        config["shares"] = self.net.shares if isinstance(self.net, Jury) else (1.0,)
        return Checkpoint(CheckpointInfo(KIND, config, images_seen), tensors)

    @classmethod
    def of_checkpoint(cls, checkpoint: Checkpoint, path: Path) -> Self:
        """The inverse of `to_checkpoint`.

        Raises:
            UserError: the file was made by another version.
        """
        config: Mapping[str, Any] = checkpoint.info.config
        try:
            nets = [_net(described, checkpoint.part(_part(i))) for i, described in enumerate(config["networks"])]
            net = nets[0] if len(nets) == 1 else Jury(nets, [float(share) for share in config["shares"]])
            calibration, trained_on = Calibration(**config["calibration"]), str(config["trained_on"])
        except (KeyError, TypeError, ValueError, RuntimeError, IndexError) as error:
            raise UserError(f"{path} was made by another version of dancenow; train it again with --train.") from error
        return cls(net.eval().requires_grad_(False), calibration, trained_on)


def _part(number: int) -> str:
    return f"net{number}"


def _net(described: Mapping[str, Any], weights: Mapping[str, Tensor]) -> ForensicNet:
    net = ForensicNet(ForensicConfig(**{**described, "blocks": tuple(described["blocks"])}))  # a list in the file
    net.load_state_dict({name: value.float() for name, value in weights.items()})
    return net


def load_forensic(path: Path) -> Forensic:
    """Read a classifier's file.

    Raises:
        UserError: it is missing, damaged or something else.
    """
    return Forensic.of_checkpoint(load_checkpoint(path, KIND), path)
