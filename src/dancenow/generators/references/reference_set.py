"""Pictures of the person that a model keeps, to copy from: cut out of the footage, compressed, with their poses.

They show the person as the footage does. A model that contains them is to be protected like the footage itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dancenow.errors import ModelError
from dancenow.types import Pose

PREFIX: Final = "references"
"""Of its tensors in a checkpoint."""
_QUALITY: Final = 88
"""Of WebP, from 0 to 100."""


@dataclass(frozen=True, eq=False)
class ReferenceSet:
    """M pictures of one size.

    rgba: uint8 [M,h,w,4] with straight alpha. pose: [M,K] in px of the pictures. time_s: float64 [M] in the footage.
    px_per_canvas_px: how much larger than on the canvas of the generator the person is in them. source_sha256: of the footage.
    whole_head: bool [M], whether nothing cuts the head off, neither the frame nor an overlay.
    """

    rgba: NDArray[np.uint8]
    pose: Pose
    time_s: NDArray[np.float64]
    px_per_canvas_px: float
    source_sha256: str
    whole_head: NDArray[np.bool_]

    def __post_init__(self) -> None:
        count = len(self.rgba)
        if self.rgba.ndim != 4 or self.rgba.shape[3] != 4 or self.rgba.dtype != np.uint8 or not count:
            raise ValueError(f"rgba must be uint8 [M,h,w,4], got {self.rgba.dtype} {list(self.rgba.shape)}")
        if len(self.pose) != count or self.time_s.shape != (count,) or self.whole_head.shape != (count,):
            raise ValueError(f"there are {count} pictures, but {len(self.pose)} poses and {len(self.time_s)} times")

    def __len__(self) -> int:
        return len(self.rgba)

    def to_tensors(self) -> dict[str, Tensor]:
        """Tensors for a checkpoint; the pictures become WebP."""
        files = [_encode(picture) for picture in self.rgba]
        return {
            "pictures": torch.from_numpy(np.concatenate(files)),
            "ends": torch.from_numpy(np.cumsum([len(file) for file in files])),
            "xy": torch.from_numpy(self.pose.xy),
            "confidence": torch.from_numpy(self.pose.confidence),
            "depth": torch.from_numpy(self.pose.depth),
            "time_s": torch.from_numpy(self.time_s),
            "whole_head": torch.from_numpy(self.whole_head),
            "px_per_canvas_px": torch.tensor(self.px_per_canvas_px, dtype=torch.float64),
        }

    @classmethod
    def of_tensors(cls, tensors: Mapping[str, Tensor], subject: Mapping[str, Any]) -> Self:
        """The inverse of `to_tensors`; subject: from the checkpoint's header.

        Raises:
            ModelError: a part is missing or damaged.
        """
        try:
            arrays = {name: value.cpu().numpy() for name, value in tensors.items()}
            files = np.split(arrays["pictures"], arrays["ends"][:-1])
            pose = Pose(arrays["xy"], arrays["confidence"], arrays["depth"])
            rgba = np.stack([_decode(file) for file in files])
            px_per_canvas_px, whole_head = float(arrays["px_per_canvas_px"]), np.asarray(arrays["whole_head"], np.bool_)
            return cls(rgba, pose, arrays["time_s"], px_per_canvas_px, subject["source_sha256"], whole_head)
        except (KeyError, ValueError, cv2.error) as error:
            raise ModelError(f"the pictures in this model are damaged ({error}); train it again.") from error


def _encode(rgba: NDArray[np.uint8]) -> NDArray[np.uint8]:
    _, file = cv2.imencode(".webp", cv2.cvtColor(rgba, cv2.COLOR_RGBA2BGRA), [cv2.IMWRITE_WEBP_QUALITY, _QUALITY])
    return np.asarray(file, np.uint8).reshape(-1)


def _decode(file: NDArray[np.uint8]) -> NDArray[np.uint8]:
    bgra = cv2.imdecode(np.ascontiguousarray(file), cv2.IMREAD_UNCHANGED)
    if bgra is None or bgra.ndim != 3:
        raise ValueError("a picture cannot be read")
    if bgra.shape[2] == 3:  # WebP drops an alpha that is 255 everywhere
        bgra = np.dstack([bgra, np.full(bgra.shape[:2], 255, np.uint8)])
    return np.asarray(cv2.cvtColor(bgra, cv2.COLOR_BGRA2RGBA), np.uint8)
