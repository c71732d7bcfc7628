"""What a model carries of its target's faces: enough rows for a neutral face and the range of an expression."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dancenow.face.face_track import FaceTrack
from dancenow.storage.checkpoint import with_prefix

MOST_KEPT: Final = 600


def tensors_of(faces: FaceTrack, rows: NDArray[np.int64]) -> dict[str, Tensor]:
    """The faces of some frames [N], increasing, as a model carries them: at most `MOST_KEPT`, evenly over them."""
    chosen = rows[np.unique(np.linspace(0, len(rows) - 1, min(len(rows), MOST_KEPT)).round().astype(np.int64))]
    held = {name: value[chosen] for name, value in vars(faces).items() if isinstance(value, np.ndarray)}
    return with_prefix("faces", {name: torch.from_numpy(np.ascontiguousarray(value)) for name, value in held.items()})


def faces_of(tensors: Mapping[str, Tensor], subject: Mapping[str, Any], size_px: int) -> FaceTrack:
    """The inverse of `tensors_of`. subject: of the model's header. Raises KeyError, TypeError or ValueError."""
    arrays: dict[str, Any] = {name: np.ascontiguousarray(tensor.cpu().numpy()) for name, tensor in tensors.items()}
    return FaceTrack(
        **arrays,
        width_px=subject["width_px"],
        height_px=subject["height_px"],
        size_px=size_px,
        detector="kept",
        source_sha256=subject["source_sha256"],
    )
