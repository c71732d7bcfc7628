"""Who dances in a job, and whose part: the person of the job first, then those who were added.

`parts` are numbers of dancers, one for each person of the dance in the order of their numbers: (2, 0, 1) says that the second
dancer dances the part of person 1, nobody that of person 2, and the first dancer that of person 3.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from dancenow.errors import InputError, OptionError

MAX_DANCERS: Final = 4
"""In one job."""
MAX_PARTS: Final = 6
"""People of a dance who can be given to dancers, the most prominent ones."""
_MAX_PERSON: Final = 20
_VIDEO: Final = re.compile(r"(target[2-4]?)\.[a-z0-9]{2,5}")
MODEL: Final = re.compile(r"model[2-4]?\.safetensors")
"""Names of the trained models in a job's folder."""
_MODEL_OF_A_JOB: Final = re.compile(rf"[0-9a-f]{{32}}/{MODEL.pattern}")


@dataclass(frozen=True)
class Dancer:
    """One who dances. video: name of a file in the job's folder, empty where a model gives the person. label: what the user
    calls it, only to be shown. person: whom to follow in the video, None for the most prominent one. consent: the fields of a
    `Consent`. model: of which job, and its name there: "NUMBER/model.safetensors"; empty where there is a video. model_sha256:
    its content when it was chosen, as that job may learn somebody else under the same name; empty in old records. file_number:
    that of their files, see `stem_of`, where no video has it.

    Raises:
        OptionError: a value is not one that the page offers.
    """

    video: str
    label: str
    person: int | None = None
    consent: Mapping[str, Any] | None = None
    model: str = ""
    file_number: int = 1
    model_sha256: str = ""

    def __post_init__(self) -> None:
        if self.video and not _VIDEO.fullmatch(self.video):
            raise OptionError(f"there is no video {self.video!r}.")
        if self.model and (self.video or not _MODEL_OF_A_JOB.fullmatch(self.model)):
            raise OptionError(f"there is no model {self.model!r}.")
        if self.file_number not in range(1, MAX_DANCERS + 1):
            raise OptionError("there is no such dancer.")
        require_person(self.person)

    @property
    def stem(self) -> str:
        """What the names of the files of this dancer begin with."""
        return self.video.partition(".")[0] or stem_of(self.file_number)

    @property
    def model_name(self) -> str:
        """The file of the model that is trained of this dancer."""
        return self.stem.replace("target", "model") + ".safetensors"


def stem_of(file_number: int) -> str:
    """What the names of a dancer's files begin with: `target`, then `target2` and so on."""
    return "target" if file_number == 1 else f"target{file_number}"


def free_file_number(dancers: Sequence[Dancer]) -> int:
    """The first number that the files of none of fewer than `MAX_DANCERS` dancers have."""
    taken = {dancer.stem for dancer in dancers}
    return next(number for number in range(1, MAX_DANCERS + 1) if stem_of(number) not in taken)


def require_person(person: object) -> None:
    """Require the number of a person in a video, or None.

    Raises:
        OptionError: it is neither.
    """
    if person is not None and not (isinstance(person, int) and 1 <= person <= _MAX_PERSON):
        raise OptionError(f"there is no person {person!r}.")


def require_parts(parts: Sequence[object]) -> None:
    """Require parts as `Settings` holds them: empty for one dancer who follows one person.

    Raises:
        OptionError: there are too many, a dancer does not exist, or nobody dances.
    """
    if len(parts) > MAX_PARTS or not all(isinstance(part, int) and 0 <= part <= MAX_DANCERS for part in parts):
        raise OptionError("there is no such dancer.")
    if parts and not any(parts):
        raise OptionError("nobody dances; choose who dances at least one part.")


def parts_with_another(parts: Sequence[int], dancers: int, people: int, first: int | None) -> tuple[int, ...]:
    """The parts when one more dancer joins, who gets the first person whom nobody dances.

    dancers: how many there were. people: how many the dance shows. first: whom the first dancer followed when alone.

    Raises:
        InputError: everybody is danced already, or there are too many dancers.
    """
    most = min(people, MAX_DANCERS)
    if dancers >= most:
        reason = f"the dance shows {people} people" if most == people else f"up to {MAX_DANCERS} can dance together"
        raise InputError(f"there is nobody left for another dancer: {reason}.")
    together = list(parts) or [0] * min(people, MAX_PARTS)
    if not parts:
        together[first - 1 if first and first <= len(together) else 0] = 1
    if 0 in together:
        together[together.index(0)] = dancers + 1
    return tuple(together)


def parts_without(parts: Sequence[int], dancer: int) -> tuple[int, ...]:
    """The parts when a dancer leaves, by their number; theirs are danced by nobody."""
    return tuple(0 if part == dancer else part - (part > dancer) for part in parts)
