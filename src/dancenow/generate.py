"""From poses to pictures at transfer time: one frame after another, in the frame of the target's video.

A `Painter` is made from a checkpoint alone. `CropPainter` generates a square that follows the person and puts it over the plate
at the plate's own resolution, so that the background is exact and steady; `WholeFramePainter` generates all there is to see.
"""

import math
from collections.abc import Iterator
from dataclasses import fields
from typing import Final, Protocol, Self

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dancenow.checkpoint import Checkpoint
from dancenow.data.target import Target
from dancenow.errors import UserError
from dancenow.models.generator import POSE_STRIDE, Generator, GeneratorConfig
from dancenow.models.rollout import carry, nothing
from dancenow.models.wholeframe import WholeFrameConfig, WholeFrameGenerator
from dancenow.pose.crop import follow
from dancenow.pose.letterbox import Letterbox
from dancenow.pose.render import draw_pose
from dancenow.pose.smooth import FILLED_CONFIDENCE
from dancenow.types import Crop, FrameStatus, ImageRGB, Plate, Pose, PoseTrack

VEIL: Final = 0.03


class Painter(Protocol):
    """Makes the pictures of a dance. It keeps nothing from one dance to the next."""

    target: Target

    def paint(self, track: PoseTrack, start: int = 0, stop: int | None = None) -> Iterator[ImageRGB]:
        """The frames [start, stop) of a dance, one by one, each uint8 [H,W,3] of the target's size.

        track: the whole dance in the target's frame px, as normalization leaves it. Where nobody is there (MISSING), the
        picture is the empty room and the next person starts afresh.
        """


class CropPainter:
    """The `Painter` of a body checkpoint."""

    def __init__(self, generator: Generator, target: Target, device: torch.device, *, half: bool = False) -> None:
        """half: compute in bfloat16 on a GPU, for generators that were trained so."""
        self.target = target
        self._generator, self._device = generator, device
        self._half = device.type == "cuda" and half

    @classmethod
    def load(cls, checkpoint: Checkpoint, device: torch.device) -> Self:
        """Ready to paint.

        Raises:
            UserError: the checkpoint was made by a version of dancenow whose networks were others.
        """
        generator = load_generator(checkpoint, device)
        half = checkpoint.info.config["precision"] == "bfloat16"
        return cls(generator, Target.of_checkpoint(checkpoint), device, half=half)

    def paint(self, track: PoseTrack, start: int = 0, stop: int | None = None) -> Iterator[ImageRGB]:
        """See `Painter.paint`."""
        drawn = drawn_poses(track, self.target)
        crops = follow(track.pose, track.time_s, self._generator.config.canvas_px)
        last: tuple[Tensor, Tensor] | None = None
        for index in range(start, len(track) if stop is None else stop):
            if track.status[index] == FrameStatus.MISSING:
                last = None
                yield self.target.plate.image_rgb.copy()
            else:
                last = self._generate(drawn[index], crops[index], last)
                rgba = _clean(last[0][0].float()).permute(1, 2, 0).cpu().numpy()
                yield compose(rgba, crops[index], self.target.plate)

    @torch.inference_mode()
    def _generate(self, pose: Pose, crop: Crop, last: tuple[Tensor, Tensor] | None) -> tuple[Tensor, Tensor]:
        """RGBA [1,4,S,S] of one pose (frame px) and its window [1,2,3], given those of the picture before."""
        canvas_px = self._generator.config.canvas_px
        on_canvas = crop.apply(pose)
        arrays = (on_canvas.xy, on_canvas.confidence, on_canvas.depth)
        xy, confidence, depth = (torch.from_numpy(a[None]).to(self._device) for a in arrays)
        maps = draw_pose(xy, confidence, depth, canvas_px, canvas_px // POSE_STRIDE)
        now = torch.from_numpy(crop.to_canvas[None]).float().to(self._device)
        previous = None
        if self._generator.config.previous:
            previous = carry(*last, now) if last else nothing(self._generator, maps)
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self._half):
            return self._generator(maps, previous), now


class WholeFramePainter:
    """The `Painter` of a whole-frame checkpoint: the network paints everything, background included."""

    def __init__(self, generator: WholeFrameGenerator, target: Target, device: torch.device, *, half: bool = False) -> None:
        """half: compute in bfloat16 on a GPU, for generators that were trained so."""
        self.target = target
        self._generator, self._device = generator, device
        self._half = device.type == "cuda" and half
        box = Letterbox.of_frame(target.track.width_px, target.track.height_px, generator.config.longer_px)
        self._box = box if generator.enhancer is None else box.doubled()

    @classmethod
    def load(cls, checkpoint: Checkpoint, device: torch.device) -> Self:
        """Ready to paint.

        Raises:
            UserError: the checkpoint was made by a version of dancenow whose networks were others.
        """
        try:
            recipe = checkpoint.info.config["recipe"]
            config = WholeFrameConfig(**{each.name: recipe[each.name] for each in fields(WholeFrameConfig)})
            generator = WholeFrameGenerator(config, enhanced=checkpoint.info.config["enhanced"])
            generator.load_state_dict(checkpoint.part("generator"))
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise _of_another_version(checkpoint) from error
        generator.to(device).eval().requires_grad_(False)
        return cls(generator, Target.of_checkpoint(checkpoint), device, half=recipe["precision"] == "bfloat16")

    def paint(self, track: PoseTrack, start: int = 0, stop: int | None = None) -> Iterator[ImageRGB]:
        """See `Painter.paint`."""
        drawn = self._box.apply(drawn_poses(track, self.target))
        past: Tensor | None = None
        for index in range(start, len(track) if stop is None else stop):
            if track.status[index] == FrameStatus.MISSING:
                past = None
                yield self.target.plate.image_rgb.copy()
            else:
                picture, past = self._generate(drawn[index], past)
                canvas = picture[0].float().add(1).mul(127.5).round().clamp(0, 255).byte()
                yield self._box.take_back(canvas.permute(1, 2, 0).cpu().numpy())

    @torch.inference_mode()
    def _generate(self, pose: Pose, past: Tensor | None) -> tuple[Tensor, Tensor]:
        """The picture [1,3,H,W] of one pose (canvas px), and what the next one sees of it."""
        xy, confidence = (torch.from_numpy(x[None]).to(self._device) for x in (pose.xy, pose.confidence))
        maps = self._generator.draw(xy, confidence, self._box)
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self._half):
            picture = self._generator(maps, self._generator.start(maps) if past is None else past)
        return picture, self._generator.remember(maps, picture)


def load_generator(checkpoint: Checkpoint, device: torch.device) -> Generator:
    """The generator of a body checkpoint, ready to run.

    Raises:
        UserError: the checkpoint was made by a version of dancenow whose networks were others.
    """
    try:
        generator = Generator(GeneratorConfig(**checkpoint.info.config["generator"]))
        generator.load_state_dict(checkpoint.part("generator"))
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise _of_another_version(checkpoint) from error
    return generator.to(device).eval().requires_grad_(False)


def drawn_poses(track: PoseTrack, target: Target) -> Pose:
    """The poses [T,K] as painters draw them: filled frames like their neighbours.

    The generators never saw a whole pose at half its confidence.

    Raises:
        ValueError: the track is not in the target's frame.
    """
    size, wanted = (track.width_px, track.height_px), (target.track.width_px, target.track.height_px)
    if size != wanted:
        raise ValueError(f"the dance is in a frame of {size} px, but the target's is {wanted}: normalize it first")
    pose = track.pose
    gain = np.where(track.status == FrameStatus.FILLED, 1 / FILLED_CONFIDENCE, 1.0)[:, None]
    return Pose(pose.xy, np.minimum(pose.confidence * gain, 1.0).astype(np.float32), pose.depth)


def _of_another_version(checkpoint: Checkpoint) -> UserError:
    made = checkpoint.info.version
    return UserError(f"this model was made by dancenow {made}, whose networks were others; train it again.")


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
