"""Images finer than the canvas: the generator's plan is enlarged, and pixels are copied at the resolution of the pictures.

What is generated stays as sharp as the canvas; patterns, faces and seams that the pictures show become as sharp as they are.
"""

from typing import Final

import torch
from torch import Tensor
from torch.nn import functional as F

from dancenow.generators.references.network import MAX_SHIFT_PX, finish
from dancenow.generators.references.reference_warper import FINE_PER_CANVAS_PX as _TIMES

_VISIBLE: Final = 0.02
"""Alpha that is worth enlarging; the compositor drops more than that (`compositor.MIN_ALPHA`)."""


def finish_finely(plan: Tensor, fine: Tensor) -> Tensor:
    """The image RGBA [1,4,2S,2S] of a plan [1,C,S,S] (see `ReferenceGenerator.plan`) and fine pictures [1,4K,2S,2S].

    Only the part where the person is visible is generated finely; elsewhere there is only shadow, which is black.
    """
    canvas_px, slots = plan.shape[-1], fine.shape[1] // 4
    shadow = _enlarge(plan[:, 4 + 3 * slots :], "bilinear")
    image = torch.cat(
        [fine.new_full((1, 3, *fine.shape[2:]), -1.0), shadow if shadow.shape[1] else torch.zeros_like(fine[:, :1])], dim=1
    )
    box = _visible_box(plan[0, 3])
    if box is None:
        return image
    rows, columns = (slice(side.start * _TIMES, side.stop * _TIMES) for side in box)
    part = plan[:, :, box[0], box[1]]
    color = _enlarge(part[:, :4], "bicubic")
    enlarged = [color[:, :3], color[:, 3:].clamp(0, 1), _enlarge(part[:, 4 : 4 + 3 * slots], "bilinear")]
    whole = torch.cat([*enlarged, shadow[:, :, rows, columns]], dim=1)
    image[:, :, rows, columns] = finish(whole, fine[:, :, rows, columns], canvas_px * _TIMES)
    return image


def _enlarge(planes: Tensor, kernel: str) -> Tensor:
    if not planes.shape[1]:
        return planes.new_zeros(1, 0, *(side * _TIMES for side in planes.shape[2:]))
    return F.interpolate(planes, scale_factor=_TIMES, mode=kernel, align_corners=False)


def _visible_box(alpha: Tensor) -> tuple[slice, slice] | None:
    """Rows and columns of an alpha [S,S] outside of which nobody is visible, as far as pixels are moved; None if nobody is."""
    visible = alpha > _VISIBLE
    if not visible.any():
        return None
    sides = []
    for axis, length in ((1, alpha.shape[0]), (0, alpha.shape[1])):
        seen = visible.any(dim=axis).nonzero()[:, 0]
        reach = int(MAX_SHIFT_PX * length / 256) + 1
        sides.append(slice(max(int(seen[0]) - reach, 0), min(int(seen[-1]) + 1 + reach, length)))
    return sides[0], sides[1]
