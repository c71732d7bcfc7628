"""The types that stages exchange: frames, poses, tracks and crops. Frozen, validated at construction, numpy only.

Poses are small and held as a whole; pixels are streamed one `Frame` at a time. Pixel centers are at integer coordinates,
x to the right and y down, in the frame as displayed (after the container's rotation).
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import IntEnum
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dancenow.skeleton import NUM_KEYPOINTS

FloatArray = NDArray[np.float32]
ImageRGB = NDArray[np.uint8]


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ValueError(message)


def _is_image(image: NDArray[Any]) -> bool:
    return image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3 and min(image.shape[:2]) > 0


@dataclass(frozen=True)
class VideoInfo:
    """Properties of the first video stream of a container; sizes are as displayed, after rotation."""

    width_px: int
    height_px: int
    fps: Fraction
    num_frames: int | None
    duration_s: float | None
    has_audio: bool
    rotation_deg: int


@dataclass(frozen=True, eq=False)
class Frame:
    """One decoded frame: `image_rgb` uint8 [H,W,3], its number, and its time in seconds from the first frame."""

    image_rgb: ImageRGB
    index: int
    time_s: Fraction

    def __post_init__(self) -> None:
        _require(_is_image(self.image_rgb), f"image_rgb must be uint8 [H,W,3], got {_describe(self.image_rgb)}")

    def __repr__(self) -> str:
        return f"Frame({_describe(self.image_rgb)}, index={self.index}, time_s={float(self.time_s):.3f})"


@dataclass(frozen=True, eq=False)
class Pose:
    """Keypoints of one person in one frame or, with leading dimensions, in many.

    xy: float32 [*B,K,2] px. confidence: float32 [*B,K] in [0,1], 0 = missing. depth: float32 [*B,K] px-scaled distance
    from the camera relative to the hips, smaller = nearer; all zero when the detector has none.
    """

    xy: FloatArray
    confidence: FloatArray
    depth: FloatArray = field(default=None)  # type: ignore[arg-type]  # filled in below

    def __post_init__(self) -> None:
        if self.depth is None:
            object.__setattr__(self, "depth", np.zeros(self.confidence.shape, np.float32))
        for name in ("xy", "confidence", "depth"):
            array = getattr(self, name)
            _require(array.dtype == np.float32, f"{name} must be float32, got {_describe(array)}")
            _require(bool(np.isfinite(array).all()), f"{name} holds numbers that are not finite")
        _require(self.xy.shape[-2:] == (NUM_KEYPOINTS, 2), f"xy must be [*B,{NUM_KEYPOINTS},2], got {_describe(self.xy)}")
        _require(self.confidence.shape == self.xy.shape[:-1], f"confidence must be [*B,K], got {_describe(self.confidence)}")
        _require(self.depth.shape == self.xy.shape[:-1], f"depth must be [*B,K], got {_describe(self.depth)}")

    def __len__(self) -> int:
        _require(self.xy.ndim > 2, "a single pose has no length")
        return int(self.xy.shape[0])

    def __getitem__(self, key: Any) -> "Pose":
        """Index the leading dimensions: `track[3]` is one pose, `track[3:9]` a shorter track."""
        return Pose(self.xy[key], self.confidence[key], self.depth[key])

    def __repr__(self) -> str:
        return f"Pose({_describe(self.xy)}, {float((self.confidence > 0).mean()):.0%} present)"


class FrameStatus(IntEnum):
    """Where the pose of a frame comes from."""

    MEASURED = 0
    FILLED = 1
    MISSING = 2


@dataclass(frozen=True, eq=False)
class PoseTrack:
    """One person in a whole video: a pose per frame and its status.

    pose: [T,K]. time_s: float64 [T], increasing, from the first frame. status: uint8 [T] of `FrameStatus`; MISSING frames
    have confidence 0 everywhere. width_px and height_px: size of the frame that xy refers to. aim_px: for poses in the
    reference view of a camera that moves, (x, y) at which it looks on average; None for a camera that stands still. cuts: the
    first frames of new shots, increasing; nothing in a pose before a cut says anything about one after it. repeated: frames
    that show the same as the frame before them, increasing.
    """

    pose: Pose
    time_s: NDArray[np.float64]
    status: NDArray[np.uint8]
    width_px: int
    height_px: int
    detector: str
    source_sha256: str
    aim_px: tuple[float, float] | None = None
    cuts: tuple[int, ...] = ()
    repeated: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        _require(self.pose.xy.ndim == 3, f"a track's pose must be [T,K,2], got {_describe(self.pose.xy)}")
        count = (len(self.pose),)
        _require(self.time_s.shape == count and self.time_s.dtype == np.float64, "time_s must be float64 [T]")
        _require(self.status.shape == count and self.status.dtype == np.uint8, "status must be uint8 [T]")
        _require(bool((np.diff(self.time_s) > 0).all()), "time_s must increase")
        _require(self.width_px > 0 and self.height_px > 0, "a track needs the size of its frame")
        edges = (0, *self.cuts, len(self))
        _require(not self.cuts or all(a < b for a, b in pairwise(edges)), f"cuts must increase within the track: {self.cuts}")
        again = (0, *self.repeated, len(self))
        _require(not self.repeated or all(a < b for a, b in pairwise(again)), "repeated must increase within the track")

    def __len__(self) -> int:
        return len(self.pose)

    def part(self, start: int, stop: int) -> "PoseTrack":
        """The frames [start, stop), with times from the first of them."""
        time_s = self.time_s[start:stop] - self.time_s[start]
        cuts, repeated = (tuple(i - start for i in frames if start < i < stop) for frames in (self.cuts, self.repeated))
        return replace(
            self, pose=self.pose[start:stop], time_s=time_s, status=self.status[start:stop], cuts=cuts, repeated=repeated
        )

    def select(self, frames: NDArray[np.int64]) -> "PoseTrack":
        """Some frames [N], which increase, at their own times; where they leave a shot, there is a cut."""
        of_shot = np.searchsorted(self.cuts, frames, side="right")
        cuts = tuple(int(cut) for cut in np.flatnonzero(np.diff(of_shot)) + 1)
        of_frame = frames - np.searchsorted(self.repeated, frames, side="right")
        repeated = tuple(int(i) for i in np.flatnonzero(np.diff(of_frame) == 0) + 1)
        return replace(
            self, pose=self.pose[frames], time_s=self.time_s[frames], status=self.status[frames], cuts=cuts, repeated=repeated
        )

    @property
    def shots(self) -> tuple[slice, ...]:
        """The frames of every shot: from one cut to the next."""
        return tuple(slice(start, stop) for start, stop in pairwise((0, *self.cuts, len(self))))

    @property
    def shot_time_s(self) -> NDArray[np.float64]:
        """time_s with an hour between shots, so that what is smoothed or filled over it never crosses a cut."""
        if not self.cuts:
            return self.time_s
        return self.time_s + 3600.0 * np.searchsorted(self.cuts, np.arange(len(self)), side="right")

    def by_shot(self, change: "Callable[[PoseTrack], PoseTrack]") -> "PoseTrack":
        """The track with the poses and status that `change` gives to each shot alone; a shot without anybody stays as it is."""
        if not self.cuts:
            return change(self)
        pose, status = self.pose, np.empty_like(self.status)
        xy, confidence, depth = (np.empty_like(array) for array in (pose.xy, pose.confidence, pose.depth))
        for shot in self.shots:
            part = self.part(shot.start, shot.stop)
            part = change(part) if part.pose.confidence.any() else part
            xy[shot], confidence[shot], depth[shot] = part.pose.xy, part.pose.confidence, part.pose.depth
            status[shot] = part.status
        return replace(self, pose=Pose(xy, confidence, depth), status=status)

    @property
    def is_bounded(self) -> bool:
        """Whether the frame cuts off what lies outside: it does unless the camera moves."""
        return self.aim_px is None

    @property
    def fps(self) -> float:
        """Median frame rate in 1/s; 30 for a track too short to tell."""
        return float(1.0 / np.median(np.diff(self.time_s))) if len(self) > 1 else 30.0

    def __repr__(self) -> str:
        seen = float((self.status == FrameStatus.MEASURED).mean())
        return f"PoseTrack({len(self)} frames, {self.width_px}x{self.height_px}, {self.fps:.3g} fps, {seen:.0%} measured)"


@dataclass(frozen=True, eq=False)
class Crop:
    """A square region of the frame. to_canvas: float64 [2,3] frame px -> canvas px; size: the canvas is size x size px."""

    to_canvas: NDArray[np.float64]
    size: int

    def __post_init__(self) -> None:
        ok = self.to_canvas.shape == (2, 3) and self.to_canvas.dtype == np.float64
        _require(ok, f"to_canvas must be float64 [2,3], got {_describe(self.to_canvas)}")
        _require(abs(float(np.linalg.det(self.to_canvas[:, :2]))) > 1e-12, "to_canvas must be invertible")
        _require(self.size > 0, "a crop needs a size")

    @property
    def to_frame(self) -> NDArray[np.float64]:
        """float64 [2,3] canvas px -> frame px."""
        inverse = np.linalg.inv(self.to_canvas[:, :2])
        return np.concatenate([inverse, -inverse @ self.to_canvas[:, 2:]], axis=1)

    def apply(self, pose: Pose) -> Pose:
        """The pose in canvas px; depth is scaled with it."""
        linear = self.to_canvas[:, :2]
        scale = float(np.sqrt(abs(np.linalg.det(linear))))
        xy = pose.xy @ linear.T.astype(np.float32) + self.to_canvas[:, 2].astype(np.float32)
        return Pose(xy.astype(np.float32), pose.confidence, (pose.depth * scale).astype(np.float32))

    def resized(self, size: int) -> "Crop":
        """The same square on a canvas of another size."""
        ratio = size / self.size
        shift = np.array([[0.0, 0.0, (ratio - 1) / 2]] * 2)
        return Crop(self.to_canvas * ratio + shift, size)


@dataclass(frozen=True, eq=False)
class Plate:
    """The background without the person: image_rgb uint8 [H,W,3]; known bool [H,W], False where it is never visible."""

    image_rgb: ImageRGB
    known: NDArray[np.bool_]

    def __post_init__(self) -> None:
        _require(_is_image(self.image_rgb), f"image_rgb must be uint8 [H,W,3], got {_describe(self.image_rgb)}")
        ok = self.known.dtype == np.bool_ and self.known.shape == self.image_rgb.shape[:2]
        _require(ok, f"known must be bool [H,W] as the image, got {_describe(self.known)}")


def _describe(array: NDArray[Any]) -> str:
    return f"{array.dtype} {list(array.shape)}"


@dataclass(frozen=True)
class TransferResult:
    """The result of a transfer: the video, its number of frames, what the retargeting did, and notes for the user.

    target_tracks: of each dancer, the poses that were rendered, in px of the video, one per frame of it.
    """

    video: Path
    num_frames: int
    normalization: str
    notes: tuple[str, ...]
    target_tracks: tuple[PoseTrack, ...]

    @property
    def target_track(self) -> PoseTrack:
        """Of the first dancer."""
        return self.target_tracks[0]


@dataclass(frozen=True)
class RunResult:
    """The result of `run`: the transfer, the models that were trained or found, one for each dancer, warnings about the
    footage, the report page.
    """

    transfer: TransferResult
    models: tuple[Path, ...]
    warnings: tuple[str, ...]
    report: Path | None

    @property
    def model(self) -> Path:
        """Of the first dancer."""
        return self.models[0]
