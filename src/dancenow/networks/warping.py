"""Resample images under affine maps, on the device, with gradients."""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor


def composite(rgba: Tensor, plate: Tensor) -> Tensor:
    """Composite RGBA [...,4,S,S] over a plate [...,3,S,S]."""
    return torch.lerp(plate, rgba[..., :3, :, :].float(), rgba[..., 3:, :, :].float())


def canvas_to_canvas(before: Tensor, now: Tensor) -> Tensor:
    """The affine map [B,2,3] from the canvas of crop `before` to that of crop `now`; both [B,2,3], frame px -> canvas px."""
    with _exact(now):
        linear = now[:, :, :2] @ _inverse(before[:, :, :2])
        return torch.cat([linear, now[:, :, 2:] - linear @ before[:, :, 2:]], dim=2)


def warp(pixels: Tensor, to_canvas: Tensor, canvas_px: int, kernel: Literal["bilinear", "bicubic"] = "bilinear") -> Tensor:
    """Resample [N,C,h,w] under `to_canvas` [N,2,3] (pixels -> canvas px, centers at integers) to [N,C,S,S].

    Beyond the border the border pixels are repeated. bicubic keeps fine detail, at three times the cost, and may overshoot.
    """
    height, width = pixels.shape[-2:]
    with _exact(pixels):
        linear = _inverse(to_canvas[:, :, :2])
        shift = -(linear @ to_canvas[:, :, 2:])
        axis = torch.arange(canvas_px, device=pixels.device, dtype=torch.float32)
        x = linear[:, None, None, :, 0] * axis[None, None, :, None]
        y = linear[:, None, None, :, 1] * axis[None, :, None, None]
        at = x + y + shift[:, None, None, :, 0]
        size = torch.tensor([width, height], device=pixels.device, dtype=torch.float32)
        grid = (at * 2 + 1) / size - 1
        return F.grid_sample(pixels.float(), grid, mode=kernel, padding_mode="border", align_corners=False)


def _exact(tensor: Tensor) -> torch.autocast:
    """Geometry in float32, also inside autocast: in bfloat16 a crop is off by pixels."""
    return torch.autocast(tensor.device.type, enabled=False)


def _inverse(linear: Tensor) -> Tensor:
    """The inverse of regular matrices [N,2,2]; unlike `torch.linalg.inv` it does not wait for the GPU to check them."""
    inverse: Tensor = torch.linalg.inv_ex(linear)[0]
    return inverse
