"""A job of the web page: two videos, what the user chose, and how far it is. It is kept as one JSON file.

upload ──► check: queued ──► running ──► waiting (for consent and settings)
                                            │
           video: queued ──► running ──► done
                     ▲          ├──► paused, cancelled ──► queued again; a training goes on where it was
                     └──────────┴──► failed
"""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Literal, Self

from dancenow.errors import InputError, OptionError
from dancenow.storage.file_names import as_text
from dancenow.training.budget import Budget

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
_MAX_PERSON: Final = 20


@dataclass(frozen=True)
class Settings:
    """What the user chose. source_person, target_person: whom to follow, counted from 1; None for the most prominent one.

    Raises:
        OptionError: a value is not one that the page offers.
    """

    budget: str = "10m"
    preset: str = "draft"
    scene: str = "target"
    source_person: int | None = None
    target_person: int | None = None

    def __post_init__(self) -> None:
        Budget.parse(self.budget)
        if self.preset not in PRESETS:
            raise OptionError(f"there is no quality {self.preset!r}.")
        if not _SCENES.fullmatch(self.scene):
            raise OptionError(f"there is no scene {self.scene!r}.")
        for person in (self.source_person, self.target_person):
            if person is not None and not (isinstance(person, int) and 1 <= person <= _MAX_PERSON):
                raise OptionError(f"there is no person {person!r}.")


@dataclass(frozen=True)
class Job:
    """A job at one moment.

    number: its random name. owner: the user's name, empty without a password. source, target: names of files in the job's
    folder; target is empty where `model_of`, the number of a finished job, gives the person. source_label, target_label: what
    the user calls the files, only to be shown. consent: the fields of a `Consent`. queued_s: when it was queued, which decides
    its turn. error: one sentence.
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

    @property
    def title(self) -> str:
        """Who dances what."""
        return f"{self.target_label} dances {self.source_label}"

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
            return cls(**fields | {"settings": Settings(**fields["settings"])})
        except (OptionError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise InputError(f"a job's record is damaged ({error}); delete its folder.") from error


def label_of(file_name: str) -> str:
    """What to call an uploaded file: its name without folders, ending and control characters. Never a path."""
    name = as_text(re.split(r"[/\\]", file_name)[-1])
    name = re.sub(r"\.[A-Za-z0-9]{1,5}$", "", name)
    printable = "".join(letter for letter in name if letter.isprintable()).strip()
    return printable[:MAX_NAME] or "video"
