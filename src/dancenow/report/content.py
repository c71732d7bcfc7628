"""What a report tells: the videos and poses that play in step, the figures with their curves, and what the result is made of.

Plain data, so that a transfer, an evaluation or anybody's script can fill it; `page.write_report` makes the file of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from dancenow.media.source import VideoSource
from dancenow.types import PoseTrack

Curve = NDArray[np.float64]


class Metric(Protocol):
    """A score as `evaluation.Score` has it: value and ideal, and float64 [T] of the result's frames, NaN where unknown.

    curve is empty where a figure has no course over time; ideal is None where it was not measured.
    """

    @property
    def name(self) -> str: ...
    @property
    def region(self) -> str: ...
    @property
    def unit(self) -> str: ...
    @property
    def better(self) -> Literal["higher", "lower"]: ...
    @property
    def value(self) -> float: ...
    @property
    def ideal(self) -> float | None: ...
    @property
    def curve(self) -> Curve: ...


@dataclass(frozen=True)
class Pane:
    """One of the pictures that play in step: a video, or a track that is drawn on a dark ground; label: a word above it."""

    label: str
    shows: VideoSource | PoseTrack


@dataclass(frozen=True)
class Gap:
    """A stretch of the dance, in seconds, that the footage does not cover: what happens there, and what to film."""

    start_s: float
    stop_s: float
    what: str = ""
    advice: str = ""


@dataclass(frozen=True, eq=False)
class Footage:
    """How far each pose of the dance is from the nearest that the target's footage shows.

    distance: float64 [T] of the result's frames, NaN where there is no pose; lower is better. summary: one sentence.
    """

    distance: Curve
    unit: str = ""
    summary: str = ""
    gaps: tuple[Gap, ...] = ()


@dataclass(frozen=True, eq=False)
class Report:
    """Everything on one page.

    result: the video that the page is about; its frames give the time that all panes follow. panes: from left to right.
    statement: what kind of video it is, for who finds the file. notes: what the user should know, a sentence each. facts:
    group -> label -> value, as settings, models and versions.
    """

    result: VideoSource
    panes: tuple[Pane, ...]
    statement: str
    figures: tuple[Metric, ...] = ()
    footage: Footage | None = None
    notes: tuple[str, ...] = ()
    facts: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.panes:
            raise ValueError("a report needs at least one pane")


@dataclass(frozen=True, eq=False)
class Course:
    """One curve as it is drawn, with its gaps: a `Metric`, or the distance to the footage; fields as in those."""

    name: str
    region: str
    unit: str
    better: Literal["higher", "lower"]
    value: float
    ideal: float | None
    curve: Curve
    gaps: tuple[Gap, ...] = ()

    @property
    def title(self) -> str:
        """Name and region, as in "SSIM, person"."""
        return f"{self.name}, {self.region}" if self.region else self.name

    @classmethod
    def of_figure(cls, figure: Metric) -> "Course":
        """A figure as it is drawn."""
        f = figure
        return cls(f.name, f.region, f.unit, f.better, f.value, f.ideal, np.asarray(f.curve, np.float64))

    @classmethod
    def of_footage(cls, footage: Footage) -> "Course":
        """The distance to the footage as it is drawn."""
        known = footage.distance[np.isfinite(footage.distance)]
        mean = float(known.mean()) if len(known) else float("nan")
        return cls("distance to the footage", "", footage.unit, "lower", mean, None, footage.distance, footage.gaps)
