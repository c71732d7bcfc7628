"""How much of the truth survives the canvas: cut out as for training, put back as for a result, with several kernels.

No generator of that canvas can be sharper than this.
"""

from pathlib import Path
from typing import Any, Final, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from dancenow.evaluation.frame_metrics import region_to_tensor
from dancenow.media.source import read_frames_at
from dancenow.metrics.images import sharpness, ssim_map
from dancenow.metrics.perceptual import PerceptualDistance
from dancenow.metrics.regions import person_box
from dancenow.pose.person_crop import crop_image, crop_image_softly, track_crop
from dancenow.types import Crop, ImageRGB, PoseTrack

Kernel = Literal["product", "soft and cubic", "area and cubic", "area and Lanczos", "supersampled and Lanczos"]
KERNELS: Final[tuple[Kernel, ...]] = (
    "product",
    "soft and cubic",
    "area and cubic",
    "area and Lanczos",
    "supersampled and Lanczos",
)
CANVASES_PX: Final = (256, 384, 512)
_OVER: Final = 4
_FRAMES: Final = 10


def through_canvas(image: ImageRGB, crop: Crop, kernel: Kernel) -> ImageRGB:
    """Cut a frame to the canvas and put it back, uint8 [H,W,3]."""
    size = (image.shape[1], image.shape[0])
    if kernel in ("product", "soft and cubic"):
        canvas = crop_image(image, crop) if kernel == "product" else crop_image_softly(image, crop)
        return np.asarray(cv2.warpAffine(canvas, crop.to_frame, size, flags=cv2.INTER_CUBIC), np.uint8)
    canvas = _reduced(image, crop, cv2.INTER_LANCZOS4 if kernel == "supersampled and Lanczos" else cv2.INTER_LINEAR)
    flags = cv2.INTER_CUBIC if kernel == "area and cubic" else cv2.INTER_LANCZOS4
    return np.asarray(cv2.warpAffine(canvas, crop.to_frame, size, flags=flags), np.uint8)


def _reduced(image: ImageRGB, crop: Crop, flags: int) -> ImageRGB:
    """The canvas as the mean over each px of samples of a finer one."""
    fine = crop.to_canvas * _OVER
    fine[:, 2] += (_OVER - 1) / 2
    side = crop.size * _OVER
    large = cv2.warpAffine(image, fine, (side, side), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(cv2.resize(large, (crop.size, crop.size), interpolation=cv2.INTER_AREA), np.uint8)


def measure_resampling(video: Path, track: PoseTrack, frames: NDArray[np.int64]) -> dict[str, Any]:
    """SSIM, perceptual distance and sharpness in the person's box, by size of the canvas and kernel."""
    some = frames[np.linspace(0, len(frames) - 1, min(_FRAMES, len(frames))).round().astype(int)]
    distance = PerceptualDistance().eval()
    images = list(read_frames_at(video, some.tolist()))
    result: dict[str, Any] = {}
    for canvas_px in CANVASES_PX:
        crops = track_crop(track.pose, track.time_s, canvas_px, track.cuts)
        for kernel in KERNELS:
            rows = []
            for frame in images:
                box = person_box(track.pose[frame.index], track.width_px, track.height_px)
                assert box is not None
                back = through_canvas(frame.image_rgb, crops[frame.index], kernel)
                own, true = box.crop(back), box.crop(frame.image_rgb)
                near = float(distance(region_to_tensor(own, "person"), region_to_tensor(true, "person")))
                rows.append((float(box.crop(ssim_map(back, frame.image_rgb)).mean()), near, sharpness(own) / sharpness(true)))
            ssim, perceptual, sharp = np.mean(rows, axis=0).round(4).tolist()
            result[f"{canvas_px} px, {kernel}"] = {"SSIM": ssim, "perceptual": perceptual, "sharpness": sharp}
        result[f"{canvas_px} px, scale"] = round(float(np.mean([crops[i].to_canvas[0, 0] for i in some])), 3)
    return result
