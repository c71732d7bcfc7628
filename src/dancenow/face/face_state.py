"""The target's faces that a model stores: enough rows for a neutral face and the range of each expression."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dancenow.face.face_track import FaceTrack
from dancenow.storage.checkpoint import with_prefix

MAX_STORED_FACES: Final = 600


def face_tensors(faces: FaceTrack, rows: NDArray[np.int64]) -> dict[str, Tensor]:
    """Tensors of the faces in the given frames [N], increasing: at most `MAX_STORED_FACES`, evenly spread."""
    chosen = rows[np.unique(np.linspace(0, len(rows) - 1, min(len(rows), MAX_STORED_FACES)).round().astype(np.int64))]
    arrays = {name: value[chosen] for name, value in vars(faces).items() if isinstance(value, np.ndarray)}
    return with_prefix("faces", {name: torch.from_numpy(np.ascontiguousarray(value)) for name, value in arrays.items()})


def faces_from_tensors(tensors: Mapping[str, Tensor], subject: Mapping[str, Any], size_px: int) -> FaceTrack:
    """Rebuild the track from `face_tensors`. subject: from the model's header. Raises KeyError, TypeError or ValueError."""
    arrays: dict[str, Any] = {name: np.ascontiguousarray(tensor.cpu().numpy()) for name, tensor in tensors.items()}
    return FaceTrack(
        **arrays,
        width_px=subject["width_px"],
        height_px=subject["height_px"],
        size_px=size_px,
        detector="kept",
        source_sha256=subject["source_sha256"],
    )
