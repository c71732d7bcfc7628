"""What the buttons of the page do, without the page: plain values in, a job out, one sentence on what is wrong."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np

from dancenow.errors import ConsentError, InputError, OptionError
from dancenow.provenance.consent import Consent, consent
from dancenow.storage.atomic_io import complete_or_absent
from dancenow.web.job import Job, Settings
from dancenow.web.job_progress import expected_seconds, machine_speeds, video_plan
from dancenow.web.job_queue import JobQueue
from dancenow.web.job_store import JobStore

MAX_MINUTES: Final = 24 * 60
MAX_PICTURE_BYTES: Final = 20 << 20
MAX_PICTURE_PX: Final = 4096


@dataclass(frozen=True)
class Choices:
    """What the form of a checked job holds, as it is filled in.

    who: kind of the consent. document: an uploaded file, as picture. agreed: the box below it is ticked. scene: that of
    `Settings`, "color" or "picture". source_person, target_person: 0 for the most prominent one.
    """

    who: str | None
    name: str
    licence: str
    document: str | None
    agreed: bool
    minutes: float | None
    preset: str
    scene: str
    color: str
    picture: str | None
    source_person: int | None
    target_person: int | None


class Actions:
    """The actions of users on their jobs. Every `Raises` is a sentence for them."""

    def __init__(self, store: JobStore, queue: JobQueue) -> None:
        self.store, self.queue = store, queue

    def add(self, user: str, source: str | None, target: str | None, model_of: str) -> Job:
        """Create and queue a job of uploaded videos, or of one and the person of an earlier job.

        Raises:
            InputError: a video is missing, or there is no such model.
        """
        if not source:
            raise InputError("drop the video of the dance first.")
        if not target and not model_of:
            raise InputError("drop the video of the person who will dance, too.")
        label = Path(target).name if target else ""
        if not target:
            label = self.store.get(model_of, user).target_label
            self.store.file(model_of, "model.safetensors", user)
        return self.store.add(
            user, self._uploaded(source), self._uploaded(target) if target else None, (Path(source).name, label),
            "" if target else model_of,
        )  # fmt: skip

    def start(self, user: str, number: str, choices: Choices) -> Job:
        """Queue the video of a checked job.

        Raises:
            UserError: consent or a choice is missing or makes no sense.
        """
        job = self.store.get(number, user)
        given = None if job.model_of else self._consent(choices)
        budget = "10m" if job.model_of else budget_of(choices.minutes)
        settings = Settings(budget, choices.preset, self._scene(job, choices), *_people(choices))
        return self.queue.start_video(number, user, settings, given)

    def check_again(self, user: str, number: str, choices: Choices) -> Job:
        """Queue the check of a job again, for the chosen people.

        Raises:
            InputError: as `JobQueue.check_again`.
        """
        source, target = _people(choices)
        return self.queue.check_again(number, user, Settings(source_person=source, target_person=target))

    def people(self, user: str) -> list[tuple[str, str]]:
        """Label and number of the user's jobs whose trained model can be used again."""
        jobs = [job for job in self.store.all(user) if job.state == "done" and not job.model_of]
        return [
            (f"{job.target_label} ({job.settings.budget}, {job.settings.preset})", job.number)
            for job in jobs
            if (self.store.folder(job.number) / "model.safetensors").is_file()
        ]

    def expected_s(self, job: Job, settings: Settings | None = None) -> float:
        """How long the video of a checked job will take on this machine."""
        frames = int((self.store.read(job.number, "check.json").get("source") or {}).get("frames", 0))
        speeds, chosen = machine_speeds(self.store.data / "speeds.json"), settings or job.settings
        if job.model_of:
            return sum(video_plan(frames, None, chosen.preset, speeds).values())
        return expected_seconds(frames, chosen.budget, chosen.preset, speeds)

    def wait_s(self, job: Job) -> tuple[int, float]:
        """How many jobs come before a queued one, and how long they take."""
        before, total = self.queue.ahead_of(job), 0.0
        for each in before:
            left = self.store.read(each.number, "progress.json").get("left_s") if each.state == "running" else None
            total += float(left) if left is not None else self.expected_s(each) if each.step == "video" else 60.0
        return len(before), total

    def _consent(self, choices: Choices) -> Consent:
        if choices.who is None:
            raise ConsentError("say who is in the video of the person.")
        if not choices.agreed:
            raise ConsentError("tick the box: without the person's agreement nothing is trained.")
        if choices.who != "licensed":
            return consent(choices.who)
        document = self._uploaded(choices.document) if choices.document else None
        if not choices.name.strip():
            raise ConsentError("write the name of the person who agreed.")
        if not choices.licence.strip() and document is None:
            raise ConsentError("give the license of the video, such as CC-BY-4.0, or the signed document.")
        try:
            return consent("licensed", person=choices.name.strip(), licence=choices.licence.strip() or None, document=document)
        finally:
            if document is not None:
                document.unlink(missing_ok=True)  # its hash is kept alone, as on the command line

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


def _people(choices: Choices) -> tuple[int | None, int | None]:
    return choices.source_person or None, choices.target_person or None
