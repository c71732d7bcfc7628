"""Images finer than the canvas: the generator's plan is enlarged, and pixels are copied at the resolution of the pictures.

What is generated stays as sharp as the canvas; patterns, faces and seams that the pictures show become as sharp as they are.
"""

from typing import Final

import torch
from torch import Tensor
from torch.nn import functional as F

from dancenow.generators.references.network import MAX_SHIFT_PX, finish
from dancenow.generators.references.reference_warper import FINE_PER_CANVAS_PX

_VISIBLE: Final = 0.004
"""Alpha or shadow that is worth enlarging."""


def finish_finely(plan: Tensor, fine: Tensor) -> Tensor:
    """The image RGBA [1,4,2S,2S] of a plan [1,C,S,S] (see `ReferenceGenerator.plan`) and fine pictures [1,4K,2S,2S].

    Only the part where something is visible is computed; elsewhere all is 0.
    """
    canvas_px, times = plan.shape[-1], FINE_PER_CANVAS_PX
    image = plan.new_zeros(1, 4, *fine.shape[2:])
    box = _visible_box(plan, fine.shape[1] // 4)
    if box is None:
        return image
    rows, columns = box
    part = plan[:, :, rows, columns]
    color = F.interpolate(part[:, :4], scale_factor=times, mode="bicubic", align_corners=False)
    color = torch.cat([color[:, :3], color[:, 3:].clamp(0, 1)], dim=1)
    rest = F.interpolate(part[:, 4:], scale_factor=times, mode="bilinear", align_corners=False)
    at = (..., slice(rows.start * times, rows.stop * times), slice(columns.start * times, columns.stop * times))
    image[at] = finish(torch.cat([color, rest], dim=1), fine[at], canvas_px * times)
    return image


def _visible_box(plan: Tensor, slots: int) -> tuple[slice, slice] | None:
    """Rows and columns of a plan outside of which nothing is visible, as far as pixels are moved; None if nothing is at all."""
    visible = plan[0, 3] > _VISIBLE
    if plan.shape[1] > 4 + 3 * slots:
        visible = visible | (plan[0, -1] > _VISIBLE)
    if not visible.any():
        return None
    sides = []
    for axis, length in ((1, plan.shape[2]), (0, plan.shape[3])):
        seen = visible.any(dim=axis).nonzero()[:, 0]
        reach = int(MAX_SHIFT_PX * length / 256) + 1
        sides.append(slice(max(int(seen[0]) - reach, 0), min(int(seen[-1]) + 1 + reach, length)))
    return sides[0], sides[1]
