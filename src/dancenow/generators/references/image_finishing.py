"""Make the image of a generator's plan and the warped pictures, also finer than the canvas.

Then the plan is enlarged, and pixels are copied at the resolution of the pictures: what is generated stays as sharp as the
canvas; patterns, faces and seams that the pictures show become as sharp as they are.
"""

import math
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional as F

from dancenow.generators.references import cpu_finish, gpu_finish
from dancenow.generators.references.cpu_finish import Box
from dancenow.generators.references.fine_pictures import FinePictures
from dancenow.generators.references.gpu_finish import enlarge
from dancenow.generators.references.network import MAX_SHIFT_PX, SURE_FROM, Plan

_RIM_PX: Final = 4
"""Of the canvas: at its border, where convolutions see nothing beyond, a faint veil can be generated far from anybody."""
_VISIBLE: Final = 0.02
"""Alpha that is worth finishing; the compositor drops more than that (`compositor.MIN_ALPHA`)."""


def finish_image(plan: Tensor, pictures: FinePictures, side_px: int) -> Tensor:
    """The image RGBA [1,4,side,side] of a plan [1,C,S,S] (see `Plan.joined`) and warped pictures.

    side_px: of the image, S or more; on a GPU that of the pictures' canvas.

    Only the part where the person is visible is finished; elsewhere there is only shadow, which is black.
    """
    shadow = Plan.of(plan, len(pictures.pixels)).shadow
    image = torch.full((1, side_px, side_px, 4), -1.0, device=plan.device)
    image[..., 3] = 0.0 if shadow is None else enlarge(shadow, (side_px, side_px), "bilinear")[:, 0]
    box = _visible_box(plan[0, 3], pictures, plan.shape[2] // math.gcd(plan.shape[2], side_px))
    if box is not None and plan.device.type == "cpu":
        cpu_finish.finish_box(plan[0].numpy(), pictures, image[0].numpy(), box)
    elif box is not None:
        gpu_finish.finish_box(plan, pictures, image, box)
    return image.permute(0, 3, 1, 2)


def _visible_box(alpha: Tensor, pictures: FinePictures, step: int) -> Box | None:
    """Rows and columns of an alpha [S,S] outside of which nobody is visible, as far as pixels are moved, in whole steps; None
    if nobody is. What is visible at the rim alone does not count. The head of the pictures is inside, because all of it is
    compared with the generated one."""
    visible = F.pad(alpha[_RIM_PX:-_RIM_PX, _RIM_PX:-_RIM_PX] > _VISIBLE, [_RIM_PX] * 4)
    if not visible.any():
        return None
    sides, head = [], (pictures.head[4] > SURE_FROM) & (pictures.head[3] > _VISIBLE)
    for axis, length, corner_px in ((1, alpha.shape[0], pictures.y_px), (0, alpha.shape[1], pictures.x_px)):
        seen, of_head = (each.any(dim=axis).nonzero()[:, 0] for each in (visible, head))
        seen = torch.cat([seen, (of_head + corner_px) // pictures.px_per_canvas_px])
        reach = max(int(MAX_SHIFT_PX * length / 256) + 1, _RIM_PX)
        first, end = max(int(seen.min()) - reach, 0), min(int(seen.max()) + 1 + reach, length)
        sides.append(slice(first // step * step, -(-end // step) * step))
    return sides[0], sides[1]
