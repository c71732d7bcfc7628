"""A job of the web page: the videos, what the user chose, and how far it is. It is kept as one JSON file.

upload ──► check: queued ──► running ──► waiting (for consent and settings)
                                            │
           video: queued ──► running ──► done
                     ▲          ├──► paused, cancelled ──► queued again; a training goes on where it was
                     └──────────┴──► failed
"""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final, Literal, Self

from dancenow.errors import InputError, OptionError
from dancenow.storage.file_names import as_text
from dancenow.training.budget import Budget
from dancenow.web.job_dancers import (
    MODEL,
    Dancer,
    free_file_number,
    parts_with_another,
    parts_without,
    require_parts,
    require_person,
)

State = Literal["queued", "running", "waiting", "paused", "cancelled", "failed", "done"]
"""waiting: for the user. The queue works on queued jobs alone."""
Step = Literal["check", "video"]
"""check: look at both videos, minutes. video: train and transfer."""
PRESETS: Final = ("draft", "draft-fast", "standard", "hd")
"""The presets that the page offers."""
MAX_NAME: Final = 80
"""Letters of a file name that are kept, to be shown."""


_SCENES: Final = re.compile(r"target|source|transparent|#[0-9a-f]{6}|scene\.(png|jpg)")
"""What the page offers. `scene.png` and `scene.jpg` are pictures in the job's folder; no other name of a file is a scene."""


@dataclass(frozen=True)
class Settings:
    """What the user chose. source_person, target_person: whom to follow, counted from 1; None for the most prominent one.
    parts: who dances whose part, see `job_dancers`, where there are several dancers; it replaces source_person.

    Raises:
        OptionError: a value is not one that the page offers.
    """

    budget: str = "10m"
    preset: str = "draft"
    scene: str = "target"
    source_person: int | None = None
    target_person: int | None = None
    parts: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        Budget.parse(self.budget)
        if self.preset not in PRESETS:
            raise OptionError(f"there is no quality {self.preset!r}.")
        if not _SCENES.fullmatch(self.scene):
            raise OptionError(f"there is no scene {self.scene!r}.")
        for person in (self.source_person, self.target_person):
            require_person(person)
        require_parts(self.parts)


@dataclass(frozen=True)
class Job:
    """A job at one moment.

    number: its random name. owner: the user's name, empty without a password. source, target: names of files in the job's
    folder; target is empty where `model_of`, the number of a finished job, gives the person by its file `model_name` with the
    content `model_sha256`.
    source_label, target_label: what the user calls the files, only to be shown. others: who dances beside that person. consent:
    the fields of a `Consent`. queued_s: when it was queued, which decides its turn. error: one sentence.

    Raises:
        OptionError: a part is given to a dancer who does not exist, or a name is not that of a model.
    """

    number: str
    owner: str
    created_s: float
    source: str
    source_label: str
    target: str = ""
    target_label: str = ""
    model_of: str = ""
    step: Step = "check"
    state: State = "queued"
    settings: Settings = field(default_factory=Settings)
    consent: Mapping[str, Any] | None = None
    queued_s: float = 0.0
    error: str = ""
    model_name: str = "model.safetensors"
    others: tuple[Dancer, ...] = ()
    model_sha256: str = ""

    def __post_init__(self) -> None:
        if max(self.settings.parts, default=0) > len(self.dancers):
            raise OptionError("there is no such dancer.")
        if not MODEL.fullmatch(self.model_name):
            raise OptionError(f"there is no model {self.model_name!r}.")

    @property
    def dancers(self) -> tuple[Dancer, ...]:
        """Everyone who dances, the person of the job first."""
        model = f"{self.model_of}/{self.model_name}" if self.model_of else ""
        first = Dancer(
            self.target, self.target_label, self.settings.target_person, self.consent, model, model_sha256=self.model_sha256
        )
        return first, *self.others

    @property
    def cast(self) -> dict[int, Dancer]:
        """Number of a person of the dance -> who dances their part; empty for one dancer."""
        return {number: self.dancers[part - 1] for number, part in enumerate(self.settings.parts, start=1) if part}

    @property
    def title(self) -> str:
        """Who dances what."""
        *most, last = (dancer.label for dancer in self.dancers)
        return f"{', '.join(most)} and {last} dance {self.source_label}" if most else f"{last} dances {self.source_label}"

    def with_dancer(self, label: str, people: int, *, video: str = "", model: str = "", model_sha256: str = "") -> Self:
        """With one more dancer, who gets a part that nobody has. people: how many the dance shows. Others: of `Dancer`.

        Raises:
            InputError: as `parts_with_another`.
        """
        settings = self.settings
        parts = parts_with_another(settings.parts, len(self.dancers), people, settings.source_person)
        changed = replace(settings, parts=parts, source_person=None)
        another = Dancer(
            video, label_of(label), model=model, file_number=free_file_number(self.dancers), model_sha256=model_sha256
        )
        return replace(self, settings=changed, others=(*self.others, another))

    def without_dancer(self, number: int) -> Self:
        """Without one of the others, counted from 2.

        Raises:
            InputError: there is none of this number.
        """
        if not 2 <= number <= len(self.dancers):
            raise InputError("there is no such dancer.")
        others = (*self.others[: number - 2], *self.others[number - 1 :])
        parts = parts_without(self.settings.parts, number)
        alone = parts.index(1) + 1 if 1 in parts else None
        if others and any(parts):
            settings = replace(self.settings, parts=parts)
        elif others:
            settings = replace(self.settings, parts=(1, *parts[1:]))
        else:
            settings = replace(self.settings, parts=(), source_person=alone)
        return replace(self, settings=settings, others=others)

    def without_consent(self) -> Self:
        """As it is to be checked: nobody's consent is recorded."""
        return replace(self, consent=None, others=tuple(replace(each, consent=None) for each in self.others))

    @property
    def can_resume(self) -> bool:
        """Whether it was stopped and can be queued again."""
        return self.state in ("paused", "cancelled", "failed")

    @property
    def is_active(self) -> bool:
        """Whether it runs or waits for its turn."""
        return self.state in ("queued", "running")

    def to_json(self) -> str:
        """Serialize."""
        return json.dumps(asdict(self), indent=1, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Invert `to_json`.

        Raises:
            InputError: the text is not a job.
        """
        try:
            fields = json.loads(text)
            settings, others = fields["settings"], fields.get("others", [])
            settings = Settings(**settings | {"parts": tuple(settings.get("parts", ()))})
            return cls(**fields | {"settings": settings, "others": tuple(Dancer(**each) for each in others)})
        except (OptionError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise InputError(f"a job's record is damaged ({error}); delete its folder.") from error


def label_of(file_name: str) -> str:
    """What to call an uploaded file: its name without folders, ending and control characters. Never a path."""
    name = as_text(re.split(r"[/\\]", file_name)[-1])
    name = re.sub(r"\.[A-Za-z0-9]{1,5}$", "", name)
    printable = "".join(letter for letter in name if letter.isprintable()).strip()
    return printable[:MAX_NAME] or "video"
