"""Whole frames from whole poses, one after another: what the generator sees of the present and of the past.

Everybody Dance Now (Chan et al., 2019, section 3.2) shows it a stick figure and the picture generated before; the literal
variant shows it heatmaps of two consecutive poses. Without the past it is pix2pixHD frame by frame, the paper's ablation.
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
"""stick: a figure of coloured limbs. heatmaps: a Gaussian per OpenPose keypoint."""

PICTURE: Final = 3
MAP_CHANNELS: Final[dict[Conditioning, int]] = {"stick": 3, "heatmaps": NUM_OPENPOSE}
GLOBAL_WIDTH: Final = 64
"""Channels of the published generator's first layer."""


@dataclass(frozen=True)
class EdnNetworkConfig:
    """The networks of a whole-frame generator, as published but for the size.

    Drawn poses enter in [0,1], black where nothing is; how the authors scaled theirs is not in the publication.

    conditioning: what poses are drawn as. temporal: see the past, the picture before (stick) or the pose before (heatmaps).
    longer_px: longer side of the global generator's frame; the aspect is the footage's. width: factor on every channel count.
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
        """Channels of what is shown of the past."""
        if not self.temporal:
            return 0
        return PICTURE if self.conditioning == "stick" else self.map_channels

    @property
    def clip_frames(self) -> int:
        """Consecutive poses that training takes at once: two frames are generated; heatmaps need the pose before, too."""
        if not self.temporal:
            return 1
        return 2 if self.conditioning == "stick" else 3

    @property
    def made_frames(self) -> int:
        """Consecutive frames that training generates and judges together."""
        return 2 if self.temporal else 1


class EdnGenerator(nn.Module):
    """The drawn pose and the past [N,C,H,W] to a picture [N,3,H,W] in [-1,1]; with the enhancer at twice the size."""

    def __init__(self, config: EdnNetworkConfig, *, enhanced: bool = False) -> None:
        super().__init__()
        self.config = config
        inputs = config.map_channels + config.past_channels
        width = config.channels(GLOBAL_WIDTH)
        self.whole = GlobalGenerator(inputs, width)
        self.enhancer = LocalEnhancer(inputs, width) if enhanced else None

    def forward(self, maps: Tensor, past: Tensor) -> Tensor:
        """See the class; `past` comes from `start` or `remember`."""
        x = torch.cat([maps, past], dim=1)
        picture: Tensor = self.whole(x) if self.enhancer is None else self.enhancer(x, self.whole)
        return picture

    def draw(self, xy: Tensor, confidence: Tensor, box: Letterbox) -> Tensor:
        """Poses [N,K,2] in canvas px with confidence [N,K] as this generator sees them: [N,C,H,W]."""
        draw = draw_stick if self.config.conditioning == "stick" else draw_heatmaps
        return draw(xy, confidence, box.width_px, box.height_px)

    def start(self, maps: Tensor) -> Tensor:
        """The past of a first frame drawn as `maps`: no picture, or the pose itself, as if it had been held."""
        return self.remember(maps, maps.new_zeros(maps.shape[0], PICTURE, *maps.shape[2:]))

    def remember(self, maps: Tensor, picture: Tensor) -> Tensor:
        """What the next frame sees of a frame drawn as `maps` and generated as `picture`."""
        if not self.config.temporal:
            return maps[:, :0]
        return picture if self.config.conditioning == "stick" else maps

    def roll_out(self, maps: Tensor) -> Tensor:
        """Generate the last `made_frames` of a clip drawn as [B,T,C,H,W], T = `clip_frames`: [B,T',3,H,W] with gradients."""
        past = self.start(maps[:, 0])
        pictures = []
        for t in range(maps.shape[1] - self.config.made_frames, maps.shape[1]):
            pictures.append(self(maps[:, t], past))
            past = self.remember(maps[:, t], pictures[-1])
        return torch.stack(pictures, dim=1)
