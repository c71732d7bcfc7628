"""Frame after frame, as at transfer time: each picture from its pose and, by generators with `previous`, the one before.

The window moves with the person, so the picture before is carried into the present window first.
"""

import torch
from torch import Tensor

from dancenow.generators.crop.network import Generator
from dancenow.networks.warping import between, warp


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
