"""Frame after frame, as at transfer time: each picture from its pose and, by generators with `previous`, the one before.

The window moves with the person, so the picture before is carried into the present window first.
"""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from dancenow.models.generator import Generator


def roll_out(
    generator: Generator, maps: Tensor, to_canvas: Tensor, afresh: Tensor | None = None, tint: Tensor | None = None
) -> Tensor:
    """Generate clips from nothing; gradients flow through the last frame alone.

    Neighbouring frames are so alike that a second one with gradients teaches little for its cost.

    Args:
        maps: [B,T,C,S/4,S/4] pose maps. to_canvas: [B,T,2,3] frame px -> canvas px of every frame's window.
        afresh: bool [B], where the last frame too has nothing before it, as at the start of a video.
        tint: [B,4], what the picture before the last is multiplied by per channel. A generator that is shown wrong colours
            and must paint the right ones does not drift when it goes on from its own pictures.

    Returns:
        [B,T,4,S,S] colour in [-1,1] and alpha in [0,1].
    """
    frames: list[Tensor] = []
    last = maps.shape[1] - 1
    for t in range(last + 1):
        previous = None
        with torch.set_grad_enabled(torch.is_grad_enabled() and t == last):
            if generator.config.previous:
                previous = carry(frames[-1], to_canvas[:, t - 1], to_canvas[:, t]) if t else nothing(generator, maps[:, t])
                if afresh is not None and t == last:
                    previous = previous * ~afresh[:, None, None, None]
                if tint is not None and t == last:
                    previous = previous * tint[:, :, None, None]
            frames.append(generator(maps[:, t], previous))
    return torch.stack(frames, dim=1)


def nothing(generator: Generator, maps: Tensor) -> Tensor:
    """The picture before the first one: zeros [B,4,S,S]."""
    size = generator.config.canvas_px
    return maps.new_zeros(maps.shape[0], 4, size, size)


def carry(rgba: Tensor, before: Tensor, now: Tensor) -> Tensor:
    """Move a generated RGBA [B,4,S,S] from window `before` [B,2,3] to window `now`, premultiplied, 0 outside."""
    premultiplied = torch.cat([rgba[:, :3] * rgba[:, 3:], rgba[:, 3:]], dim=1)
    return warp(premultiplied, between(before, now), rgba.shape[-1], outside="zeros")


def composite(rgba: Tensor, plate: Tensor) -> Tensor:
    """Colour over plate by alpha: [...,4,S,S] over [...,3,S,S]."""
    return torch.lerp(plate, rgba[..., :3, :, :].float(), rgba[..., 3:, :, :].float())


def between(before: Tensor, now: Tensor) -> Tensor:
    """The map from one window's canvas to another's, [B,2,3], from their maps from the frame."""
    with _exact(now):
        linear = now[:, :, :2] @ _inverse(before[:, :, :2])
        return torch.cat([linear, now[:, :, 2:] - linear @ before[:, :, 2:]], dim=2)


def warp(pixels: Tensor, to_canvas: Tensor, canvas_px: int, outside: Literal["border", "zeros"] = "border") -> Tensor:
    """Resample [N,C,h,w] under `to_canvas` [N,2,3] (pixels -> canvas px, centres at integers) to [N,C,S,S].

    Beyond the edge the edge pixels are repeated, or zero where `outside` says so.
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
        return F.grid_sample(pixels.float(), grid, mode="bilinear", padding_mode=outside, align_corners=False)


def _exact(tensor: Tensor) -> torch.autocast:
    """Geometry in float32 whatever surrounds it: in bfloat16 a window's place is off by pixels."""
    return torch.autocast(tensor.device.type, enabled=False)


def _inverse(linear: Tensor) -> Tensor:
    """Of regular matrices [N,2,2]; unlike `torch.linalg.inv` it does not wait for a GPU to say that they are."""
    inverse: Tensor = torch.linalg.inv_ex(linear)[0]
    return inverse
