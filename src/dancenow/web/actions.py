"""What the buttons of the page do, without the page: plain values in, a job out, one sentence on what is wrong."""

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np

from dancenow.errors import ConsentError, InputError, OptionError, UserError
from dancenow.provenance.consent import Consent
from dancenow.storage.atomic_io import complete_or_absent
from dancenow.web.consent_choices import ConsentChoices, consent_of
from dancenow.web.job import Job, Settings
from dancenow.web.job_dancers import Dancer
from dancenow.web.job_progress import expected_seconds, machine_speeds
from dancenow.web.job_queue import JobQueue
from dancenow.web.job_store import JobStore

MAX_MINUTES: Final = 24 * 60
MAX_PICTURE_BYTES: Final = 20 << 20
MAX_PICTURE_PX: Final = 4096


@dataclass(frozen=True)
class Choices:
    """What the form of a checked job holds, as it is filled in.

    scene: that of `Settings`, "color" or "picture". picture: an uploaded file. source_person: 0 for the most prominent one.
    parts: of `Settings`, for as many people as the form has fields. people: whom to follow in the video of each dancer, as
    source_person. consents: of each dancer.
    """

    minutes: float | None
    preset: str
    scene: str
    color: str
    picture: str | None
    source_person: int | None
    parts: tuple[int | None, ...]
    people: tuple[int | None, ...]
    consents: tuple[ConsentChoices, ...]


class Actions:
    """The actions of users on their jobs. Every `Raises` is a sentence for them."""

    def __init__(self, store: JobStore, queue: JobQueue) -> None:
        self.store, self.queue = store, queue

    def add(self, user: str, source: str | None, target: str | None, model_of: str) -> Job:
        """Create and queue a job of uploaded videos, or of one and a person of an earlier job, as `people` names them.

        Raises:
            InputError: a video is missing, or there is no such model.
        """
        if not source:
            raise InputError("drop the video of the dance first.")
        if not target and not model_of:
            raise InputError("drop the video of the person who will dance, too.")
        dance, dance_label = self._uploaded(source), Path(source).name
        if target:
            return self.store.add(user, dance, self._uploaded(target), (dance_label, Path(target).name))
        label = self._label_of_model(user, model_of)
        number, _, name = model_of.partition("/")
        return self.store.add(user, dance, None, (dance_label, label), number, name)

    def add_dancer(self, user: str, number: str, video: str | None, model: str = "") -> Job:
        """Add one more dancer to a checked job, by an uploaded video or as a person of an earlier job, and queue its check.

        Raises:
            InputError: both are missing, there is no such model, or as `JobQueue.add_dancer`.
        """
        if video:
            return self.queue.add_dancer(number, user, self._uploaded(video), Path(video).name)
        if not model:
            raise InputError("drop the video of the other person first.")
        return self.queue.add_dancer(number, user, None, self._label_of_model(user, model), model)

    def _label_of_model(self, user: str, model: str) -> str:
        """What the user calls the person of a model, as `people` names it.

        Raises:
            InputError: there is no such model.
        """
        number, _, name = model.partition("/")
        labels = {each.model_name: each.label for each in self.store.get(number, user).dancers if each.video}
        if name not in labels:
            raise InputError("there is no such model; it may have been deleted.")
        self.store.file(number, name, user)
        return labels[name]

    def start(self, user: str, number: str, choices: Choices) -> Job:
        """Queue the video of a checked job.

        Raises:
            UserError: consent or a choice is missing or makes no sense.
        """
        job = self.store.get(number, user)
        settings = self._settings(job, choices)
        is_trained = all(dancer.model for dancer in job.dancers)
        budget = settings.budget if is_trained else budget_of(choices.minutes)
        settings = replace(settings, budget=budget, preset=choices.preset, scene=self._scene(job, choices))
        given = self._consents(job, settings, choices)
        queued = self.queue.start_video(number, user, settings, given[0], _others(job, choices, given))
        for each in choices.consents:
            if each.who == "licensed" and each.document:
                with suppress(InputError):
                    self._uploaded(each.document).unlink()  # its hash is kept alone, as on the command line
        return queued

    def check_again(self, user: str, number: str, choices: Choices) -> Job:
        """Queue the check of a job again, for the chosen people.

        Raises:
            InputError: as `JobQueue.check_again`.
        """
        job = self.store.get(number, user)
        return self.queue.check_again(number, user, self._settings(job, choices), _others(job, choices))

    def people(self, user: str, but: str = "") -> list[tuple[str, str]]:
        """Label and name of the people of the user's jobs, without the one numbered `but`, whose models can be used again."""
        return [
            (f"{dancer.label} ({job.settings.budget}, {job.settings.preset})", f"{job.number}/{dancer.model_name}")
            for job in self.store.all(user)
            if job.number != but
            for dancer in job.dancers
            if job.state == "done" and dancer.video and (self.store.folder(job.number) / dancer.model_name).is_file()
        ]

    def expected_s(self, job: Job, settings: Settings | None = None) -> float:
        """How long the video of a checked job will take on this machine."""
        frames = int((self.store.read(job.number, "check.json").get("source") or {}).get("frames", 0))
        speeds, chosen = machine_speeds(self.store.data / "speeds.json"), settings or job.settings
        cast = replace(job, settings=chosen).cast
        learned = {each.stem for each in cast.values() or job.dancers[:1] if each.video}
        return expected_seconds(frames, chosen.budget, chosen.preset, speeds, trainings=len(learned), parts=max(1, len(cast)))

    def chosen(self, job: Job, minutes: float | None, preset: str, parts: Sequence[int | None]) -> Settings:
        """The settings that decide how long it takes.

        Raises:
            OptionError: a choice makes no sense.
        """
        return Settings(budget=budget_of(minutes), preset=preset, parts=self._parts(job, parts))

    def wait_s(self, job: Job) -> tuple[int, float]:
        """How many jobs come before a queued one, and how long they take."""
        before, total = self.queue.ahead_of(job), 0.0
        for each in before:
            left = self.store.read(each.number, "progress.json").get("left_s") if each.state == "running" else None
            total += float(left) if left is not None else self.expected_s(each) if each.step == "video" else 60.0
        return len(before), total

    def _parts(self, job: Job, chosen: Sequence[int | None]) -> tuple[int, ...]:
        """Who dances whose part, for the people whom the check found; empty for one dancer."""
        if not job.others:
            return ()
        people = int((self.store.read(job.number, "check.json").get("source") or {}).get("people", 1))
        return tuple(part or 0 for part in chosen[:people])

    def _settings(self, job: Job, choices: Choices) -> Settings:
        alone = None if job.others else choices.source_person or None
        return Settings(
            source_person=alone, target_person=choices.people[0] or None, parts=self._parts(job, choices.parts)
        )  # fmt: skip

    def _consents(self, job: Job, settings: Settings, choices: Choices) -> list[Consent | None]:
        """The consent of each dancer; of a model it is in the model, and of somebody who dances no part it is not needed."""
        given: list[Consent | None] = []
        for number, (dancer, each) in enumerate(zip(job.dancers, choices.consents, strict=False), start=1):
            is_needed = not dancer.model and (not settings.parts or number in settings.parts)
            try:
                document = self._uploaded(each.document) if is_needed and each.who == "licensed" and each.document else None
                given.append(consent_of(each, document) if is_needed else None)
            except UserError as error:
                raise ConsentError(f"“{dancer.label}”: {error}" if job.others else str(error)) from error
        return given

    def _scene(self, job: Job, choices: Choices) -> str:
        if choices.scene == "color":
            return hex_color(choices.color)
        if choices.scene != "picture":
            return choices.scene
        if not choices.picture:
            raise InputError("drop the picture of the scene first.")
        return self._keep_picture(job, self._uploaded(choices.picture))

    def _keep_picture(self, job: Job, picture: Path) -> str:
        """Write the picture anew into the job's folder, so that nothing of the file but its pixels is used."""
        if picture.stat().st_size > MAX_PICTURE_BYTES:
            raise InputError(f"the picture of the scene is larger than {MAX_PICTURE_BYTES >> 20} MB; make it smaller.")
        image = cv2.imdecode(np.fromfile(picture, np.uint8), cv2.IMREAD_COLOR)
        if image is None:
            raise InputError("the picture of the scene cannot be read; give a .jpg or .png file.")
        if max(image.shape[:2]) > MAX_PICTURE_PX:
            raise InputError(f"the picture of the scene is larger than {MAX_PICTURE_PX} pixels; make it smaller.")
        with complete_or_absent(self.store.folder(job.number) / "scene.png") as temporary:
            temporary.write_bytes(cv2.imencode(".png", image)[1].tobytes())
        return "scene.png"

    def _uploaded(self, path: str) -> Path:
        """The path of an upload.

        Raises:
            InputError: the file is not one that was uploaded.
        """
        found = Path(path).resolve()
        if not found.is_relative_to(self.store.uploads.resolve()) or not found.is_file():
            raise InputError("this file was not uploaded, or too long ago; drop it again.")
        return found


def budget_of(minutes: float | None) -> str:
    """The budget of a number of minutes.

    Raises:
        OptionError: it makes no sense.
    """
    if minutes is None or not 0 < float(minutes) <= MAX_MINUTES:
        raise OptionError(f"the training time must be between a few seconds and {MAX_MINUTES // 60} hours.")
    return f"{max(1.0, 60 * float(minutes)):g}s" if float(minutes) < 1 else f"{float(minutes):g}m"


def hex_color(color: Any) -> str:
    """A color as `#rrggbb`, from that or from `rgba(r, g, b, a)`, which browsers' color pickers give.

    Raises:
        OptionError: it is no color.
    """
    text = str(color).strip().lower()
    if re.fullmatch(r"#[0-9a-f]{6}", text):
        return text
    found = re.fullmatch(r"rgba?\(([\d.]{1,8}), ?([\d.]{1,8}), ?([\d.]{1,8})(?:, ?[\d.]{1,8})?\)", text)
    if found is None:
        raise OptionError("choose a color for the scene.")
    return "#" + "".join(f"{min(255, round(float(value))):02x}" for value in found.groups())


def _others(job: Job, choices: Choices, given: Sequence[Consent | None] = ()) -> tuple[Dancer, ...]:
    """The other dancers of a job with the people to follow and the consents that were given."""
    fields = zip_longest(job.others, choices.people[1 : len(job.dancers)], given[1:])
    return tuple(
        replace(dancer, person=person or None, consent=None if each is None else vars(each)) for dancer, person, each in fields
    )
