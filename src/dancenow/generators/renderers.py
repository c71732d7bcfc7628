"""From poses to pictures at transfer time: one frame after another, in the frame of the target's video.

A `Renderer` is made from a checkpoint alone. `CropRenderer` generates a square that follows the person and puts it over
the plate
at the plate's own resolution, so that the background is exact and steady; `EdnRenderer` generates all there is to see.
"""

import math
from collections import abc, deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import fields
from itertools import islice
from typing import Final, Protocol, Self

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dancenow.errors import ModelError, UserError
from dancenow.execution import Execution
from dancenow.generators.crop.inference_backends import EagerBackend, InferenceBackend, select_backend
from dancenow.generators.crop.network import POSE_STRIDE, Generator, GeneratorConfig
from dancenow.generators.edn.network import EdnGenerator, EdnNetworkConfig
from dancenow.pose.conditioning.pose_maps import draw_pose
from dancenow.pose.letterbox import Letterbox
from dancenow.pose.person_crop import track_crop
from dancenow.prefetch import prefetch
from dancenow.rendering.temporal_filter import filter_temporal
from dancenow.storage.checkpoint import Checkpoint
from dancenow.subject.target_appearance import Target
from dancenow.types import Crop, FrameStatus, ImageRGB, Plate, Pose, PoseTrack

VEIL: Final = 0.03
DRAWN_AT_ONCE: Final = {False: 4, True: 32}
"""Poses whose maps are drawn together, on a CPU and on a GPU: fewer calls, and still few maps in memory."""


RUN_UP: Final = 3
"""Frames generated before a single picture that needs those before it."""

Canvas = tuple[Crop, NDArray[np.float32] | None]


class Renderer(Protocol):
    """Makes the pictures of a dance. It keeps nothing from one dance to the next."""

    target: Target

    def render(self, track: PoseTrack, start: int = 0, stop: int | None = None) -> abc.Generator[ImageRGB]:
        """The frames [start, stop) of a dance, one by one, each uint8 [H,W,3] of the target's size.

        track: the whole dance in the target's frame px, from `PosePipeline.for_rendering`. Where nobody is there (MISSING), the
        picture is the empty room and the next person starts afresh.
        """

    def render_frames(self, track: PoseTrack, frames: NDArray[np.int64]) -> abc.Generator[ImageRGB]:
        """The pictures of some frames [N] of a dance, increasing, as `render` would make them, but not steadied.

        Where a picture needs the one before, a few frames are generated before each of them, instead of all.
        """


class CropRenderer:
    """The `Renderer` of a body checkpoint.

    Drawing, generating and putting together overlap: each is a stage in a thread of its own, a few pictures ahead of the next.
    """

    def __init__(self, generator: Generator, backend: InferenceBackend, target: Target, execution: Execution) -> None:
        """backend: what runs the generator."""
        self.target = target
        self.backend = backend
        self._generator, self._device, self._execution = generator, execution.torch_device, execution

    @classmethod
    def load(cls, checkpoint: Checkpoint, execution: Execution) -> Self:
        """Ready to paint.

        Raises:
            UserError: the checkpoint was made by a version of dancenow whose networks were others.
        """
        generator = load_generator(checkpoint, execution.torch_device)
        backend = select_backend(generator) if execution.precision == "auto" else EagerBackend(generator)
        return cls(generator, backend, Target.of_checkpoint(checkpoint), execution)

    def render(self, track: PoseTrack, start: int = 0, stop: int | None = None) -> abc.Generator[ImageRGB]:
        """See `Renderer.render`."""
        with prefetch(self.canvases(track, start, stop)) as canvases:
            yield from self._over_the_plate(canvases)

    def render_frames(self, track: PoseTrack, frames: NDArray[np.int64]) -> abc.Generator[ImageRGB]:
        """See `Renderer.render_frames`."""
        with prefetch(self._canvases(track, frames)) as canvases:
            yield from self._over_the_plate(canvases)

    def _over_the_plate(self, canvases: Iterator[Canvas]) -> Iterator[ImageRGB]:
        for crop, rgba in canvases:
            yield self.target.plate.image_rgb.copy() if rgba is None else compose(rgba, crop, self.target.plate)

    def canvases(self, track: PoseTrack, start: int = 0, stop: int | None = None) -> Iterator[Canvas]:
        """As `render`, before anything is put over the plate: each frame's window, and RGBA float32 [S,S,4] or None.

        The temporal filter looks at the neighbors, so one more is generated on either side.
        """
        stop = len(track) if stop is None else stop
        first = max(start - 1, 0)
        with closing(filter_temporal(self._canvases(track, np.arange(first, min(stop + 1, len(track)))))) as canvases:
            yield from islice(canvases, start - first, stop - first)

    def _canvases(self, track: PoseTrack, frames: NDArray[np.int64]) -> abc.Generator[Canvas]:
        _require_target_frame(track, self.target)
        windows = track_crop(track.pose, track.time_s, self._generator.config.canvas_px)
        crops = [windows[int(i)] for i in frames]
        is_there = track.status[frames] != FrameStatus.MISSING
        with prefetch(self._maps(track.pose[frames], crops), room=2) as maps:
            yield from zip(crops, self._generate_all(maps, is_there), strict=True)

    def _generate_all(self, maps: Iterator[Tensor], is_there: NDArray[np.bool_]) -> Iterator[NDArray[np.float32] | None]:
        """Generate every frame from its maps: on a CPU two at a time, each on a core of its own."""
        at_once = 1 if self._device.type == "cuda" else 2
        waiting: deque[Future[NDArray[np.float32]] | None] = deque()
        with ThreadPoolExecutor(at_once) as pool:
            for drawn, there in zip(maps, is_there, strict=True):
                waiting.append(pool.submit(self._generate, drawn) if there else None)
                if len(waiting) > at_once:
                    yield _result(waiting.popleft())
            while waiting:
                yield _result(waiting.popleft())

    @torch.inference_mode()
    def _generate(self, maps: Tensor) -> NDArray[np.float32]:
        """RGBA [S,S,4] as `compose` takes it."""
        with self._execution.limited_threads():
            return np.ascontiguousarray(self.backend(maps)[0].permute(1, 2, 0).cpu().numpy())

    @torch.inference_mode()
    def _draw(self, drawn: Pose, crops: list[Crop]) -> Tensor:
        """The maps [N,C,S/4,S/4] of some poses (frame px)."""
        canvas_px = self._generator.config.canvas_px
        poses = [crop.apply(drawn[index]) for index, crop in enumerate(crops)]
        arrays = (np.stack([getattr(pose, name) for pose in poses]) for name in ("xy", "confidence", "depth"))
        xy, confidence, depth = (torch.from_numpy(a).to(self._device) for a in arrays)
        with self._execution.limited_threads():
            return draw_pose(xy, confidence, depth, canvas_px, canvas_px // POSE_STRIDE)

    def _maps(self, drawn: Pose, crops: list[Crop]) -> Iterator[Tensor]:
        """The maps [1,C,S/4,S/4] of each frame, drawn several at once."""
        batch = DRAWN_AT_ONCE[self._device.type == "cuda"]
        for first in range(0, len(crops), batch):
            part = slice(first, first + batch)
            yield from self._draw(drawn[part], crops[part]).split(1)


class EdnRenderer:
    """The `Renderer` of a whole-frame checkpoint: the network paints everything, background included."""

    def __init__(self, generator: EdnGenerator, target: Target, execution: Execution, *, half: bool = False) -> None:
        """half: compute in bfloat16 on a GPU, for generators that were trained so."""
        self.target = target
        self._generator, self._device, self._execution = generator, execution.torch_device, execution
        self._half = self._device.type == "cuda" and half
        box = Letterbox.of_frame(target.track.width_px, target.track.height_px, generator.config.longer_px)
        self._box = box if generator.enhancer is None else box.doubled()

    @classmethod
    def load(cls, checkpoint: Checkpoint, execution: Execution) -> Self:
        """Ready to paint.

        Raises:
            UserError: the checkpoint was made by a version of dancenow whose networks were others.
        """
        try:
            recipe = checkpoint.info.config["recipe"]
            config = EdnNetworkConfig(**{each.name: recipe[each.name] for each in fields(EdnNetworkConfig)})
            generator = EdnGenerator(config, enhanced=checkpoint.info.config["enhanced"])
            generator.load_state_dict(checkpoint.part("generator"))
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise _of_another_version(checkpoint) from error
        generator.to(execution.torch_device).eval().requires_grad_(False)
        half = recipe["precision"] == "bfloat16" and execution.precision == "auto"
        return cls(generator, Target.of_checkpoint(checkpoint), execution, half=half)

    def render(self, track: PoseTrack, start: int = 0, stop: int | None = None) -> abc.Generator[ImageRGB]:
        """See `Renderer.render`."""
        _require_target_frame(track, self.target)
        drawn = self._box.apply(track.pose)
        past: Tensor | None = None
        for index in range(start, len(track) if stop is None else stop):
            if track.status[index] == FrameStatus.MISSING:
                past = None
                yield self.target.plate.image_rgb.copy()
            else:
                picture, past = self._generate(drawn[index], past)
                canvas = picture[0].float().add(1).mul(127.5).round().clamp(0, 255).byte()
                yield self._box.take_back(canvas.permute(1, 2, 0).cpu().numpy())

    def render_frames(self, track: PoseTrack, frames: NDArray[np.int64]) -> abc.Generator[ImageRGB]:
        """See `Renderer.render_frames`."""
        yield from _last_of_each(self, track, frames)

    @torch.inference_mode()
    def _generate(self, pose: Pose, past: Tensor | None) -> tuple[Tensor, Tensor]:
        """The picture [1,3,H,W] of one pose (canvas px), and what the next one sees of it."""
        xy, confidence = (torch.from_numpy(x[None]).to(self._device) for x in (pose.xy, pose.confidence))
        with self._execution.limited_threads():
            maps = self._generator.draw(xy, confidence, self._box)
            with torch.autocast(self._device.type, torch.bfloat16, enabled=self._half):
                picture = self._generator(maps, self._generator.start(maps) if past is None else past)
            return picture, self._generator.remember(maps, picture)


def _last_of_each(renderer: Renderer, track: PoseTrack, frames: NDArray[np.int64]) -> Iterator[ImageRGB]:
    """Single pictures of painters whose pictures need those before: the last of a short run each."""
    for index in frames.tolist():
        *_, picture = renderer.render(track, max(index - RUN_UP, 0), index + 1)
        yield picture


def load_generator(checkpoint: Checkpoint, device: torch.device) -> Generator:
    """The generator of a body checkpoint, ready to run.

    Raises:
        UserError: the checkpoint was made by a version of dancenow whose networks were others.
    """
    try:
        generator = Generator(GeneratorConfig.from_json(checkpoint.info.config["generator"]))
        generator.load_state_dict(checkpoint.part("generator"))
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise _of_another_version(checkpoint) from error
    return generator.to(device).eval().requires_grad_(False)


def _require_target_frame(track: PoseTrack, target: Target) -> None:
    """Raises ValueError if the track is not in the target's frame."""
    size, wanted = (track.width_px, track.height_px), (target.track.width_px, target.track.height_px)
    if size != wanted:
        raise ValueError(f"the dance is in a frame of {size} px, but the target's is {wanted}: normalize it first")


def _of_another_version(checkpoint: Checkpoint) -> UserError:
    made = checkpoint.info.version
    return ModelError(f"this model was made by dancenow {made}, whose networks were others; train it again.")


def _result(picture: "Future[NDArray[np.float32]] | None") -> NDArray[np.float32] | None:
    return None if picture is None else picture.result()


def compose(rgba: NDArray[np.float32], crop: Crop, plate: Plate) -> ImageRGB:
    """Put a canvas over the plate.

    Alpha that is almost 0 or 1 becomes so: a veil of 2% would show where the window ends, and where nothing is painted nothing
    has to be computed.

    Args:
        rgba: float32 [S,S,4], colour in [-1,1] and alpha in [0,1].

    Returns:
        uint8 [H,W,3]; only what the painted part of the window covers is touched.
    """
    out = plate.image_rgb.copy()
    alpha = np.clip((rgba[..., 3:] - np.float32(VEIL)) * np.float32(1 / (1 - 2 * VEIL)), 0.0, 1.0)
    shrink = 1.0 / math.sqrt(abs(float(np.linalg.det(crop.to_frame[:, :2]))))
    blur_px = 0.4 * math.sqrt(shrink**2 - 1) if shrink > 1.5 else 0.0
    left, top, width, height = cv2.boundingRect((alpha > 0).view(np.uint8))
    # As far as the blur and the cubic reach, alpha spreads over its surroundings.
    reach_px = math.ceil(4 * blur_px) + 3
    x0, y0 = max(left - reach_px, 0), max(top - reach_px, 0)
    x1, y1 = min(left + width + reach_px, crop.size), min(top + height + reach_px, crop.size)
    covered = _covered(crop, (x0, y0, x1, y1), out.shape)
    if not width or covered is None:
        return out
    rows, columns = covered
    painted, opaque = rgba[y0:y1, x0:x1, :3], alpha[y0:y1, x0:x1]
    premultiplied = np.concatenate([(painted + 1) * np.float32(127.5) * opaque, opaque], axis=2)
    if blur_px:
        premultiplied = cv2.GaussianBlur(premultiplied, (0, 0), blur_px)
    linear = crop.to_frame[:, :2]
    shift = crop.to_frame[:, 2] + linear @ [x0, y0] - [columns.start, rows.start]
    size = (columns.stop - columns.start, rows.stop - rows.start)
    # Zero outside: the canvas fades out at its rim instead of smearing its last pixels.
    part = cv2.warpAffine(premultiplied, np.column_stack([linear, shift]), size, flags=cv2.INTER_CUBIC)
    through = cv2.merge([1.0 - np.clip(part[..., 3], 0.0, 1.0)] * 3)
    seen_through = cv2.multiply(out[rows, columns], through, dtype=cv2.CV_32F)
    mixed = cv2.add(seen_through, cv2.cvtColor(part, cv2.COLOR_RGBA2RGB))
    out[rows, columns] = cv2.convertScaleAbs(np.maximum(mixed, 0, out=mixed))  # rounds, and ends at 255
    return out


def _covered(crop: Crop, box: tuple[int, int, int, int], shape: tuple[int, ...]) -> tuple[slice, slice] | None:
    """Rows and columns of the frame that a part of the canvas covers, its x0, y0, x1, y1; None if it lies beside the frame."""
    x0, y0, x1, y1 = box
    corners = np.array([[x, y] for x in (x0 - 0.5, x1 - 0.5) for y in (y0 - 0.5, y1 - 0.5)])
    corners = corners @ crop.to_frame[:, :2].T + crop.to_frame[:, 2]
    limit = [shape[1], shape[0]]
    left, top = np.clip(np.floor(corners.min(axis=0)).astype(int), 0, limit)
    right, bottom = np.clip(np.ceil(corners.max(axis=0)).astype(int) + 1, 0, limit)
    return (slice(top, bottom), slice(left, right)) if right > left and bottom > top else None
