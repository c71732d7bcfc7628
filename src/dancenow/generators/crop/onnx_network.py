"""What is exported of a crop model: the generator with the drawing of its pose."""

from typing import Self

import torch
from torch import Tensor, nn

from dancenow.generators.crop.network import POSE_STRIDE, Generator
from dancenow.generators.crop.renderer import load_generator
from dancenow.pose.conditioning.pose_maps import draw_pose
from dancenow.storage.checkpoint import Checkpoint


class PosesToPerson(nn.Module):
    """A generator preceded by the drawing of its pose maps."""

    def __init__(self, generator: Generator) -> None:
        super().__init__()
        self.generator = generator

    @classmethod
    def load(cls, checkpoint: Checkpoint) -> Self:
        """Of a crop model.

        Raises:
            UserError: as `load_generator`.
        """
        return cls(load_generator(checkpoint, torch.device("cpu")))

    def forward(self, xy: Tensor, confidence: Tensor, depth: Tensor) -> Tensor:
        """Keypoints [1,K,2] in canvas px, their confidence and depth [1,K]. Returns RGBA [1,4,S,S]: color in [-1,1], alpha in
        [0,1]."""
        canvas_px = self.generator.config.canvas_px
        maps = draw_pose(xy, confidence, depth, canvas_px, canvas_px // POSE_STRIDE)
        rgba: Tensor = self.generator(maps)
        return rgba
