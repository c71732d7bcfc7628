"""Measure the completion of unseen background against the empty room, for rendered dancers who stay in place.

Usage: python -m dancenow.research.recipes.background_completion CLIPS OUT.json

CLIPS is a folder; clips that are missing in it are rendered. Measured in two holes: where the plate is not known, for the
smooth filling and the completion of all of it, and where the person was in front in every frame, for the plate as `prepare`
writes it and the same plate with that part filled smoothly; what was seen in the person's shadow is the same in both.
"""

import json
import sys
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from dancenow.media.source import read_masks
from dancenow.metrics.images import LEVELS
from dancenow.metrics.perceptual import PerceptualDistance
from dancenow.metrics.st_lpips import StLpips
from dancenow.research.bench.results import measurement_info
from dancenow.research.studio.body import build_body
from dancenow.research.studio.clip import Clip, create_performance, render_performance
from dancenow.research.studio.identity import IDENTITIES
from dancenow.research.studio.random_sampling import random_room
from dancenow.research.studio.scene import ROOMS
from dancenow.storage.atomic_io import complete_or_absent
from dancenow.subject.background.background_plate import estimate_plate
from dancenow.subject.background.completion import complete
from dancenow.subject.background.hole_filling import fill_smoothly
from dancenow.types import ImageRGB

FPS: Final = 12
SECONDS: Final = 2.0
_DISTANCES: Final = ("perceptual", "ST-LPIPS")
_MASK_LEVEL: Final = 25
_GROWN_PX: Final = 7
"""The person's edge, which the plate does not use either."""
_MARGIN_PX: Final = 16
"""Around the hole, so that the networks see what it borders on."""


@dataclass(frozen=True)
class Case:
    """A dancer in a room: one of `ROOMS`, or the seed of a random one with another camera and light."""

    identity: str
    dance: str
    room: str | int
    width_px: int
    height_px: int
    start_s: float

    @property
    def name(self) -> str:
        """Name of its clip."""
        return f"{self.identity}_{self.room}"


CASES: Final = (
    Case("dov", "spark", "loft", 512, 512, 3.0),
    Case("eve", "drift", "bright", 512, 512, 4.0),
    Case("chi", "pulse", 1, 512, 512, 3.0),
    Case("ada", "spark", 2, 480, 640, 5.0),
    Case("ben", "drift", 3, 512, 512, 10.0),
    Case("fin", "pulse", 4, 640, 640, 6.0),
)


def film(case: Case, folder: Path) -> Clip:
    """Render the clip of a case unless it is there."""
    path = folder / f"{case.name}.mp4"
    if path.is_file():
        return Clip(path)
    room = ROOMS[case.room] if isinstance(case.room, str) else random_room(np.random.default_rng((7, case.room)))
    body = build_body(IDENTITIES[case.identity])
    performance = create_performance(body, case.dance, FPS, SECONDS, case.start_s)
    return render_performance(
        body, performance, room, path, fps=Fraction(FPS), width_px=case.width_px, height_px=case.height_px
    )


class HoleMeter:
    """Compares images with the truth inside a hole."""

    def __init__(self) -> None:
        self._perceptual, self._st_lpips = PerceptualDistance().eval(), StLpips.pretrained()

    @torch.no_grad()
    def measure(self, image_rgb: ImageRGB, truth_rgb: ImageRGB, hole: NDArray[np.bool_]) -> dict[str, float]:
        """Perceptual distance and ST-LPIPS per pixel of the hole, and PSNR in it, dB."""
        y, x = np.nonzero(hole)
        box = np.s_[max(0, y.min() - _MARGIN_PX) : y.max() + _MARGIN_PX, max(0, x.min() - _MARGIN_PX) : x.max() + _MARGIN_PX]
        pasted = np.where(hole[..., None], image_rgb, truth_rgb)
        image, truth = _tensor(pasted[box]), _tensor(truth_rgb[box])
        weight = torch.from_numpy(hole[box].astype(np.float32))[None, None]
        error = float(((image_rgb[hole].astype(float) - truth_rgb[hole]) ** 2).mean())
        return {
            "perceptual": round(float(self._perceptual(image, truth, weight)), 4),
            "ST-LPIPS": round(float(self._st_lpips(image, truth)) / float(weight.mean()), 4),
            "PSNR": round(float(10 * np.log10(LEVELS**2 / error)), 2),
        }


def _tensor(image_rgb: ImageRGB) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(image_rgb)).permute(2, 0, 1)[None].float() / 127.5 - 1


def never_seen(clip: Clip) -> NDArray[np.bool_]:
    """Where the person was in front in all frames, bool [H,W]."""
    return np.asarray(np.minimum.reduce(list(read_masks(clip.masks))) > _MASK_LEVEL)


def measure_case(case: Case, folder: Path, meter: HoleMeter) -> dict[str, Any]:
    """Measure one case: the share of each hole of the image, and the metrics of each filling of it."""
    clip = film(case, folder)
    stored = cv2.imread(str(clip.background))
    assert stored is not None
    truth = np.asarray(stored[..., ::-1], np.uint8)
    plate = estimate_plate(clip.video, clip.masks, np.ones(round(FPS * SECONDS), bool))
    unknown, hidden = ~plate.known, never_seen(clip)
    margin = np.ones((2 * _GROWN_PX + 1,) * 2, np.uint8)
    grown = cv2.dilate(hidden.astype(np.uint8), margin) > 0
    measured = {
        "unknown, smooth": meter.measure(fill_smoothly(plate.image_rgb, plate.known), truth, unknown),
        "unknown, completed": meter.measure(complete(plate.image_rgb, plate.known), truth, unknown),
        "never seen, smooth": meter.measure(fill_smoothly(plate.image_rgb, np.asarray(~grown)), truth, hidden),
        "never seen, plate": meter.measure(plate.image_rgb, truth, hidden),
    }
    shares = {"unknown": round(float(unknown.mean()), 4), "never seen": round(float(hidden.mean()), 4)}
    return {"case": case.name, "share": shares, **measured}


def main() -> None:
    """Measure all cases and write them with their means."""
    folder, out = Path(sys.argv[1]), Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    meter = HoleMeter()
    records = [measure_case(case, folder, meter) for case in CASES]
    names = [name for name in records[0] if name not in ("case", "share")]
    means = {
        name: {key: round(float(np.mean([each[name][key] for each in records])), 4) for key in records[0][name]}
        for name in names
    }
    change = {
        hole: {key: round(means[f"{hole}, {after}"][key] / means[f"{hole}, smooth"][key] - 1, 3) for key in _DISTANCES}
        for hole, after in (("unknown", "completed"), ("never seen", "plate"))
    }
    result = {"measured_on": measurement_info(), "cases": records, "means": means, "change": change}
    with complete_or_absent(out) as temporary:
        temporary.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(change))


if __name__ == "__main__":
    main()
