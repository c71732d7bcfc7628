"""Content of a report: synchronized videos and poses, metrics with their curves, and the details of the run.

Plain data, which a transfer, an evaluation or a script can fill; `page.write_report` turns it into a file.
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
    """A score like `evaluator.Score`: value and ideal, and float64 [T] for the result's frames, NaN where unknown.

    curve is empty for a metric without a value per frame; ideal is None where it was not measured.
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
    """One of the synchronized panes: a video, or a pose track drawn on a dark background; label: its caption."""

    label: str
    shows: VideoSource | PoseTrack


@dataclass(frozen=True)
class CoverageGap:
    """A time range of the source video that the footage does not cover: what happens there, and what to film."""

    start_s: float
    stop_s: float
    what: str = ""
    advice: str = ""


@dataclass(frozen=True, eq=False)
class FootageCoverage:
    """Distance of each pose from the nearest one in the target's footage.

    distance: float64 [T] for the result's frames, NaN where there is no pose; lower is better. summary: one sentence.
    """

    distance: Curve
    unit: str = ""
    summary: str = ""
    gaps: tuple[CoverageGap, ...] = ()


@dataclass(frozen=True, eq=False)
class Report:
    """Everything on one page.

    result: the video that the page is about; its frame times synchronize all panes. panes: from left to right. statement: what
    kind of video it is, for anyone who receives the file. notes: what the user should know, one sentence each. facts: group ->
    label -> value, such as settings, models and versions.
    """

    result: VideoSource
    panes: tuple[Pane, ...]
    statement: str
    metrics: tuple[Metric, ...] = ()
    coverage: FootageCoverage | None = None
    notes: tuple[str, ...] = ()
    facts: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.panes:
            raise ValueError("a report needs at least one pane")


@dataclass(frozen=True, eq=False)
class MetricCurve:
    """One curve of the page, with its gaps: of a `Metric`, or of the distance to the footage; fields as in those."""

    name: str
    region: str
    unit: str
    better: Literal["higher", "lower"]
    value: float
    ideal: float | None
    curve: Curve
    gaps: tuple[CoverageGap, ...] = ()

    @property
    def title(self) -> str:
        """Name and region, as in "SSIM, person"."""
        return f"{self.name}, {self.region}" if self.region else self.name

    @classmethod
    def from_metric(cls, metric: Metric) -> "MetricCurve":
        """The curve of a metric."""
        m = metric
        return cls(m.name, m.region, m.unit, m.better, m.value, m.ideal, np.asarray(m.curve, np.float64))

    @classmethod
    def from_coverage(cls, coverage: FootageCoverage) -> "MetricCurve":
        """The curve of the distance to the footage."""
        known = coverage.distance[np.isfinite(coverage.distance)]
        mean = float(known.mean()) if len(known) else float("nan")
        return cls("distance to the footage", "", coverage.unit, "lower", mean, None, coverage.distance, coverage.gaps)
