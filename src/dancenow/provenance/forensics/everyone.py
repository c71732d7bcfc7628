"""Classify every person of a video, so that one replaced dancer among several is found."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from dancenow.errors import InputError
from dancenow.media.source import VideoInput, open_video
from dancenow.pose.detectors.registry import create_detector
from dancenow.pose.people_list import list_people
from dancenow.pose.tracking.reidentification import PeopleSurvey
from dancenow.progress import ProgressCallback, ignore_progress
from dancenow.provenance.forensics.detector import Finding, classify_video, percent

STANDS_OUT_ODDS: Final = 20.0
"""Odds of being synthesized, relative to the next person, from which on a person stands out from the others. Two true people in
a film: up to 5 times; one true and one replaced: 8 and 31 times (`benchmarks/2026-11-30-forensics-reasons.json`)."""
LEAST_ODDS: Final = 0.1
"""Below these odds nobody stands out: differences between very small probabilities mean nothing."""


@dataclass(frozen=True)
class PersonFinding:
    """number: of the person, as `dancenow pose --people` shows it. finding: None if the person cannot be judged, with the
    reason `why`."""

    number: int
    finding: Finding | None
    why: str = ""

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        if self.finding is None:
            return {"person": self.number, "verdict": "none", "why": self.why}
        return {"person": self.number, **self.finding.to_json()}

    def sentences(self) -> tuple[str, ...]:
        """The result in sentences for the user."""
        if self.finding is None:
            return (f"Person {self.number} was not judged: {self.why}",)
        found = self.finding
        text = f"Person {self.number}: {found.in_words()} ({percent(found.probability)} likely to be synthesized)."
        return (text, *found.reasons(), f"Second by second, in percent: {found.seconds_in_words()}", *found.where())


def classify_everyone(
    video: VideoInput, weights: Path | None = None, *, on_progress: ProgressCallback = ignore_progress
) -> tuple[PersonFinding, ...]:
    """Classify each numbered person of a video. Whoever is not in the frame that shows most people has no number.

    Raises:
        UserError: the video cannot be read, nobody is in it, the weights are missing or damaged, or nobody can be judged.
    """
    source = open_video(video, accept_damaged=True)
    survey = PeopleSurvey(create_detector(on_progress=on_progress), source, on_progress=on_progress)
    people = []
    for listed in list_people(survey).people:
        try:
            finding = classify_video(source, weights, person=listed.number, survey=survey, on_progress=on_progress)
        except InputError as error:
            people.append(PersonFinding(listed.number, None, str(error)))
        else:
            people.append(PersonFinding(listed.number, finding))
    if all(each.finding is None for each in people):
        raise InputError(f"nobody in {source} can be judged: {people[0].why}")
    return tuple(people)


def summary(people: tuple[PersonFinding, ...]) -> str:
    """Who looks synthesized, in one sentence."""
    suspected = [str(each.number) for each in people if each.finding is not None and each.finding.verdict == "synthesized"]
    judged = sum(each.finding is not None for each in people)
    count = "One person was" if judged == 1 else f"{judged} people were"
    if not suspected:
        outlier = stands_out(people)
        hint = "" if outlier is None else f" Look closer at person {outlier}, who stands out from the others."
        return f"Classifier: {count} judged and none looks synthesized.{hint}"
    names = "person " + suspected[0] if len(suspected) == 1 else "persons " + ", ".join(suspected)
    return f"Classifier: {count} judged; {names} {'looks' if len(suspected) == 1 else 'look'} synthesized."


def stands_out(people: tuple[PersonFinding, ...]) -> int | None:
    """The number of a person whose odds of being synthesized are far above those of everyone else in the same video, or None.

    The others passed through the same camera and encoder, which makes them the better measure of what is usual there.
    """
    odds = sorted(
        (each.finding.probability / max(1 - each.finding.probability, 1e-6), each.number)
        for each in people
        if each.finding is not None and not each.finding.slow
    )
    if len(odds) < 2 or odds[-1][0] < STANDS_OUT_ODDS * odds[-2][0] or odds[-1][0] < LEAST_ODDS:
        return None
    return odds[-1][1]
