"""What a look may have been through before anybody sees it: light, optics, denoising, sharpening, noise, JPEG, a shaky camera.

Drawn for each look by itself and done on the device to a whole batch, so that none of it tells real from synthetic.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from dancenow.provenance.forensics.samples import BODY_SHARE

_REACH: Final = 6
"""Half the side of the kernels of blur, in px."""
_BLOCK: Final = 8
_LUMA: Final = (0.299, 0.587, 0.114)
_TABLE: Final = (
    (16, 11, 10, 16, 24, 40, 51, 61), (12, 12, 14, 19, 26, 58, 60, 55), (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62), (18, 22, 37, 56, 68, 109, 103, 77), (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101), (72, 92, 95, 98, 112, 100, 103, 99),
)  # fmt: skip
"""Quantization of luma in JPEG (ITU-T T.81, table K.1)."""
_LEAST_SHRINK: Final = 0.66


@dataclass(frozen=True)
class Disguise:
    """Of N looks, an array [N] each, lengths in px of the window; 0 (or 1 for factors) is: not done.

    shrink: factor on the picture's sides. mirrored: bool. moved: [N,2] px that the second picture is off by. blur: standard
    deviation across, smear: along the direction smear_rad. smoothed: bool, as by a camera's denoising. sharpened: share of
    the fine that is added. noise: deviation in levels of 255, coloured: bool. gain [N,3], lift, contrast, gamma: of the light.
    jpeg: quality, 0 for none.
    """

    shrink: NDArray[np.float32]
    mirrored: NDArray[np.bool_]
    moved: NDArray[np.float32]
    blur: NDArray[np.float32]
    smear: NDArray[np.float32]
    smear_rad: NDArray[np.float32]
    smoothed: NDArray[np.bool_]
    sharpened: NDArray[np.float32]
    noise: NDArray[np.float32]
    coloured: NDArray[np.bool_]
    dyed: NDArray[np.int64]
    gain: NDArray[np.float32]
    lift: NDArray[np.float32]
    contrast: NDArray[np.float32]
    gamma: NDArray[np.float32]
    jpeg: NDArray[np.float32]


def draw_disguise(rng: np.random.Generator, count: int, chance: float) -> Disguise:
    """At random. chance: of each kind, for each look."""

    def maybe(low: float, high: float, otherwise: float, of: float = chance) -> NDArray[np.float32]:
        drawn = rng.uniform(low, high, count)
        return np.where(rng.random(count) < of, drawn, otherwise).astype(np.float32)

    tinted = rng.random((count, 1)) < chance
    channels = np.tile(np.arange(3), (count, 1))
    moves = rng.integers(-2, 3, (count, 2)) * (rng.random((count, 1)) < 0.5 * chance)
    return Disguise(
        shrink=maybe(_LEAST_SHRINK, 1.0, 1.0),
        mirrored=rng.random(count) < 0.5,
        moved=moves.astype(np.float32),
        blur=maybe(0.4, 1.6, 0.0),
        smear=maybe(0.6, 2.6, 0.0, 0.6 * chance),
        smear_rad=rng.uniform(0, np.pi, count).astype(np.float32),
        smoothed=rng.random(count) < 0.4 * chance,
        sharpened=maybe(0.3, 1.8, 0.0),
        noise=maybe(1.0, 10.0, 0.0),
        coloured=rng.random(count) < 0.5,
        dyed=np.where(rng.random((count, 1)) < chance, rng.permuted(channels, axis=1), channels),
        gain=np.where(tinted, rng.uniform(0.85, 1.15, (count, 3)), 1.0).astype(np.float32),
        lift=maybe(-25, 25, 0.0),
        contrast=maybe(0.7, 1.3, 1.0),
        gamma=maybe(0.7, 1.4, 1.0),
        jpeg=maybe(30, 95, 0.0),
    )


def disguised(
    pairs: Tensor, bodies: Tensor, how: Disguise, window_px: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Pairs uint8 [N,2,S,S,3] and bodies uint8 [N,S/4,S/4] to float32 [N,2,3,W,W] in [-1,1] and [N,1,W/4,W/4] in [0,1].

    The window has some of the body. generator: of the noise and of the places, on the pairs' device.
    """
    device = pairs.device
    place = _Place.draw(bodies, how, window_px, pairs.shape[2], generator)
    whole = pairs.permute(0, 1, 4, 2, 3).float()
    seen = torch.stack(
        [place.of(whole[:, 0], _on(how.shrink, device)), place.of(whole[:, 1], _on(how.shrink, device), True)], 1
    )
    body = place.of_body(bodies[:, None].float().div(255), window_px // BODY_SHARE)
    order = _on(how.dyed, device)[:, None, :, None, None].expand(-1, 2, -1, *seen.shape[3:])
    light, shape = _lit(seen.gather(2, order), how), seen.shape
    for name, do in (("smoothed", _smoothed), ("blurred", _blurred), ("sharpened", _sharpened)):
        which = how.blur + how.smear if name == "blurred" else getattr(how, name)
        chosen = np.flatnonzero(which)
        if len(chosen):
            index = torch.from_numpy(chosen).to(device)
            part = do(light[index], how, chosen)
            light = light.index_copy(0, index, part)
    coarse = torch.randn((shape[0], 2, 3, *shape[3:]), generator=generator, device=device)
    grey = torch.where(_like(how.coloured, device), coarse, coarse[:, :, :1])
    light = (light + grey * _like(how.noise, device)).round().clamp(0, 255)
    chosen = np.flatnonzero(how.jpeg)
    if len(chosen):
        index = torch.from_numpy(chosen).to(device)
        light = light.index_copy(0, index, _packed(light[index], how.jpeg[chosen], int(how.jpeg.sum()) % _BLOCK))
    return light.div(127.5).sub(1.0), body


@dataclass(frozen=True, eq=False)
class _Place:
    """Where the window begins in a picture of `side` px, [N,2] px (x, y), how large it is there, and which are mirrored."""

    start: Tensor
    extent: Tensor
    moved: Tensor
    mirrored: Tensor
    window_px: int
    side: int

    @classmethod
    def draw(cls, bodies: Tensor, how: Disguise, window_px: int, side: int, generator: torch.Generator) -> "_Place":
        count, _, columns = bodies.shape
        device = bodies.device
        on_body = (bodies > 127).reshape(count, -1).float()
        chosen = torch.multinomial(on_body + 1e-6, 1, generator=generator)[:, 0]
        centre = torch.stack([chosen % columns, chosen // columns], 1).float() * BODY_SHARE
        extent = (window_px / _on(how.shrink, device)).clamp(max=side)
        jitter = (torch.rand((count, 2), generator=generator, device=device) - 0.5) * window_px / 2
        room = (side - extent)[:, None]
        start = torch.minimum((centre + jitter - extent[:, None] / 2).clamp(min=0), room)
        start = torch.where(_on(how.shrink, device)[:, None] == 1, start.floor(), start)  # whole pixels where nothing shrinks
        return cls(start, extent, _on(how.moved, device), _on(how.mirrored, device), window_px, side)

    def of(self, picture: Tensor, shrink: Tensor, second: bool = False) -> Tensor:
        """The window of pictures [N,3,S,S], averaged where it shrinks, [N,3,W,W]."""
        grid = self._grid(self.window_px, self.moved if second else None)
        fine = F.grid_sample(picture, grid, padding_mode="border", align_corners=False)
        coarse = F.grid_sample(F.avg_pool2d(picture, 2), grid, padding_mode="border", align_corners=False)
        share = (-torch.log2(shrink)).clamp(0, 1)[:, None, None, None]
        return torch.lerp(fine, coarse, share)

    def of_body(self, body: Tensor, cells: int) -> Tensor:
        """The same of maps of the body [N,1,h,w]."""
        return F.grid_sample(body, self._grid(cells, None), padding_mode="border", align_corners=False)

    def _grid(self, cells: int, moved: Tensor | None) -> Tensor:
        step = (torch.arange(cells, device=self.start.device) + 0.5) / cells
        start = self.start if moved is None else (self.start + moved).clamp(min=0)
        across = torch.where(self.mirrored[:, None], step.flip(0), step) * self.extent[:, None] + start[:, :1]
        down = step * self.extent[:, None] + start[:, 1:]
        grid = torch.stack(
            [across[:, None].expand(-1, cells, -1), down[:, :, None].expand(-1, -1, cells)], dim=3
        )  # of picture edges: 0 to side
        return grid * (2 / self.side) - 1


def _lit(pairs: Tensor, how: Disguise) -> Tensor:
    """In other light; levels of 255, not clipped."""
    device = pairs.device
    out = 255 * (pairs / 255).clamp(min=1e-4) ** _like(how.gamma, device)
    out = (out - 127.5) * _like(how.contrast, device) + 127.5
    gain = _on(how.gain, device)[:, None, :, None, None]
    return (out * gain + _like(how.lift, device)).clamp(0, 255)


def _blurred(pairs: Tensor, how: Disguise, chosen: NDArray[Any]) -> Tensor:
    """Out of focus and smeared: a Gaussian, longer in one direction, another for every look."""
    device = pairs.device
    across = _on(np.maximum(how.blur[chosen], 0.25), device)
    along = (across**2 + _on(how.smear[chosen], device) ** 2).sqrt()
    angle = _on(how.smear_rad[chosen], device)
    axis = torch.arange(-_REACH, _REACH + 1, device=device, dtype=torch.float32)
    x, y = axis[None, None, :], axis[None, :, None]
    cos, sin = angle.cos()[:, None, None], angle.sin()[:, None, None]
    far = ((x * cos + y * sin) / along[:, None, None]) ** 2 + ((y * cos - x * sin) / across[:, None, None]) ** 2
    kernel = torch.exp(-0.5 * far)
    kernel = (kernel / kernel.sum((1, 2), keepdim=True))[:, None].repeat_interleave(6, dim=0)
    return _each_filtered(pairs, kernel)


def _each_filtered(pairs: Tensor, kernel: Tensor) -> Tensor:
    """Pairs [N,2,3,W,W] under kernels [6N,1,k,k], one for each channel of each."""
    flat = pairs.reshape(1, -1, *pairs.shape[3:])
    reach = kernel.shape[-1] // 2
    padded = F.pad(flat, (reach,) * 4, mode="reflect")
    return F.conv2d(padded, kernel.to(flat.dtype), groups=flat.shape[1]).reshape(pairs.shape)


def _sharpened(pairs: Tensor, how: Disguise, chosen: NDArray[Any]) -> Tensor:
    axis = torch.arange(-2, 3, device=pairs.device, dtype=torch.float32)
    bell = torch.exp(-0.5 * (axis / 1.2) ** 2)
    kernel = (bell[:, None] * bell / bell.sum() ** 2)[None, None].repeat(6 * len(chosen), 1, 1, 1)
    share = _like(how.sharpened[chosen], pairs.device)
    return (pairs + share * (pairs - _each_filtered(pairs, kernel))).clamp(0, 255)


def _smoothed(pairs: Tensor, _how: Disguise, _chosen: NDArray[Any]) -> Tensor:
    """A bilateral filter (Tomasi and Manduchi, 1998): what differs little is averaged, edges stay."""
    flat = pairs.flatten(0, 1)
    padded = F.pad(flat, (2, 2, 2, 2), mode="reflect")
    total, weights = torch.zeros_like(flat), torch.zeros_like(flat[:, :1])
    for down in range(5):
        for across in range(5):
            beside = padded[:, :, down : down + flat.shape[2], across : across + flat.shape[3]]
            near = float(np.exp(-0.125 * ((down - 2) ** 2 + (across - 2) ** 2)))
            weight = near * torch.exp((beside - flat).square().mean(1, keepdim=True) * (-0.5 / 18.0**2))
            total, weights = total + weight * beside, weights + weight
    return (total / weights).reshape(pairs.shape)


def _packed(pairs: Tensor, quality: NDArray[np.float32], phase: int) -> Tensor:
    """As by JPEG with colours at full resolution: blocks of 8x8 px, their cosine transform quantized. phase: of the blocks."""
    device = pairs.device
    to_ycc, to_rgb = (each.to(device) for each in _colours())
    rolled = torch.roll(pairs, (phase, phase), dims=(3, 4))
    count, _, _, height, width = rolled.shape
    rows, columns = height // _BLOCK * _BLOCK, width // _BLOCK * _BLOCK
    ycc = torch.einsum("ij,npjhw->npihw", to_ycc, rolled[..., :rows, :columns] - 127.5)
    blocks = ycc.reshape(count, 2, 3, rows // _BLOCK, _BLOCK, columns // _BLOCK, _BLOCK)
    cosine = _cosines(device)
    spectrum = torch.einsum("ua,npchawb,vb->npchuwv", cosine, blocks, cosine)
    scale = np.where(quality < 50, 5000 / quality, 200 - 2 * quality) / 100
    table = torch.tensor(_TABLE, device=device, dtype=torch.float32)
    steps = (table * _on(scale.astype(np.float32), device)[:, None, None]).round().clamp(1, 255)
    coarser = torch.tensor([1.0, 1.5, 1.5], device=device)
    steps = steps[:, None, None, None, :, None, :] * coarser[None, None, :, None, None, None, None]
    spectrum = (spectrum / steps).round() * steps
    back = torch.einsum("ua,npchuwv,vb->npchawb", cosine, spectrum, cosine).reshape(ycc.shape)
    done = rolled.clone()
    done[..., :rows, :columns] = torch.einsum("ij,npjhw->npihw", to_rgb, back) + 127.5
    return torch.roll(done, (-phase, -phase), dims=(3, 4)).round().clamp(0, 255)


def _colours() -> tuple[Tensor, Tensor]:
    """RGB to luma and two differences of colour, and back, [3,3] each."""
    red, green, blue = _LUMA
    rows = [
        [red, green, blue],
        [-0.5 * red / (1 - blue), -0.5 * green / (1 - blue), 0.5],
        [0.5, -0.5 * green / (1 - red), -0.5 * blue / (1 - red)],
    ]
    to_ycc = torch.tensor(rows)
    return to_ycc, torch.linalg.inv(to_ycc)


def _cosines(device: torch.device) -> Tensor:
    """The orthonormal cosine transform [8,8] of a block."""
    place, order = np.arange(_BLOCK) + 0.5, np.arange(_BLOCK)[:, None]
    cosine = np.cos(np.pi / _BLOCK * order * place) * np.sqrt(np.where(order == 0, 1, 2) / _BLOCK)
    return torch.from_numpy(cosine.astype(np.float32)).to(device)


def _on(values: NDArray[Any], device: torch.device) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values)).to(device)


def _like(values: NDArray[Any], device: torch.device) -> Tensor:
    """[N] as [N,1,1,1,1]."""
    return _on(values, device)[:, None, None, None, None]
