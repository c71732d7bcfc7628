"""What is exported of a model with references: the generator with the drawing of its pose and the warping of its pictures.

Each pose is shown by the pictures that fit it best, whatever was shown before; a transfer chooses for a whole dance.
"""

from typing import Final, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dancenow.generators.crop.network import POSE_STRIDE
from dancenow.generators.references.body_parts import NUM_PARTS, BodyParts, part_weights
from dancenow.generators.references.network import ReferenceGenerator
from dancenow.generators.references.part_transforms import part_transforms
from dancenow.generators.references.prepared_pictures import FINE_PER_CANVAS_PX, PreparedPictures
from dancenow.generators.references.reference_choice import choose_nearest
from dancenow.generators.references.renderer import load_generator, load_references
from dancenow.pose.conditioning.pose_maps import draw_pose
from dancenow.storage.checkpoint import Checkpoint

_LEVELS: Final = 255.0


class PosesToPerson(nn.Module):
    """See the module. Every part of every chosen picture is warped onto the whole canvas, so that all shapes are fixed."""

    premultiplied: Tensor
    shown: Tensor
    at: Tensor
    size: Tensor

    def __init__(self, generator: ReferenceGenerator, pictures: PreparedPictures) -> None:
        super().__init__()
        self.generator, self._pictures = generator, pictures
        side = generator.config.canvas_px
        # The images are no finer than the canvas, so the pictures need not be, either.
        halved = F.avg_pool2d(torch.from_numpy(pictures.premultiplied).permute(0, 3, 1, 2).float(), FINE_PER_CANVAS_PX)
        self.register_buffer("premultiplied", halved.round().to(torch.uint8))
        self.register_buffer("shown", pictures.shown.clone())
        axis = torch.arange(side, dtype=torch.float32)
        self.register_buffer("at", torch.stack(torch.meshgrid(axis, axis, indexing="xy"), dim=-1))
        self.register_buffer("size", torch.tensor([pictures.width, pictures.height], dtype=torch.float32))

    @classmethod
    def load(cls, checkpoint: Checkpoint) -> Self:
        """Of a model with references.

        Raises:
            UserError: as `load_generator`.
        """
        generator, _ = load_generator(checkpoint, torch.device("cpu"))
        return cls(generator, PreparedPictures(load_references(checkpoint), torch.device("cpu")))

    def forward(self, xy: Tensor, confidence: Tensor, depth: Tensor) -> Tensor:
        """Keypoints [1,K,2] in canvas px, their confidence and depth [1,K]. Returns RGBA [1,4,S,S]: color in [-1,1], alpha in
        [0,1]."""
        canvas_px = self.generator.config.canvas_px
        maps = draw_pose(xy, confidence, depth, canvas_px, canvas_px // POSE_STRIDE)
        warped = F.pixel_unshuffle(self._warp(xy, confidence, depth), POSE_STRIDE)
        rgba: Tensor = self.generator(torch.cat([maps, warped], dim=1))
        return rgba

    def _warp(self, xy: Tensor, confidence: Tensor, depth: Tensor) -> Tensor:
        """The pictures that fit best, warped onto one pose: [1,4K,S,S] as `PictureWarper.warp` has them in blocks."""
        wanted, slots, side = BodyParts.of(xy, confidence, depth), self.generator.slots, self.generator.config.canvas_px
        distances = self._pictures.distances(xy, confidence, depth)
        choice = choose_nearest(distances, slots, None)
        to_picture = part_transforms(wanted, self._pictures.parts, choice.picture.flatten(1, 2))[0]
        trust = self._pictures.trust(choice, distances)[0]
        weights = part_weights(wanted.scores(self.at.reshape(-1, 2))).reshape(NUM_PARTS, 1, side, side)
        layers = []
        for slot in range(slots):
            total = torch.zeros(1, 4, side, side)
            for part in range(NUM_PARTS):
                picture, to = choice.picture[0, slot, 0, part : part + 1], to_picture[slot, part]
                found = ((self.at @ to[:, :2].T + to[:, 2] + 0.5) / self.size * 2 - 1)[None]
                color = F.grid_sample(self.premultiplied[picture].float(), found, align_corners=False)
                seen = F.grid_sample(self.shown[picture, part][:, None], found, padding_mode="border", align_corners=False)
                total = total + color / _LEVELS * seen * weights[part] * trust[slot, part]
            layers += [2 * total[:, :3] - total[:, 3:], total[:, 3:]]
        return torch.cat(layers, dim=1)
