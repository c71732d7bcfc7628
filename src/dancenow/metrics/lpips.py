"""LPIPS: the learned perceptual distance on AlexNet, where its published weights are found on this machine.

The metric of Zhang et al. (CVPR 2018), version 0.1. This is our own forward pass of AlexNet (Krizhevsky, 2014), because neither
the `lpips` package nor torchvision, which it requires, is a dependency: only two small weight files are read.
`dancenow.metrics.st_lpips` has the same interface and weights that can be downloaded; its values are not those of LPIPS.
"""

import importlib.metadata
import os
import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Final, Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from dancenow.errors import ModelError
from dancenow.storage.atomic_io import sha256_of

FOLDER_VARIABLE: Final = "DANCENOW_LPIPS"
"""Environment variable with a folder that holds `BACKBONE_FILE` and `HEADS_FILE`; it is searched first."""
BACKBONE_FILE: Final = "alexnet-owt-7be5be79.pth"
"""AlexNet trained on ImageNet as published by torchvision; the name ends with the first digits of its SHA-256."""
HEADS_FILE: Final = "alex.pth"
"""The linear heads of LPIPS 0.1, `lpips/weights/v0.1/alex.pth` in the `lpips` package."""
_BACKBONE_SHA256: Final = "7be5be79"
_HEADS_SHA256: Final = "df73285e35b22355a2df87cdb6b70b343713b667eddbda73e1977e0c860835c0"

# Name in torchvision's file, channels in, channels out, kernel, stride, padding, and whether a pooling precedes it.
LAYERS: Final = (
    ("features.0", 3, 64, 11, 4, 2, False),
    ("features.3", 64, 192, 5, 1, 2, True),
    ("features.6", 192, 384, 3, 1, 1, True),
    ("features.8", 384, 256, 3, 1, 1, False),
    ("features.10", 256, 256, 3, 1, 1, False),
)
# Mean and standard deviation of ImageNet, for values in [-1, 1].
SHIFT: Final = (-0.030, -0.088, -0.188)
SCALE: Final = (0.458, 0.448, 0.450)
MIN_SIDE_PX: Final = 31
"""Smallest image side for which every pooling of AlexNet has an output."""
_EPSILON: Final = 1e-10


class LearnedDistance(nn.Module):
    """A distance of the form of LPIPS, with a learned weight for every channel; subclasses extract the features.

    name: of the metric, for tables. min_side_px: smallest image side for which every layer has an output.
    """

    name: ClassVar[str]
    min_side_px: ClassVar[int]
    shift: Tensor
    scale: Tensor

    def __init__(self, channels: Sequence[int]) -> None:
        """Create it with zero weights. channels: of every layer that is compared."""
        super().__init__()
        self.heads = nn.ParameterList(nn.Parameter(torch.zeros(count)) for count in channels)
        self.register_buffer("shift", torch.tensor(SHIFT)[:, None, None])
        self.register_buffer("scale", torch.tensor(SCALE)[:, None, None])

    def forward(self, image: Tensor, reference: Tensor) -> Tensor:
        """Distances [N] between images [N,3,H,W] RGB in [-1,1], each side at least `min_side_px`."""
        return self.compare(self.features(image), self.features(reference))

    def features(self, image: Tensor) -> tuple[Tensor, ...]:
        """The compared layers' outputs for images [N,3,H,W] RGB in [-1,1]."""
        raise NotImplementedError

    def compare(self, features: tuple[Tensor, ...], reference: tuple[Tensor, ...]) -> Tensor:
        """Distances [N] between the `features` of two images."""
        layers = zip(features, reference, self.heads, strict=True)
        means = [((_unit(a) - _unit(b)).square() * w[:, None, None]).sum(1).mean((1, 2)) for a, b, w in layers]
        return torch.stack(means).sum(0)

    def _normalized(self, image: Tensor) -> Tensor:
        """The network's input; ValueError if the image is too small."""
        if min(image.shape[-2:]) < self.min_side_px:
            raise ValueError(f"{self.name} needs images of {self.min_side_px} px or more, got {list(image.shape[-2:])}")
        return (image - self.shift) / self.scale


class Lpips(LearnedDistance):
    """LPIPS distance between images: 0 = looks the same, larger = looks more different; lower is better.

    Sum over AlexNet's five rectified convolutions l of the mean over pixels of
        sum over channels c of w_lc (a_lc / |a_l| - b_lc / |b_l|)^2,
    with the published weights w >= 0, trained on human similarity judgments. Values of real pairs are mostly between 0 and 1,
    but are not bounded by 1. Source: Zhang, Isola, Efros, Shechtman and Wang, CVPR 2018, eq. 1, with the weights outside the
    square, as in their code.
    """

    name = "LPIPS"
    min_side_px = MIN_SIDE_PX

    def __init__(self) -> None:
        """Create it with zero weights; `installed` and `from_files` load the real ones."""
        super().__init__([layer[2] for layer in LAYERS])
        self.convolutions = nn.ModuleList(
            nn.Conv2d(channels_in, channels_out, kernel, stride, padding)
            for _, channels_in, channels_out, kernel, stride, padding, _ in LAYERS
        )
        self.requires_grad_(False)

    @classmethod
    def installed(cls) -> Self | None:
        """Load the metric if both files are found here, else return None. Nothing is ever downloaded.

        The folder in `$DANCENOW_LPIPS` is searched first, then torch hub's checkpoints for the backbone, and an installed
        `lpips` package for the heads.

        Raises:
            UserError: the folder in `$DANCENOW_LPIPS` lacks a file, or a file of that name has other content.
        """
        folder = os.environ.get(FOLDER_VARIABLE)
        if folder:
            files = [Path(folder) / name for name in (BACKBONE_FILE, HEADS_FILE)]
            if missing := [file.name for file in files if not file.is_file()]:
                raise ModelError(
                    f"{FOLDER_VARIABLE} is {folder}, which holds no {' and no '.join(missing)}; put it there or unset it."
                )
        else:
            found = [_torch_hub_path(), _package_path()]
            files = [file for file in found if file is not None and file.is_file()]
            if len(files) < len(found):
                return None
        for file, sha256 in zip(files, (_BACKBONE_SHA256, _HEADS_SHA256), strict=True):
            _check_digest(file, sha256)
        return cls.from_files(*files)

    @classmethod
    def from_files(cls, backbone: Path, heads: Path) -> Self:
        """Load the weights from torchvision's AlexNet file and the LPIPS heads file.

        Raises:
            UserError: a file does not hold tensors, or not those of these networks.
        """
        model = cls()
        state_dict, heads_dict = load_tensors(backbone), load_tensors(heads)
        with torch.no_grad():
            for i, layer in enumerate(LAYERS):
                convolution = model.convolutions[i]
                assert isinstance(convolution, nn.Conv2d)
                assert convolution.bias is not None
                copy_weights(convolution.weight, state_dict, f"{layer[0]}.weight", backbone)
                copy_weights(convolution.bias, state_dict, f"{layer[0]}.bias", backbone)
                copy_weights(model.heads[i], heads_dict, f"lin{i}.model.1.weight", heads)
        return model

    def features(self, image: Tensor) -> tuple[Tensor, ...]:
        """The five rectified convolutions of images [N,3,H,W] RGB in [-1,1]."""
        x = self._normalized(image)
        outputs = []
        for convolution, layer in zip(self.convolutions, LAYERS, strict=True):
            if layer[-1]:
                x = functional.max_pool2d(x, 3, 2)
            x = functional.relu(convolution(x))
            outputs.append(x)
        return tuple(outputs)


def _unit(features: Tensor) -> Tensor:
    return features / (features.square().sum(1, keepdim=True).sqrt() + _EPSILON)


def _torch_hub_path() -> Path:
    return Path(torch.hub.get_dir()) / "checkpoints" / BACKBONE_FILE


def _package_path() -> Path | None:
    try:
        distribution = importlib.metadata.distribution("lpips")
    except importlib.metadata.PackageNotFoundError:
        return None
    return Path(str(distribution.locate_file(f"lpips/weights/v0.1/{HEADS_FILE}")))


def _check_digest(file: Path, sha256: str) -> None:
    found = sha256_of(file)
    if not found.startswith(sha256):
        raise ModelError(
            f"{file} has SHA-256 {found[:8]}... instead of {sha256[:8]}...; replace it with the original file or remove it."
        )


def load_tensors(file: Path) -> Mapping[str, Tensor]:
    """Read a file of tensors by name; one that would run code is refused.

    Raises:
        UserError: the file does not hold tensors alone.
    """
    try:
        content = torch.load(file, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise ModelError(f"{file} is not a file of network weights; replace it or remove it.") from error
    if not isinstance(content, Mapping):
        raise ModelError(f"{file} is not a file of network weights; replace it or remove it.")
    return content


def copy_weights(parameter: Tensor, state_dict: Mapping[str, Tensor], name: str, file: Path) -> None:
    """Copy the tensor `name` of `file` into a parameter.

    Raises:
        UserError: there is none of that size.
    """
    found = state_dict.get(name)
    if not isinstance(found, Tensor) or found.numel() != parameter.numel():
        raise ModelError(f"{file} has no {name} of {parameter.numel()} numbers; it belongs to another network, remove it.")
    parameter.copy_(found.reshape(parameter.shape))
