"""From poses to pictures at transfer time: one frame after another, in the frame of the target's video.

The generator paints a square canvas that follows the person; what it paints is put over the plate at the plate's own
resolution, so that the background is exact and steady.
"""

import math
from typing import Final

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dancenow.checkpoint import Checkpoint
from dancenow.errors import UserError
from dancenow.models.generator import POSE_STRIDE, Generator, GeneratorConfig
from dancenow.models.rollout import carry, nothing
from dancenow.pose.render import draw_pose
from dancenow.types import Crop, ImageRGB, Plate, Pose

VEIL: Final = 0.03


def load_generator(checkpoint: Checkpoint, device: torch.device) -> Generator:
    """The generator of a body checkpoint, ready to run.

    Raises:
        UserError: the checkpoint was made by a version of dancenow whose networks were others.
    """
    try:
        generator = Generator(GeneratorConfig(**checkpoint.info.config["generator"]))
        generator.load_state_dict(checkpoint.part("generator"))
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        made = checkpoint.info.version
        raise UserError(f"this model was made by dancenow {made}, whose networks were others; train it again.") from error
    return generator.to(device).eval().requires_grad_(False)


class Painter:
    """Paints one video; it remembers the last picture, which the next is generated from."""

    def __init__(self, generator: Generator, plate: Plate, device: torch.device, *, half: bool = False) -> None:
        """half: compute in bfloat16 on a GPU, for generators that were trained so."""
        self._generator, self._plate, self._device = generator, plate, device
        self._half = device.type == "cuda" and half
        self._last: tuple[Tensor, Tensor] | None = None

    @property
    def canvas_px(self) -> int:
        """Side of the generator's canvas."""
        return self._generator.config.canvas_px

    def empty(self) -> ImageRGB:
        """The picture when nobody is there; the next person starts afresh."""
        self._last = None
        return self._plate.image_rgb.copy()

    @torch.inference_mode()
    def paint(self, pose: Pose, crop: Crop) -> ImageRGB:
        """The person in `pose` (one pose, frame px) in front of the plate: uint8 [H,W,3] of the plate's size."""
        on_canvas = crop.apply(pose)
        arrays = (on_canvas.xy, on_canvas.confidence, on_canvas.depth)
        xy, confidence, depth = (torch.from_numpy(a[None]).to(self._device) for a in arrays)
        maps = draw_pose(xy, confidence, depth, self.canvas_px, self.canvas_px // POSE_STRIDE)
        now = torch.from_numpy(crop.to_canvas[None]).float().to(self._device)
        previous = None
        if self._generator.config.previous:
            previous = carry(*self._last, now) if self._last else nothing(self._generator, maps)
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self._half):
            rgba = self._generator(maps, previous)
        self._last = (rgba, now)
        return compose(_clean(rgba[0].float()).permute(1, 2, 0).cpu().numpy(), crop, self._plate)


def _clean(rgba: Tensor) -> Tensor:
    """Alpha of RGBA [4,S,S] that is almost 0 or 1 becomes so: a veil of 2% shows where the window ends."""
    return torch.cat([rgba[:3], ((rgba[3:] - VEIL) / (1 - 2 * VEIL)).clamp(0.0, 1.0)])


def compose(rgba: NDArray[np.float32], crop: Crop, plate: Plate) -> ImageRGB:
    """Put a canvas over the plate.

    Args:
        rgba: float32 [S,S,4], colour in [-1,1] and alpha in [0,1].

    Returns:
        uint8 [H,W,3]; only the window's part of the plate is touched.
    """
    out = plate.image_rgb.copy()
    height, width = out.shape[:2]
    corners = np.array([[-0.5, -0.5], [crop.size - 0.5, crop.size - 0.5]]) @ crop.to_frame[:, :2].T + crop.to_frame[:, 2]
    left, top = np.clip(np.floor(corners[0]).astype(int), 0, [width, height])
    right, bottom = np.clip(np.ceil(corners[1]).astype(int) + 1, 0, [width, height])
    if right <= left or bottom <= top:
        return out
    to_part = crop.to_frame - np.array([[0.0, 0.0, left], [0.0, 0.0, top]])
    premultiplied = np.concatenate([(rgba[..., :3] + 1) * 127.5 * rgba[..., 3:], rgba[..., 3:]], axis=2)
    shrink = 1.0 / math.sqrt(abs(float(np.linalg.det(crop.to_frame[:, :2]))))
    if shrink > 1.5:
        premultiplied = cv2.GaussianBlur(premultiplied, (0, 0), 0.4 * math.sqrt(shrink**2 - 1))
    # Zero outside: the canvas fades out at its rim instead of smearing its last pixels.
    part = cv2.warpAffine(premultiplied, to_part, (int(right - left), int(bottom - top)), flags=cv2.INTER_CUBIC)
    alpha = np.clip(part[..., 3:], 0.0, 1.0)
    behind = out[top:bottom, left:right]
    out[top:bottom, left:right] = np.clip(np.rint(part[..., :3] + behind * (1.0 - alpha)), 0, 255).astype(np.uint8)
    return out
