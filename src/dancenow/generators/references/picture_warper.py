"""Warp the pictures of a person onto wanted poses, part by part; the way depends on the device."""

from typing import Protocol

import torch
from torch import Tensor

from dancenow.generators.references.cell_warper import CellWarper
from dancenow.generators.references.fine_pictures import FinePictures
from dancenow.generators.references.patch_warper import PatchWarper
from dancenow.generators.references.prepared_pictures import PreparedPictures
from dancenow.generators.references.reference_choice import ReferenceChoice
from dancenow.generators.references.reference_set import ReferenceSet


class PictureWarper(Protocol):
    """The pictures of a person, ready to be warped.

    At each px the parts of the wanted pose that are near are looked up in the pictures chosen for them, at twice the resolution
    of the canvas, so that nothing is interpolated twice. What another part hides in a picture is not copied.
    """

    pictures: PreparedPictures

    def warp(self, xy: Tensor, confidence: Tensor, depth: Tensor, choice: ReferenceChoice, distances: Tensor) -> Tensor:
        """Warp the chosen pictures onto N poses.

        Args:
            xy, confidence, depth: [N,K,...] on the canvas. choice: with a sum of weights of 1 over the pictures blended.
            distances: [N,P,M] of `PreparedPictures.distances`.

        Returns:
            float [N, 64 C, S/4, S/4]: for each of C slots, 64 channels of the canvas' blocks of 4x4 px, of red, green, blue and
            validity. Pose maps have this layout, too, so both can be concatenated. Colors are in [-1,1], multiplied by the
            validity in [0,1]. Each px is the mean of 2x2 fine ones.
        """
        ...

    def warp_finely(
        self, xy: Tensor, confidence: Tensor, depth: Tensor, choice: ReferenceChoice, distances: Tensor
    ) -> tuple[Tensor, list[FinePictures]]:
        """The result of `warp`, and for each pose what it is the mean of."""
        ...


def create_warper(references: ReferenceSet, canvas_px: int, device: torch.device) -> PictureWarper:
    """The fastest warper for a device."""
    pictures = PreparedPictures(references, device)
    return PatchWarper(pictures, canvas_px) if device.type == "cpu" else CellWarper(pictures, canvas_px)
