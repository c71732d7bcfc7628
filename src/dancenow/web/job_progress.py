"""How far a job is and how long it will take, written for the page as the job goes.

The time left is that of the running stage and the stages to come. What a stage takes per frame on this machine is remembered
from earlier jobs; before the first one, it is what a laptop with two cores takes.
"""

import json
import math
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from dancenow.media.source import VideoSource
from dancenow.progress import Progress
from dancenow.storage.atomic_io import complete_or_absent
from dancenow.training.budget import Budget
from dancenow.web.job_store import write_json

WRITE_EVERY_S: Final = 0.5
START_S: Final = 12.0
"""Loading the program and opening files."""
_LAPTOP_S: Final = {
    "tracking the person": 0.06, "following the motion": 0.02, "background": 0.03, "refining the edges": 0.05, "report": 0.03,
    "generating draft": 0.1, "generating standard": 0.35, "generating hd": 1.0, "side by side": 0.02,
}  # fmt: skip
_OTHER_S: Final = 0.2
_MEASURED_FRAMES: Final = 20
"""A stage of fewer frames says little about the speed."""


def machine_speeds(file: Path) -> dict[str, float]:
    """Seconds per frame of each stage on this machine, from the file in which earlier jobs left them."""
    measured: dict[str, float] = {}
    with suppress(OSError, ValueError, TypeError, AttributeError):
        measured = {str(stage): float(seconds) for stage, seconds in json.loads(file.read_text("utf-8")).items()}
    return _LAPTOP_S | measured


def video_plan(
    num_frames: int, budget: Budget, preset: str, speeds: Mapping[str, float], trainings: int = 1, parts: int = 1
) -> dict[str, float]:
    """Stage -> expected seconds, for the video of a dance of this length.

    budget: of each training; one of images is counted as none, because nobody knows how long it takes. trainings: how many
    people are learned; none where trained models are used. parts: how many people of the dance are danced.
    """
    training_s = (budget.seconds or 0.0) * trainings
    generating_s = speeds.get(f"generating {preset}", _OTHER_S) * parts
    encoding = {stage: num_frames * speeds[stage] for stage in ("report", "side by side")}
    return {"training": training_s, "generating": num_frames * generating_s, **encoding}


def expected_seconds(
    num_frames: int, budget: str, preset: str, speeds: Mapping[str, float], trainings: int = 1, parts: int = 1
) -> float:
    """How long training and transfer will take, from a start to the finished report; as `video_plan`.

    Raises:
        OptionError: the budget makes no sense.
    """
    return START_S + sum(video_plan(num_frames, Budget.parse(budget), preset, speeds, trainings, parts).values())


def check_plan(
    source: VideoSource, targets: Sequence[VideoSource], speeds: Mapping[str, float], parts: int = 1
) -> dict[str, float]:
    """Stage -> expected seconds, for the check of a source and the targets' videos; of the source alone where a model gives
    the person. parts: how many people of the source are followed.
    """
    source_frames, target_frames = source.info.num_frames or 0, sum(video.info.num_frames or 0 for video in targets)
    frames = parts * source_frames + target_frames
    plan = {stage: frames * speeds[stage] for stage in ("tracking the person", "following the motion")}
    if targets:
        plan |= {stage: target_frames * speeds[stage] for stage in ("background", "refining the edges")}
    return plan


class ProgressRecord:
    """A progress callback that writes `progress.json` and the preview into the job's folder.

    plan: stage -> expected seconds, in order. speeds: the file that remembers them. preset: whose speed of generating it is.
    learned: what to call the people whose trainings are to come, in order; they share the time of the plan. parts: how many
    people are generated in each frame.
    """

    def __init__(
        self,
        folder: Path,
        plan: Mapping[str, float],
        speeds: Path,
        preset: str = "draft",
        learned: Sequence[str] = (),
        parts: int = 1,
    ) -> None:
        self._folder, self._plan, self._speeds, self._preset = folder, dict(plan), speeds, preset
        self._stage, self._begun_s, self._written_s = "", 0.0, 0.0
        self._learned, self._training, self._trained = tuple(learned) or ("",), -1, math.inf
        self._reached = -1
        self._parts = parts
        self._last: Progress | None = None
        self._measured: dict[str, float] = {}

    def __call__(self, event: Progress) -> None:
        """Record an event; at most every half second, and at each new stage."""
        now_s = time.monotonic()
        if event.stage != self._stage:
            self._measure(now_s)
            self._stage, self._begun_s, self._written_s, self._first = event.stage, now_s, 0.0, event.done
        self._last = event
        if event.stage == "training":
            self._follow_trainings(event)
        if event.preview is not None:
            self._keep_preview(event.preview)
        if now_s - self._written_s < WRITE_EVERY_S:
            return
        self._written_s = now_s
        share = min(1.0, event.done / event.total) if event.total else None
        fields = {"stage": event.stage, "share": share, "left_s": self._left_s(event, now_s), "note": event.note}
        if event.stage == "training":
            fields["who"] = self._learned[self._training]
        write_json(self._folder / "progress.json", fields)

    def finish(self) -> None:
        """Remember how long the stages took per frame."""
        self._measure(time.monotonic())
        if self._measured:
            write_json(self._speeds, machine_speeds(self._speeds) | self._measured)

    def _follow_trainings(self, event: Progress) -> None:
        """Notice that the training of the next person has begun: it starts from nothing again."""
        if event.done < self._trained:
            self._training = min(self._training + 1, len(self._learned) - 1)
        self._trained = event.done

    def _left_s(self, event: Progress, now_s: float) -> float:
        """Seconds left of the present stage and all later ones of the plan."""
        expected = self._plan.get(event.stage, 0.0)
        share = min(1.0, event.done / event.total) if event.total else 0.0
        now_left = expected * (1 - share)
        if event.stage == "training":
            now_left = expected * (len(self._learned) - self._training - share) / len(self._learned)
        gained = event.done - self._first
        if event.stage != "training" and event.total and share > 0.05 and gained > 0:
            now_left = (now_s - self._begun_s) * (event.total - event.done) / gained
        stages = list(self._plan)
        if event.stage in stages:
            self._reached = stages.index(event.stage)
        return now_left + sum(self._plan[stage] for stage in stages[self._reached + 1 :])

    def _measure(self, now_s: float) -> None:
        """Note the speed of the stage that ends."""
        last = self._last
        if last is None or last.stage not in ("generating", *_LAPTOP_S):
            return
        frames = last.done - self._first
        if frames >= _MEASURED_FRAMES:
            is_generating = last.stage == "generating"
            key = f"generating {self._preset}" if is_generating else last.stage
            self._measured[key] = (now_s - self._begun_s) / frames / (self._parts if is_generating else 1)

    def _keep_preview(self, preview: Path) -> None:
        with suppress(OSError), complete_or_absent(self._folder / "preview.png") as temporary:
            temporary.write_bytes(preview.read_bytes())
