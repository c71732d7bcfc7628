"""The last step of a generator with references by torch, for a GPU."""

import torch
from torch import Tensor
from torch.nn import functional as F

from dancenow.generators.references.cpu_finish import Box, smooth_edges
from dancenow.generators.references.fine_pictures import FinePictures
from dancenow.generators.references.network import Plan, finish


def finish_box(plan: Tensor, pictures: FinePictures, image: Tensor, box: Box) -> None:
    """Generate a part of an image [1,h,w,4] in place, as `cpu_finish.finish_box`.

    h and w are a multiple of the plan's [1,C,S,S], and the image is as fine as the pictures.
    """
    pixels, side_px = pictures.pixels, image.shape[1]
    times = side_px // plan.shape[2]
    warped, head = plan.new_zeros(1, len(pixels), 4, side_px, side_px), plan.new_zeros(1, 5, side_px, side_px)
    below, right = pictures.y_px + pixels.shape[2], pictures.x_px + pixels.shape[3]
    warped[0, :, :, pictures.y_px : below, pictures.x_px : right] = _signed(pixels)
    head[0, :, pictures.y_px : below, pictures.x_px : right] = _signed(pictures.head[None])[0]
    rows, columns = (slice(side.start * times, side.stop * times) for side in box)
    part = plan[:, :, box[0], box[1]]
    size = (part.shape[2] * times, part.shape[3] * times)
    color = enlarge(part[:, :4], size, "bicubic")
    alpha = torch.from_numpy(smooth_edges(color[0, 3].clamp(0, 1).cpu().numpy(), times)).to(color)[None, None]
    whole = torch.cat([color[:, :3], alpha, enlarge(part[:, 4:], size, "bilinear")], dim=1)
    references, head = warped.flatten(1, 2)[:, :, rows, columns], head[:, :, rows, columns]
    finished = finish(Plan.of(whole, len(pixels)), references, head, side_px)
    image[:, rows, columns] = finished.permute(0, 2, 3, 1)


def _signed(planes: Tensor) -> Tensor:
    """Colors in [0,1], multiplied by the validity behind them, to signed ones."""
    return torch.cat([2 * planes[:, :3] - planes[:, 3:4], planes[:, 3:]], dim=1)


def enlarge(planes: Tensor, size: tuple[int, int], kernel: str) -> Tensor:
    """Enlarge planes [N,C,...] to a height and width."""
    return planes if planes.shape[2:] == size else F.interpolate(planes, size=size, mode=kernel, align_corners=False)
