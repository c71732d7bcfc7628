"""ST-LPIPS: a learned perceptual distance that small shifts of an image hardly change, with weights that can be downloaded.

The metric of Ghildyal and Liu (ECCV 2022), on AlexNet or VGG16, whose strides are replaced by blur and subsampling. This is our
own forward pass: of the package `stlpips-pytorch` only the weight files are read, and its code is never imported.
"""

from dataclasses import dataclass
from typing import Final, Literal, Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from dancenow.metrics.lpips import LearnedDistance, copy_weights, load_tensors
from dancenow.storage import pretrained

Backbone = Literal["alex", "vgg"]
_BLUR_PADDING_PX: Final = 2
"""Twice what the 3 px filter needs, reflected: the paper pads more so that content does not leave with a shift."""


@dataclass(frozen=True)
class Stage:
    """The layers between two compared outputs.

    convolutions: (name in the file, channels in, channels out, kernel, padding), each followed by a rectifier. pool_px: side of
    the max pooling before them, which is blurred and subsampled, or None. blurs_first: also blur and subsample after the first
    convolution, before its rectifier.
    """

    convolutions: tuple[tuple[str, int, int, int, int], ...]
    pool_px: int | None = None
    blurs_first: bool = False


STAGES: Final[dict[Backbone, tuple[Stage, ...]]] = {
    "alex": (
        Stage((("slice1.0", 3, 64, 11, 2),), blurs_first=True),
        Stage((("slice2.5", 64, 192, 5, 2),), pool_px=3),
        Stage((("slice3.9", 192, 384, 3, 1),), pool_px=3),
        Stage((("slice4.11", 384, 256, 3, 1),)),
        Stage((("slice5.13", 256, 256, 3, 1),)),
    ),
    "vgg": (
        Stage((("slice1.0", 3, 64, 3, 1), ("slice1.2", 64, 64, 3, 1))),
        Stage((("slice2.6", 64, 128, 3, 1), ("slice2.8", 128, 128, 3, 1)), pool_px=2),
        Stage((("slice3.12", 128, 256, 3, 1), ("slice3.14", 256, 256, 3, 1), ("slice3.16", 256, 256, 3, 1)), pool_px=2),
        Stage((("slice4.20", 256, 512, 3, 1), ("slice4.22", 512, 512, 3, 1), ("slice4.24", 512, 512, 3, 1)), pool_px=2),
        Stage((("slice5.28", 512, 512, 3, 1), ("slice5.30", 512, 512, 3, 1), ("slice5.32", 512, 512, 3, 1)), pool_px=2),
    ),
}
"""The networks of the paper. AlexNet's first stride of 4 is a stride of 1, a blur and a subsampling by 2."""


class StLpips(LearnedDistance):
    """ST-LPIPS distance between images: 0 = looks the same, larger = looks more different; lower is better.

    The sum of `LearnedDistance` over five layers. Values are comparable only with those of the same backbone, and not with
    those of LPIPS. Source: Ghildyal and Liu, "Shift-tolerant perceptual similarity metric", ECCV 2022.
    """

    name = "ST-LPIPS"
    min_side_px = 32

    def __init__(self, backbone: Backbone = "alex") -> None:
        """Create it with random weights; `pretrained` loads the real ones."""
        stages = STAGES[backbone]
        super().__init__([stage.convolutions[-1][2] for stage in stages])
        self._stages = stages
        self.convolutions = nn.ModuleList(
            nn.Conv2d(channels_in, channels_out, kernel, padding=padding)
            for stage in stages
            for _, channels_in, channels_out, kernel, padding in stage.convolutions
        )
        self.requires_grad_(False)

    @classmethod
    def pretrained(cls, backbone: Backbone = "alex") -> Self:
        """Load the published weights, which are downloaded if they are missing.

        Raises:
            UserError: as `dancenow.storage.pretrained.path`.
        """
        metric, file = cls(backbone), pretrained.path(f"st_lpips_{backbone}")
        tensors = load_tensors(file)
        names = [convolution[0] for stage in metric._stages for convolution in stage.convolutions]
        with torch.no_grad():
            for convolution, name in zip(metric.convolutions, names, strict=True):
                for part, parameter in convolution.named_parameters():
                    copy_weights(parameter, tensors, f"net.{name}.{part}", file)
            for i, head in enumerate(metric.heads):
                copy_weights(head, tensors, f"lin{i}.model.1.weight", file)
        return metric.eval()

    def features(self, image: Tensor) -> tuple[Tensor, ...]:
        """The rectified output of every stage for images [N,3,H,W] RGB in [-1,1]."""
        x, outputs, convolutions = self._normalized(image), [], iter(self.convolutions)
        for stage in self._stages:
            if stage.pool_px is not None:
                x = _blur_and_subsample(functional.max_pool2d(x, stage.pool_px, stride=1))
            for i in range(len(stage.convolutions)):
                x = next(convolutions)(x)
                x = functional.relu(_blur_and_subsample(x) if stage.blurs_first and i == 0 else x)
            outputs.append(x)
        return tuple(outputs)


def _blur_and_subsample(x: Tensor) -> Tensor:
    """Every second pixel of [N,C,H,W] after a blur with the binomial filter 1 2 1 in both directions."""
    line = torch.tensor([0.25, 0.5, 0.25], dtype=x.dtype, device=x.device)
    channels = x.shape[1]
    kernel = torch.outer(line, line).expand(channels, 1, 3, 3)
    padded = functional.pad(x, (_BLUR_PADDING_PX,) * 4, mode="reflect")
    return functional.conv2d(padded, kernel, stride=2, groups=channels)
