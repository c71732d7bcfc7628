"""The face of one person throughout a video: its crop in every frame, whether it is usable, its landmarks and expression.

The crop is upright in the frame, so that the head's rotation stays in the image. Landmarks are the usual 68 (Sagonas et al.,
"300 Faces in-the-Wild Challenge", 2013), counted from the person's right.
"""

import zipfile
import zlib
from dataclasses import dataclass, fields
from enum import IntEnum
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from dancenow.errors import InputError, OutputError
from dancenow.storage.atomic_io import complete_or_absent
from dancenow.types import Crop, FloatArray

FORMAT: Final = "dancenow-faces-1"
NUM_LANDMARKS: Final = 68
PARTS: Final[dict[str, slice]] = {
    "jaw": slice(0, 17), "right_brow": slice(17, 22), "left_brow": slice(22, 27), "nose_bridge": slice(27, 31),
    "nostrils": slice(31, 36), "right_eye": slice(36, 42), "left_eye": slice(42, 48), "outer_lips": slice(48, 60),
    "inner_lips": slice(60, 68),
}  # fmt: skip
"""Landmarks of each part."""

EXPRESSION: Final = (
    "mouth_opening", "mouth_width", "right_eye_opening", "left_eye_opening", "right_brow_raise", "left_brow_raise",
    "yaw", "pitch", "roll",
)  # fmt: skip
"""Components of an expression. Lengths are fractions of the head's height; angles are radians: yaw is positive to the right of
the image, pitch down, roll clockwise in the image.
"""
YAW: Final = EXPRESSION.index("yaw")


class Reason(IntEnum):
    """Why the face of a frame is usable, or is not."""

    OK = 0
    TURNED = 1
    HIDDEN = 2
    TOO_SMALL = 3
    MISSING = 4


@dataclass(frozen=True, eq=False)
class FaceTrack:
    """One person's face, one row per frame of the pose track.

    to_canvas: float64 [T,2,3] frame px -> px of a canvas of size_px x size_px that holds the whole head; scale and shift only.
    reason: uint8 [T] of `Reason`. hidden: float32 [T], fraction of the face behind the person's own hands.
    head_px: float32 [T], height of the head in the frame. landmarks: float32 [T,68,2] frame px, landmark_confidence float32
    [T], 0 = not measured (then coordinates are 0). expression: float32 [T,E] of `EXPRESSION`, expression_confidence float32
    [T,E].
    time_s: float64 [T]. width_px, height_px: of the frame. detector: name of the landmark detector.
    """

    to_canvas: NDArray[np.float64]
    reason: NDArray[np.uint8]
    hidden: FloatArray
    head_px: FloatArray
    landmarks: FloatArray
    landmark_confidence: FloatArray
    expression: FloatArray
    expression_confidence: FloatArray
    time_s: NDArray[np.float64]
    width_px: int
    height_px: int
    size_px: int
    detector: str
    source_sha256: str

    def __post_init__(self) -> None:
        count, terms = len(self.time_s), len(EXPRESSION)
        shapes: dict[str, tuple[type, tuple[int, ...]]] = {
            "to_canvas": (np.float64, (count, 2, 3)), "reason": (np.uint8, (count,)), "hidden": (np.float32, (count,)),
            "head_px": (np.float32, (count,)), "landmarks": (np.float32, (count, NUM_LANDMARKS, 2)),
            "landmark_confidence": (np.float32, (count,)), "expression": (np.float32, (count, terms)),
            "expression_confidence": (np.float32, (count, terms)), "time_s": (np.float64, (count,)),
        }  # fmt: skip
        for name, (dtype, shape) in shapes.items():
            array = getattr(self, name)
            if array.dtype != dtype or array.shape != shape:
                raise ValueError(f"{name} must be {np.dtype(dtype)} {list(shape)}, got {array.dtype} {list(array.shape)}")
            if not np.isfinite(array).all():
                raise ValueError(f"{name} holds values that are not finite")
        if not np.isin(self.reason, list(Reason)).all():
            raise ValueError("reason holds unknown values")
        if self.size_px <= 0 or self.width_px <= 0 or self.height_px <= 0:
            raise ValueError("a face track needs the sizes of its canvas and its frame")

    def __len__(self) -> int:
        return len(self.time_s)

    def __repr__(self) -> str:
        measured = float((self.landmark_confidence > 0).mean())
        return f"FaceTrack({len(self)} frames, {self.size_px} px, {self.valid.mean():.0%} valid, {measured:.0%} with landmarks)"

    @property
    def valid(self) -> NDArray[np.bool_]:
        """bool [T]: the face is present, turned to the camera, large enough and not hidden."""
        return np.asarray(self.reason == Reason.OK)

    def crop(self, t: int) -> Crop:
        """The face crop of frame t."""
        return Crop(self.to_canvas[t], self.size_px)

    def canvas_landmarks(self) -> FloatArray:
        """Landmarks in canvas px, float32 [T,68,2]; undefined where the confidence is 0."""
        return transform_points(self.landmarks, self.to_canvas)

    def summary(self) -> dict[str, int]:
        """Number of frames per reason, by its name in lower case."""
        return {reason.name.lower(): int((self.reason == reason).sum()) for reason in Reason}


def transform_points(points: FloatArray, transform: NDArray[np.float64]) -> FloatArray:
    """Apply transforms [T,2,3] to points [T,N,2]; float32."""
    moved = np.einsum("tab,tnb->tna", transform[..., :2], points.astype(np.float64)) + transform[:, None, :, 2]
    return np.asarray(moved, np.float32)


def save_faces(path: Path, faces: FaceTrack) -> None:
    """Write to an .npz file, which appears only when complete; nothing is pickled.

    Raises:
        UserError: the name does not end in .npz, or the file cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() != ".npz":
        raise OutputError(f"cannot write {path}: give the faces a name that ends in .npz.")
    arrays: dict[str, Any] = {each.name: np.asarray(getattr(faces, each.name)) for each in fields(faces)}
    with complete_or_absent(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, format=np.array(FORMAT), terms=np.array(EXPRESSION), **arrays)


def load_faces(path: Path) -> FaceTrack:
    """Read a file written by `save_faces`.

    Raises:
        UserError: the file is missing, has another format version, or is damaged.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path} does not exist; faces are written by `save_faces`.")
    try:
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except (OSError, ValueError, TypeError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(f"{path} holds no faces or is damaged; extract them again.") from error
    if str(arrays.pop("format", None)) != FORMAT or tuple(arrays.pop("terms", ())) != EXPRESSION:
        raise InputError(f"{path} holds no faces of this version; extract them again.")
    try:
        integers = {name: int(arrays.pop(name)) for name in ("width_px", "height_px", "size_px")}
        texts = {name: str(arrays.pop(name)) for name in ("detector", "source_sha256")}
        known: dict[str, Any] = {**arrays, **integers, **texts}
        return FaceTrack(**known)
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise InputError(f"{path} holds damaged faces ({error}); extract them again.") from error
