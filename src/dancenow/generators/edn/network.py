"""The generator of whole frames and its inputs: the present pose and the past.

In Everybody Dance Now (Chan et al., 2019, section 3.2) it sees a stick figure and the previous generated image; the literal
variant sees heatmaps of two consecutive poses. Without the past it is pix2pixHD frame by frame, the paper's ablation.
"""

from dataclasses import dataclass
from typing import Final, Literal

import torch
from torch import Tensor, nn

from dancenow.networks.pix2pixhd import GlobalGenerator, LocalEnhancer
from dancenow.pose.conditioning.pose_maps import draw_heatmaps
from dancenow.pose.conditioning.stick_figure import draw_stick
from dancenow.pose.letterbox import STEP_PX, Letterbox
from dancenow.skeleton import NUM_OPENPOSE

Conditioning = Literal["stick", "heatmaps"]
"""stick: colored limbs. heatmaps: a Gaussian per OpenPose keypoint."""

RGB_CHANNELS: Final = 3
MAP_CHANNELS: Final[dict[Conditioning, int]] = {"stick": 3, "heatmaps": NUM_OPENPOSE}
GLOBAL_WIDTH: Final = 64
"""Channels of the published generator's first layer."""


@dataclass(frozen=True)
class EdnNetworkConfig:
    """Sizes of the networks, as published except for the resolution.

    Drawn poses enter in [0,1], black where nothing is; the publication does not say how the authors scaled theirs.

    conditioning: how poses are drawn. temporal: also see the past, the previous image (stick) or pose (heatmaps).
    longer_px: longer side of the global generator's frame; its aspect ratio is that of the footage. width: factor on every
    channel count.
    """

    conditioning: Conditioning = "stick"
    temporal: bool = True
    longer_px: int = 512
    width: float = 1.0

    def __post_init__(self) -> None:
        if self.conditioning not in MAP_CHANNELS:
            raise ValueError(f"conditioning must be one of {', '.join(MAP_CHANNELS)}, got {self.conditioning!r}")
        if self.longer_px % STEP_PX or not 2 * STEP_PX <= self.longer_px <= 4096:
            raise ValueError(f"longer_px must be a multiple of {STEP_PX} from {2 * STEP_PX} to 4096, got {self.longer_px}")
        if not 1 / 16 <= self.width <= 2:
            raise ValueError(f"width must be from 1/16 to 2, got {self.width}")

    def channels(self, published: int) -> int:
        """A published channel count times `width`; an even number."""
        return 2 * round(published * self.width / 2)

    @property
    def map_channels(self) -> int:
        """Channels of one drawn pose."""
        return MAP_CHANNELS[self.conditioning]

    @property
    def past_channels(self) -> int:
        """Channels of the past."""
        if not self.temporal:
            return 0
        return RGB_CHANNELS if self.conditioning == "stick" else self.map_channels

    @property
    def clip_frames(self) -> int:
        """Consecutive poses in a training clip: two frames are generated, and heatmaps also need the pose before them."""
        if not self.temporal:
            return 1
        return 2 if self.conditioning == "stick" else 3

    @property
    def generated_frames(self) -> int:
        """Consecutive frames that training generates and shows to the discriminators together."""
        return 2 if self.temporal else 1


class EdnGenerator(nn.Module):
    """The drawn pose and the past, [N,C,H,W] each, to an image [N,3,H,W] in [-1,1]; with the enhancer at twice the size."""

    def __init__(self, config: EdnNetworkConfig, *, enhanced: bool = False) -> None:
        super().__init__()
        self.config = config
        inputs = config.map_channels + config.past_channels
        width = config.channels(GLOBAL_WIDTH)
        self.whole = GlobalGenerator(inputs, width)
        self.enhancer = LocalEnhancer(inputs, width) if enhanced else None

    def forward(self, maps: Tensor, past: Tensor) -> Tensor:
        """See the class; `past` comes from `first_past` or `next_past`."""
        x = torch.cat([maps, past], dim=1)
        image: Tensor = self.whole(x) if self.enhancer is None else self.enhancer(x, self.whole)
        return image

    def draw(self, xy: Tensor, confidence: Tensor, box: Letterbox) -> Tensor:
        """Draw poses [N,K,2] in canvas px with confidence [N,K] for this generator: [N,C,H,W]."""
        draw = draw_stick if self.config.conditioning == "stick" else draw_heatmaps
        return draw(xy, confidence, box.width_px, box.height_px)

    def first_past(self, maps: Tensor) -> Tensor:
        """The past of a first frame drawn as `maps`: a black image, or the pose itself, as if it stood still."""
        return self.next_past(maps, maps.new_zeros(maps.shape[0], RGB_CHANNELS, *maps.shape[2:]))

    def next_past(self, maps: Tensor, image: Tensor) -> Tensor:
        """What the next frame sees of a frame drawn as `maps` and generated as `image`."""
        if not self.config.temporal:
            return maps[:, :0]
        return image if self.config.conditioning == "stick" else maps

    def generate_clip(self, maps: Tensor) -> Tensor:
        """Generate the last `generated_frames` of a clip drawn as [B,T,C,H,W], T = `clip_frames`: [B,T',3,H,W]."""
        past = self.first_past(maps[:, 0])
        images = []
        for t in range(maps.shape[1] - self.config.generated_frames, maps.shape[1]):
            images.append(self(maps[:, t], past))
            past = self.next_past(maps[:, t], images[-1])
        return torch.stack(images, dim=1)
