"""A simple camera: what a sensor, its processing and a hand do to frames of a scene, so that rendered clips look filmed.

    scene light -> motion blur -> exposure -> color filter array with noise -> demosaicing -> denoising -> tone -> sharpening

Noise has a part that grows with the light and one that does not (Foi et al., 2008). `film` makes what a camera records of the
scene; `hold_by_hand` moves a finished clip, real or synthesized, as if it had been filmed once more.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from dancenow.types import FloatArray, ImageRGB

_GAMMA: Final = 2.2
_MAX_RAW: Final = 65535
_BLUR_STEPS: Final = 4
"""Moments within the time of exposure that are averaged."""
_LUMA: Final = (0.299, 0.587, 0.114)


@dataclass(frozen=True)
class CameraModel:
    """Lengths in px, light in [0,1].

    shutter: fraction of a frame's time in which light is collected; 0 for no motion blur. exposure_drift: largest relative
    change of the exposure over the clip. shot_noise, read_noise: variance per light and standard deviation. demosaiced: the
    sensor has the resolution of the frame; else noise is only correlated. denoising: strength of the camera's own, 0 for none.
    contrast: of the tone curve, 1 for none. saturation: 1 for none. sharpening: gain of the fine detail.
    """

    shutter: float = 0.0
    exposure_drift: float = 0.0
    shot_noise: float = 0.0
    read_noise: float = 0.0
    demosaiced: bool = False
    denoising: float = 0.0
    contrast: float = 1.0
    saturation: float = 1.0
    sharpening: float = 0.0

    @classmethod
    def random(cls, rng: np.random.Generator) -> Self:
        """A camera between a good one in daylight and a webcam in a dim room."""
        dim = rng.random() ** 1.5
        return cls(
            shutter=float(rng.uniform(0.2, 0.8)) if rng.random() < 0.5 else 0.0,
            exposure_drift=float(rng.uniform(0.02, 0.15)) if rng.random() < 0.4 else 0.0,
            shot_noise=float(0.0002 + 0.003 * dim),
            read_noise=float(0.001 + 0.012 * dim),
            demosaiced=bool(rng.random() < 0.5),
            denoising=float(rng.uniform(0.3, 1.5)) if rng.random() < 0.6 else 0.0,
            contrast=float(rng.uniform(0.8, 1.5)),
            saturation=float(rng.uniform(0.7, 1.4)),
            sharpening=float(rng.uniform(0.3, 1.6)) if rng.random() < 0.7 else 0.0,
        )

    def film(self, frames: Sequence[ImageRGB], rng: np.random.Generator) -> list[ImageRGB]:
        """What the camera records of consecutive frames."""
        drift = _slow_drift(len(frames), rng) * self.exposure_drift
        blurred = blur_motion(frames, self.shutter) if self.shutter else frames
        return [self._record(frame, 1 + float(change), rng) for frame, change in zip(blurred, drift, strict=True)]

    def without_noise(self, image: ImageRGB) -> ImageRGB:
        """What it records of an empty room on average."""
        quiet = CameraModel(
            demosaiced=self.demosaiced, contrast=self.contrast, saturation=self.saturation, sharpening=self.sharpening
        )
        return quiet._record(image, 1.0, np.random.default_rng(0))

    def _record(self, image: ImageRGB, exposure: float, rng: np.random.Generator) -> ImageRGB:
        scene = np.asarray((image.astype(np.float32) / 255) ** _GAMMA * np.float32(exposure), np.float32)
        light = self._sense_mosaic(scene, rng) if self.demosaiced else self._add_noise(scene, rng, blur=0.7)
        out = np.asarray(np.clip(light, 0, 1) ** np.float32(1 / _GAMMA), np.float32)
        if self.denoising:
            out = np.asarray(cv2.bilateralFilter(out, 5, 0.06 * self.denoising, 1.5), np.float32)
        out = self._apply_tone(out)
        gray = (out @ np.array(_LUMA, np.float32))[..., None]
        out = gray + (out - gray) * np.float32(self.saturation)
        if self.sharpening:
            out = out + np.float32(self.sharpening) * (out - _blur(out, 1.0))
        return np.clip(np.rint(out * 255), 0, 255).astype(np.uint8)

    def _apply_tone(self, image: FloatArray) -> FloatArray:
        """More contrast with soft shoulders, or less."""
        centered = image - np.float32(0.5)
        if self.contrast <= 1:
            return np.asarray(0.5 + centered * np.float32(self.contrast), np.float32)
        return np.asarray(0.5 + 0.5 * np.tanh(centered * 2 * self.contrast) / np.tanh(self.contrast), np.float32)

    def _add_noise(self, light: FloatArray, rng: np.random.Generator, blur: float) -> FloatArray:
        noise = rng.standard_normal(light.shape, np.float32)
        if blur:
            noise = _blur(noise, blur)
        return np.asarray(light + noise * np.sqrt(self.shot_noise * light + self.read_noise**2), np.float32)

    def _sense_mosaic(self, light: FloatArray, rng: np.random.Generator) -> FloatArray:
        """Each pixel senses one color; the others are interpolated."""
        mosaic = light[..., 1].copy()
        mosaic[::2, ::2], mosaic[1::2, 1::2] = light[::2, ::2, 0], light[1::2, 1::2, 2]
        raw = np.clip(self._add_noise(mosaic, rng, blur=0.0), 0, 1) * _MAX_RAW
        colors = cv2.cvtColor(raw.astype(np.uint16), cv2.COLOR_BayerRGGB2RGB_EA)
        return np.asarray(colors.astype(np.float32) / _MAX_RAW, np.float32)


def _blur(image: FloatArray, sigma_px: float) -> FloatArray:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma_px), np.float32)


def _slow_drift(count: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Values in [-1,1] that change slowly."""
    phase, turns = rng.uniform(0, 2 * np.pi), rng.uniform(0.2, 1.5)
    return np.asarray(np.sin(phase + 2 * np.pi * turns * np.arange(count) / max(count, 1)), np.float64)


def blur_motion(frames: Sequence[ImageRGB], shutter: float) -> list[ImageRGB]:
    """Average what moves over the time of exposure, along the optical flow (DIS: Kroeger et al., 2016)."""
    estimate = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
    grays = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames]
    out = []
    for index, frame in enumerate(frames):
        other = min(index + 1, len(frames) - 1)
        still = np.zeros((*grays[index].shape, 2), np.float32)
        flow = np.asarray(estimate.calc(grays[index], grays[other], still), np.float32)
        total = np.zeros(frame.shape, np.float32)
        for moment in np.linspace(-0.5, 0.5, _BLUR_STEPS) * shutter:
            total += displace(frame, flow * np.float32(moment))
        out.append(np.rint(total / _BLUR_STEPS).astype(np.uint8))
    return out


def displace(image: ImageRGB, offset_px: FloatArray) -> ImageRGB:
    """The image with each pixel taken from `offset_px` [H,W,2] (x, y) away."""
    down, across = np.mgrid[: image.shape[0], : image.shape[1]].astype(np.float32)
    x, y = across + offset_px[..., 0], down + offset_px[..., 1]
    return np.asarray(cv2.remap(image, x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT), np.uint8)


def hold_by_hand(frames: Sequence[ImageRGB], rng: np.random.Generator) -> list[ImageRGB]:
    """Move a clip as a hand moves a camera, read out row by row; a border that moves into the picture is mirrored."""
    height, width = frames[0].shape[:2]
    amplitude_px, tremble_px = rng.uniform(0.5, 0.01 * width), rng.uniform(0.0, 0.8)
    path = np.stack([_slow_drift(len(frames), rng) for _ in range(2)], axis=1) * amplitude_px
    path += rng.normal(0, tremble_px, path.shape)
    speed = np.gradient(path, axis=0) if len(path) > 1 else np.zeros_like(path)
    readout, roll = rng.uniform(0.2, 0.9), _slow_drift(len(frames), rng) * rng.uniform(0, 0.01)
    rows = np.linspace(-0.5, 0.5, height, dtype=np.float32)[:, None]
    columns = np.linspace(-0.5, 0.5, width, dtype=np.float32)[None]
    out = []
    for frame, place, velocity, angle in zip(frames, path, speed, roll, strict=True):
        x = place[0] + readout * velocity[0] * rows - angle * rows * height + 0 * columns
        y = place[1] + readout * velocity[1] * rows + angle * columns * width
        out.append(displace(frame, np.stack([x, y], axis=2).astype(np.float32)))
    return out
