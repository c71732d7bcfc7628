"""Result of a validation: findings, one sentence each, and the statistics behind them."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

Level = Literal["error", "warning"]
CHECKS: Final[Mapping[str, str]] = {
    "hashes": "every file is present and matches its hash in the index",
    "files": "tracks, masks, backgrounds and videos are readable and consistent",
    "consent": "everybody has given consent or is rendered; nobody has withdrawn",
    "splits": "no clip, time span, person, room or dance is in a part that its protocol forbids",
    "coverage": "enough distinct poses from all sides",
    "poses": "no frame without a pose, no jumps, nobody cut off",
    "faces": "faces are visible and large enough",
    "detector": "a detector agrees with the tracks",
}
"""Name -> requirement. The last check is made on request only."""


@dataclass(frozen=True)
class Finding:
    """error: the dataset must not be used. warning: it may be used with this in mind."""

    level: Level
    check: str
    what: str


@dataclass(frozen=True)
class PersonStatistics:
    """Statistics of the footage of one person.

    seconds, frames: of all clips. height_px: median standing height. distinct_poses: size of a set of poses with pairwise
    distances above what `dancenow check` calls covered. front, side, back: fractions of frames by body orientation. moves:
    fraction of the named moves that occur. face_visible: fraction of frames; face_px: median side of the head box in them.
    missing: fraction of frames without a measured pose. jumps: implausibly fast frames per minute. cut: fraction of frames with
    a keypoint outside the image.
    """

    identity: str
    clips: int
    frames: int
    seconds: float
    height_px: float
    distinct_poses: int
    front: float
    side: float
    back: float
    moves: float
    unseen_moves: tuple[str, ...]
    face_visible: float
    face_px: float
    missing: float
    jumps: float
    cut: float


@dataclass(frozen=True)
class DatasetStatistics:
    """Statistics of a dataset. people: one entry each. detector: mean distance in body heights between track and detected
    poses, for each clip that was compared.
    """

    people: tuple[PersonStatistics, ...]
    detector: Mapping[str, float]


@dataclass(frozen=True)
class ValidationReport:
    """All findings. checked: names of the checks that were made."""

    checked: tuple[str, ...]
    findings: tuple[Finding, ...]
    statistics: DatasetStatistics

    @property
    def errors(self) -> list[Finding]:
        """Findings that forbid the use of the dataset."""
        return [finding for finding in self.findings if finding.level == "error"]

    @property
    def warnings(self) -> list[Finding]:
        """Findings to keep in mind."""
        return [finding for finding in self.findings if finding.level == "warning"]

    def to_json(self) -> dict[str, Any]:
        """Return JSON values."""
        return {
            "valid": not self.errors,
            "checked": list(self.checked),
            "findings": [asdict(finding) for finding in self.findings],
            "people": [asdict(person) for person in self.statistics.people],
            "detector_distance": dict(self.statistics.detector),
        }
