"""Warped pictures around the person, finer than the canvas."""

from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True, eq=False)
class FinePictures:
    """A part of K canvases, from column `x_px` and row `y_px` on; outside of it they show nothing.

    pixels: float [K,4,h,w], red, green and blue in [0,1], multiplied by the validity in [0,1]. head: float [5,h,w], the head in
    the first of them with its whole outline. Its first four planes are as in `pixels`; the fifth is how much is known of it.
    Where the validity is less than that, there is background beside the head. px_per_canvas_px: of the generator's canvas.
    """

    x_px: int
    y_px: int
    pixels: Tensor
    head: Tensor
    px_per_canvas_px: int = 2

    def halved(self) -> "FinePictures":
        """The means of 2x2 px; the corner must be even."""
        if not self.pixels.numel():
            return self
        pixels, head = (F.avg_pool2d(each, 2) for each in (self.pixels, self.head))
        return FinePictures(self.x_px // 2, self.y_px // 2, pixels, head, self.px_per_canvas_px // 2)
