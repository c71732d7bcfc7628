"""How one job of a batch is done: the options of `dancenow run` as text, as they stand in a CSV file."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, get_args

from dancenow.errors import ConsentError, OptionError
from dancenow.face.refinement import FACE_CHOICES
from dancenow.pose.retargeting.kept_half import KeptHalf
from dancenow.pose.retargeting.registry import FITS
from dancenow.subject.target_view import CameraMode

IN_WORDS: Final = ("consent", "person_name", "licence")
"""Settings that give a consent without a file."""
OF_CONSENT: Final = (*IN_WORDS, "consent_file")


@dataclass(frozen=True)
class Settings:
    """How one job is done, each as `dancenow run` says; all but the three numbers are text, as in the CSV file."""

    budget: str = "10m"
    preset: str = "draft"
    normalize: str = "auto"
    face: str = "auto"
    camera: str = "still"
    scene: str = "target"
    keep: str = "none"
    seed: int = 0
    source_person: int | None = None
    target_person: int | None = None
    consent: str | None = None
    person_name: str | None = None
    licence: str | None = None
    consent_file: str | None = None

    def __post_init__(self) -> None:
        choices = {
            "normalize": tuple(FITS), "face": FACE_CHOICES, "camera": get_args(CameraMode), "keep": get_args(KeptHalf),
        }  # fmt: skip
        for name, known in choices.items():
            value = getattr(self, name)
            if value not in known:
                raise OptionError(f"{name} is {value!r}; choose one of {', '.join(known)}.")
        if self.consent_file is not None and any(getattr(self, name) is not None for name in IN_WORDS):
            raise ConsentError(f"the consent file {self.consent_file} cannot be combined with consent, person_name or licence.")

    def changed(self, cells: Mapping[str, str]) -> "Settings":
        """These settings with some of them replaced by the cells of a row. A consent there replaces all that is said of one
        here: a name or a license of these settings belongs to the consent of these settings.

        Raises:
            UserError: a value makes no sense.
        """
        numbers = {"seed", "source_person", "target_person"}
        values: dict[str, str | int | None] = {}
        if "consent" in cells or "consent_file" in cells:
            values |= dict.fromkeys(OF_CONSENT)
        elif any(name in cells for name in IN_WORDS):
            values["consent_file"] = None
        for name, text in cells.items():
            values[name] = number_in(name, text) if name in numbers else text
        return replace(self, **values)  # type: ignore[arg-type]  # names and types were checked above


def number_in(name: str, text: str) -> int:
    """The number in a cell of the column `name`.

    Raises:
        UserError: it is no number.
    """
    if not text.isdecimal():
        raise OptionError(f"{name} is {text!r}, which is no number.")
    return int(text)
