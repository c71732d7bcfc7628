"""Photometric, optical and compression augmentation: light, blur, denoising, sharpening, noise, JPEG, camera shake.

Parameters are drawn per sample, real or synthesized alike, and applied to a whole batch on its device.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from dancenow.provenance.forensics.samples import BODY_MAP_STRIDE

_BLUR_RADIUS_PX: Final = 6
"""Half the side of the blur kernels."""
_BLOCK_PX: Final = 8
_LUMA: Final = (0.299, 0.587, 0.114)
_JPEG_LUMA_TABLE: Final = (
    (16, 11, 10, 16, 24, 40, 51, 61), (12, 12, 14, 19, 26, 58, 60, 55), (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62), (18, 22, 37, 56, 68, 109, 103, 77), (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101), (72, 92, 95, 98, 112, 100, 103, 99),
)  # fmt: skip
"""Quantization of luma in JPEG (ITU-T T.81, table K.1)."""
_MIN_SCALE: Final = 0.66


@dataclass(frozen=True)
class Augmentation:
    """Parameters of N samples, arrays [N] unless noted, lengths in crop px; 0 (1 for factors) leaves the sample unchanged.

    scale: factor on the image sides. flipped: mirrored horizontally. shift_px: [N,2], offset of the second image (camera
    shake). blur: standard deviation across, motion_blur: along the direction motion_blur_rad. denoised: as by a camera.
    sharpening: gain of the high-pass detail. noise: standard deviation in levels of 255, color_noise: independent per channel.
    channel_order [N,3], gain [N,3], brightness, contrast, gamma: color and light. jpeg: quality, 0 for none.
    """

    scale: NDArray[np.float32]
    flipped: NDArray[np.bool_]
    shift_px: NDArray[np.float32]
    blur: NDArray[np.float32]
    motion_blur: NDArray[np.float32]
    motion_blur_rad: NDArray[np.float32]
    denoised: NDArray[np.bool_]
    sharpening: NDArray[np.float32]
    noise: NDArray[np.float32]
    color_noise: NDArray[np.bool_]
    channel_order: NDArray[np.int64]
    gain: NDArray[np.float32]
    brightness: NDArray[np.float32]
    contrast: NDArray[np.float32]
    gamma: NDArray[np.float32]
    jpeg: NDArray[np.float32]


def draw_augmentation(rng: np.random.Generator, count: int, prob: float) -> Augmentation:
    """Draw random parameters. prob: of each kind, for each sample."""

    def maybe(low: float, high: float, otherwise: float, kind_prob: float = prob) -> NDArray[np.float32]:
        drawn = rng.uniform(low, high, count)
        return np.where(rng.random(count) < kind_prob, drawn, otherwise).astype(np.float32)

    tinted = rng.random((count, 1)) < prob
    channels = np.tile(np.arange(3), (count, 1))
    shifts = rng.integers(-2, 3, (count, 2)) * (rng.random((count, 1)) < 0.5 * prob)
    return Augmentation(
        scale=maybe(_MIN_SCALE, 1.0, 1.0),
        flipped=rng.random(count) < 0.5,
        shift_px=shifts.astype(np.float32),
        blur=maybe(0.4, 1.6, 0.0),
        motion_blur=maybe(0.6, 2.6, 0.0, 0.6 * prob),
        motion_blur_rad=rng.uniform(0, np.pi, count).astype(np.float32),
        denoised=rng.random(count) < 0.4 * prob,
        sharpening=maybe(0.3, 1.8, 0.0),
        noise=maybe(1.0, 10.0, 0.0),
        color_noise=rng.random(count) < 0.5,
        channel_order=np.where(rng.random((count, 1)) < prob, rng.permuted(channels, axis=1), channels),
        gain=np.where(tinted, rng.uniform(0.85, 1.15, (count, 3)), 1.0).astype(np.float32),
        brightness=maybe(-25, 25, 0.0),
        contrast=maybe(0.7, 1.3, 1.0),
        gamma=maybe(0.7, 1.4, 1.0),
        jpeg=maybe(30, 95, 0.0),
    )


def augment(
    pairs: Tensor, bodies: Tensor, augmentation: Augmentation, crop_px: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Crop and augment pairs uint8 [N,2,S,S,3] and body maps uint8 [N,S/4,S/4].

    Each crop contains some of the body. generator: for the noise and the crop positions, on the pairs' device.

    Returns:
        float32 [N,2,3,W,W] in [-1,1] and [N,1,W/4,W/4] in [0,1].
    """
    device = pairs.device
    crop = _RandomCrop.draw(bodies, augmentation, crop_px, pairs.shape[2], generator)
    scale, images = _to_device(augmentation.scale, device), pairs.permute(0, 1, 4, 2, 3).float()
    cropped = torch.stack([crop.images(images[:, 0], scale), crop.images(images[:, 1], scale, second=True)], 1)
    body = crop.body_maps(bodies[:, None].float().div(255), crop_px // BODY_MAP_STRIDE)
    order = _to_device(augmentation.channel_order, device)[:, None, :, None, None].expand(-1, 2, -1, *cropped.shape[3:])
    out, shape = _adjust_light(cropped.gather(2, order), augmentation), cropped.shape
    for strength, filter_pairs in (
        (augmentation.denoised, _denoise),
        (augmentation.blur + augmentation.motion_blur, _blur),
        (augmentation.sharpening, _sharpen),
    ):
        chosen = np.flatnonzero(strength)
        if len(chosen):
            index = torch.from_numpy(chosen).to(device)
            out = out.index_copy(0, index, filter_pairs(out[index], augmentation, chosen))
    noise = torch.randn((shape[0], 2, 3, *shape[3:]), generator=generator, device=device)
    noise = torch.where(_per_sample(augmentation.color_noise, device), noise, noise[:, :, :1])
    out = (out + noise * _per_sample(augmentation.noise, device)).round().clamp(0, 255)
    chosen = np.flatnonzero(augmentation.jpeg)
    if len(chosen):
        index = torch.from_numpy(chosen).to(device)
        phase = int(augmentation.jpeg.sum()) % _BLOCK_PX
        out = out.index_copy(0, index, _compress_jpeg(out[index], augmentation.jpeg[chosen], phase))
    return out.div(127.5).sub(1.0), body


@dataclass(frozen=True, eq=False)
class _RandomCrop:
    """Top left corner of the crop in an image of `side` px, [N,2] px (x, y), its extent there, and which are mirrored."""

    start: Tensor
    extent: Tensor
    shift_px: Tensor
    flipped: Tensor
    crop_px: int
    side: int

    @classmethod
    def draw(
        cls, bodies: Tensor, augmentation: Augmentation, crop_px: int, side: int, generator: torch.Generator
    ) -> "_RandomCrop":
        count, _, columns = bodies.shape
        device = bodies.device
        on_body = (bodies > 127).reshape(count, -1).float()
        chosen = torch.multinomial(on_body + 1e-6, 1, generator=generator)[:, 0]
        center = torch.stack([chosen % columns, chosen // columns], 1).float() * BODY_MAP_STRIDE
        scale = _to_device(augmentation.scale, device)
        extent = (crop_px / scale).clamp(max=side)
        jitter = (torch.rand((count, 2), generator=generator, device=device) - 0.5) * crop_px / 2
        room = (side - extent)[:, None]
        start = torch.minimum((center + jitter - extent[:, None] / 2).clamp(min=0), room)
        start = torch.where(scale[:, None] == 1, start.floor(), start)  # whole pixels where nothing is resampled
        shift_px, flipped = _to_device(augmentation.shift_px, device), _to_device(augmentation.flipped, device)
        return cls(start, extent, shift_px, flipped, crop_px, side)

    def images(self, image: Tensor, scale: Tensor, second: bool = False) -> Tensor:
        """Crop images [N,3,S,S] to [N,3,W,W], averaging where they are downsampled."""
        grid = self._grid(self.crop_px, self.shift_px if second else None)
        fine = F.grid_sample(image, grid, padding_mode="border", align_corners=False)
        coarse = F.grid_sample(F.avg_pool2d(image, 2), grid, padding_mode="border", align_corners=False)
        coarse_weight = (-torch.log2(scale)).clamp(0, 1)[:, None, None, None]
        return torch.lerp(fine, coarse, coarse_weight)

    def body_maps(self, body: Tensor, size: int) -> Tensor:
        """Crop body maps [N,1,h,w] to [N,1,size,size]."""
        return F.grid_sample(body, self._grid(size, None), padding_mode="border", align_corners=False)

    def _grid(self, size: int, shift_px: Tensor | None) -> Tensor:
        step = (torch.arange(size, device=self.start.device) + 0.5) / size
        start = self.start if shift_px is None else (self.start + shift_px).clamp(min=0)
        across = torch.where(self.flipped[:, None], step.flip(0), step) * self.extent[:, None] + start[:, :1]
        down = step * self.extent[:, None] + start[:, 1:]
        # In pixel-edge coordinates: 0 to side.
        grid = torch.stack([across[:, None].expand(-1, size, -1), down[:, :, None].expand(-1, -1, size)], dim=3)
        return grid * (2 / self.side) - 1


def _adjust_light(pairs: Tensor, augmentation: Augmentation) -> Tensor:
    """Apply gamma, contrast, gain and brightness, in levels of 255."""
    device = pairs.device
    out = 255 * (pairs / 255).clamp(min=1e-4) ** _per_sample(augmentation.gamma, device)
    out = (out - 127.5) * _per_sample(augmentation.contrast, device) + 127.5
    gain = _to_device(augmentation.gain, device)[:, None, :, None, None]
    return (out * gain + _per_sample(augmentation.brightness, device)).clamp(0, 255)


def _blur(pairs: Tensor, augmentation: Augmentation, chosen: NDArray[Any]) -> Tensor:
    """Defocus and motion blur: an anisotropic Gaussian per sample."""
    device = pairs.device
    across = _to_device(np.maximum(augmentation.blur[chosen], 0.25), device)
    along = (across**2 + _to_device(augmentation.motion_blur[chosen], device) ** 2).sqrt()
    angle = _to_device(augmentation.motion_blur_rad[chosen], device)
    axis = torch.arange(-_BLUR_RADIUS_PX, _BLUR_RADIUS_PX + 1, device=device, dtype=torch.float32)
    x, y = axis[None, None, :], axis[None, :, None]
    cos, sin = angle.cos()[:, None, None], angle.sin()[:, None, None]
    far = ((x * cos + y * sin) / along[:, None, None]) ** 2 + ((y * cos - x * sin) / across[:, None, None]) ** 2
    kernel = torch.exp(-0.5 * far)
    kernel = (kernel / kernel.sum((1, 2), keepdim=True))[:, None].repeat_interleave(6, dim=0)
    return _filter_each(pairs, kernel)


def _filter_each(pairs: Tensor, kernel: Tensor) -> Tensor:
    """Convolve pairs [N,2,3,W,W] with kernels [6N,1,k,k], one per channel of each pair."""
    flat = pairs.reshape(1, -1, *pairs.shape[3:])
    reach = kernel.shape[-1] // 2
    padded = F.pad(flat, (reach,) * 4, mode="reflect")
    return F.conv2d(padded, kernel.to(flat.dtype), groups=flat.shape[1]).reshape(pairs.shape)


def _sharpen(pairs: Tensor, augmentation: Augmentation, chosen: NDArray[Any]) -> Tensor:
    """Unsharp masking."""
    axis = torch.arange(-2, 3, device=pairs.device, dtype=torch.float32)
    gaussian = torch.exp(-0.5 * (axis / 1.2) ** 2)
    kernel = (gaussian[:, None] * gaussian / gaussian.sum() ** 2)[None, None].repeat(6 * len(chosen), 1, 1, 1)
    gain = _per_sample(augmentation.sharpening[chosen], pairs.device)
    return (pairs + gain * (pairs - _filter_each(pairs, kernel))).clamp(0, 255)


def _denoise(pairs: Tensor, _augmentation: Augmentation, _chosen: NDArray[Any]) -> Tensor:
    """A 5x5 bilateral filter (Tomasi and Manduchi, 1998)."""
    flat = pairs.flatten(0, 1)
    padded = F.pad(flat, (2, 2, 2, 2), mode="reflect")
    total, weights = torch.zeros_like(flat), torch.zeros_like(flat[:, :1])
    for down in range(5):
        for across in range(5):
            neighbor = padded[:, :, down : down + flat.shape[2], across : across + flat.shape[3]]
            spatial = float(np.exp(-0.125 * ((down - 2) ** 2 + (across - 2) ** 2)))
            weight = spatial * torch.exp((neighbor - flat).square().mean(1, keepdim=True) * (-0.5 / 18.0**2))
            total, weights = total + weight * neighbor, weights + weight
    return (total / weights).reshape(pairs.shape)


def _compress_jpeg(pairs: Tensor, quality: NDArray[np.float32], phase: int) -> Tensor:
    """JPEG without chroma subsampling: quantize the DCT of 8x8 blocks. phase: offset of the block grid, px."""
    device = pairs.device
    to_ycc, to_rgb = (each.to(device) for each in _ycc_matrices())
    rolled = torch.roll(pairs, (phase, phase), dims=(3, 4))
    count, _, _, height, width = rolled.shape
    rows, columns = height // _BLOCK_PX * _BLOCK_PX, width // _BLOCK_PX * _BLOCK_PX
    ycc = torch.einsum("ij,npjhw->npihw", to_ycc, rolled[..., :rows, :columns] - 127.5)
    blocks = ycc.reshape(count, 2, 3, rows // _BLOCK_PX, _BLOCK_PX, columns // _BLOCK_PX, _BLOCK_PX)
    cosine = _dct_matrix(device)
    spectrum = torch.einsum("ua,npchawb,vb->npchuwv", cosine, blocks, cosine)
    scale = np.where(quality < 50, 5000 / quality, 200 - 2 * quality) / 100
    table = torch.tensor(_JPEG_LUMA_TABLE, device=device, dtype=torch.float32)
    steps = (table * _to_device(scale.astype(np.float32), device)[:, None, None]).round().clamp(1, 255)
    coarser = torch.tensor([1.0, 1.5, 1.5], device=device)
    steps = steps[:, None, None, None, :, None, :] * coarser[None, None, :, None, None, None, None]
    spectrum = (spectrum / steps).round() * steps
    ycc = torch.einsum("ua,npchuwv,vb->npchawb", cosine, spectrum, cosine).reshape(ycc.shape)
    out = rolled.clone()
    out[..., :rows, :columns] = torch.einsum("ij,npjhw->npihw", to_rgb, ycc) + 127.5
    return torch.roll(out, (-phase, -phase), dims=(3, 4)).round().clamp(0, 255)


def _ycc_matrices() -> tuple[Tensor, Tensor]:
    """RGB to YCbCr and back, [3,3] each."""
    red, green, blue = _LUMA
    rows = [
        [red, green, blue],
        [-0.5 * red / (1 - blue), -0.5 * green / (1 - blue), 0.5],
        [0.5, -0.5 * green / (1 - red), -0.5 * blue / (1 - red)],
    ]
    to_ycc = torch.tensor(rows)
    return to_ycc, torch.linalg.inv(to_ycc)


def _dct_matrix(device: torch.device) -> Tensor:
    """The orthonormal DCT matrix [8,8] of a block."""
    position, order = np.arange(_BLOCK_PX) + 0.5, np.arange(_BLOCK_PX)[:, None]
    cosine = np.cos(np.pi / _BLOCK_PX * order * position) * np.sqrt(np.where(order == 0, 1, 2) / _BLOCK_PX)
    return torch.from_numpy(cosine.astype(np.float32)).to(device)


def _to_device(values: NDArray[Any], device: torch.device) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values)).to(device)


def _per_sample(values: NDArray[Any], device: torch.device) -> Tensor:
    """Reshape [N] to [N,1,1,1,1]."""
    return _to_device(values, device)[:, None, None, None, None]
