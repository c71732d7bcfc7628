"""What a check of a dataset says: findings, each in a sentence, and the figures that they rest on."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

Level = Literal["error", "warning"]
CHECKS: Final[Mapping[str, str]] = {
    "hashes": "every file is there and has the bytes that the index says",
    "files": "tracks, masks, backgrounds and videos can be read and fit together",
    "consent": "everybody has agreed, or is rendered, and nobody has withdrawn",
    "splits": "no clip, moment, person, room or dance is where a protocol forbids it",
    "coverage": "enough different poses, seen from all sides",
    "poses": "no frame without a pose, no jump, nobody cut off",
    "faces": "faces show, and large enough",
    "detector": "a detector finds the poses that the tracks say",
}
"""Name -> what holds if nothing is found. The last is looked at on demand."""


@dataclass(frozen=True)
class Finding:
    """error: the dataset may not be used; warning: it may, but should be known."""

    level: Level
    check: str
    what: str


@dataclass(frozen=True)
class PersonFacts:
    """One person's footage. seconds, frames: of all clips. height_px: median standing height. distinct_poses: how many poses
    no two of which are nearer than what `dancenow check` calls covered. front, side, back: shares of frames by the way the body
    faces. moves: share of the moves that have a name which are shown. face_visible: share of frames; face_px: median side of
    the head's box there. missing: share of frames without a measured pose. jumps: frames a minute in which the body leaps.
    cut: share of frames in which a keypoint lies outside the picture."""

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
class Facts:
    """Figures of a dataset. people: one each. detector: clips that were compared with a detector, and by how many body heights
    the two differ in the mean."""

    people: tuple[PersonFacts, ...]
    detector: Mapping[str, float]


@dataclass(frozen=True)
class Report:
    """All that was found. checked: names of the checks that were made."""

    checked: tuple[str, ...]
    findings: tuple[Finding, ...]
    facts: Facts

    @property
    def errors(self) -> list[Finding]:
        """What makes the dataset unfit for use."""
        return [finding for finding in self.findings if finding.level == "error"]

    @property
    def warnings(self) -> list[Finding]:
        """What one should know."""
        return [finding for finding in self.findings if finding.level == "warning"]

    def to_json(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "valid": not self.errors,
            "checked": list(self.checked),
            "findings": [asdict(finding) for finding in self.findings],
            "people": [asdict(person) for person in self.facts.people],
            "detector_distance": dict(self.facts.detector),
        }
