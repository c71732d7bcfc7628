"""Rendered pairs who walk around each other and cross twice, once each in front: clips of people who touch, with truth.

There are two: what is chosen with truth is chosen on the first, and the other one, with other people, dances and another room,
is held out.
"""

from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from dancenow.media.sink import VideoWriter
from dancenow.metrics.images import ssim_map
from dancenow.research.studio.body import build_body
from dancenow.research.studio.clip import create_performance
from dancenow.research.studio.identity import IDENTITIES
from dancenow.research.studio.motion import Performance
from dancenow.research.studio.render import RenderedFrame, empty_room, render
from dancenow.research.studio.scene import ROOMS
from dancenow.types import ImageRGB

FPS: Final = Fraction(12)
SECONDS: Final = 8.0
WIDTH_PX, HEIGHT_PX = 448, 320
_ACROSS_M, _DEEP_M = 0.75, 0.4
"""Half axes of the ellipse on which they walk around each other."""
_CLEARLY_M: Final = 0.2
"""Difference of distance from which on it is asked who is in front."""


@dataclass(frozen=True)
class DuetPlan:
    """Who dances what, and where."""

    people: tuple[str, str]
    dances: tuple[str, str]
    room: str


DUETS: Final = {
    "tuned": DuetPlan(("chi", "dov"), ("pulse", "drift"), "bright"),
    "held-out": DuetPlan(("eve", "ben"), ("chorus", "spark"), "loft"),
}


@dataclass(frozen=True, eq=False)
class Duet:
    """Two who cross. video: of both. parts: frame by frame what was rendered of each alone. deep_m: float64 [2,T], how far each
    is from the middle of the room, away from the camera.
    """

    video: Path
    parts: list[list[RenderedFrame]]
    deep_m: NDArray[np.float64]

    @property
    def in_front(self) -> NDArray[np.int64]:
        """int [T], which of the two is nearer to the camera; -1 where both are about equally far."""
        apart = self.deep_m[0] - self.deep_m[1]
        return np.where(np.abs(apart) < _CLEARLY_M, -1, (apart > 0).astype(np.int64))

    def seen(self, number: int, frame: int) -> NDArray[np.bool_]:
        """bool [H,W]: where one of them is seen."""
        own, other = self.parts[number][frame].mask > 128, self.parts[1 - number][frame].mask > 25
        return np.asarray(own & ~other if self.in_front[frame] != number else own)

    def touch(self, frame: int) -> bool:
        """Whether one hides a part of the other."""
        one, two = (part[frame].mask > 128 for part in self.parts)
        return bool((one & two).any())


def render_duet(plan: DuetPlan, folder: Path) -> Duet:
    """Render two people in the dances of the two parts; the video is kept."""
    room = ROOMS[plan.room]
    dances = [_walking(person, dance, turn) for person, dance, turn in zip(plan.people, plan.dances, (0.0, np.pi), strict=True)]
    deep_m = np.stack([performance.root[:, 1].astype(np.float64) for _, performance in dances])
    parts = [
        list(render(body, performance, room, WIDTH_PX, HEIGHT_PX, seed)) for seed, (body, performance) in enumerate(dances)
    ]
    duet = Duet(folder / f"{'-'.join(plan.people)}.mp4", parts, deep_m)
    empty = empty_room(room, WIDTH_PX, HEIGHT_PX).astype(np.float32)
    with VideoWriter(duet.video, WIDTH_PX, HEIGHT_PX, fps=FPS) as writer:
        for frame, (one, two) in enumerate(zip(*parts, strict=True)):
            near, far = (two, one) if deep_m[1, frame] < deep_m[0, frame] else (one, two)
            alpha = near.mask[..., None].astype(np.float32) / 255
            shaded = far.image_rgb * np.clip(near.image_rgb / np.maximum(empty, 8), 0.3, 1)  # the shadow of the nearer one
            image = np.rint(shaded * (1 - alpha) + near.image_rgb * alpha)
            writer.write(np.asarray(image.clip(0, 255), np.uint8), Fraction(frame) / FPS)
    return duet


def _walking(person: str, dance: str, turn: float) -> tuple[Any, Performance]:
    """A person's performance, carried once around an ellipse."""
    body = build_body(IDENTITIES[person])
    performance = create_performance(body, dance, float(FPS), SECONDS)
    angle = turn + 2 * np.pi * np.arange(len(performance)) / len(performance)
    root = performance.root.copy()
    root[:, 0] += (_ACROSS_M * np.cos(angle) - root[:, 0].mean()).astype(np.float32)
    root[:, 1] += (_DEEP_M * np.sin(angle) - root[:, 1].mean()).astype(np.float32)
    return body, replace(performance, root=root)


def film_alone(duet: Duet, part: int, video: Path) -> Path:
    """Write the video of one of the two without the other."""
    with VideoWriter(video, WIDTH_PX, HEIGHT_PX, fps=FPS) as writer:
        for index, frame in enumerate(duet.parts[part]):
            writer.write(frame.image_rgb, Fraction(index) / FPS)
    return video


def ssim_inside(image: ImageRGB, truth: ImageRGB, seen: NDArray[np.bool_]) -> float:
    """Mean SSIM over bool [H,W] of an image, both uint8 [H,W,3], that is the truth elsewhere."""
    return float(ssim_map(np.where(seen[..., None], image, truth), truth)[seen].mean())
