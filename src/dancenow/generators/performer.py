"""Who dances: the models of the people of a source by their numbers, and each of them loaded and ready to dance.

A *cast* says who dances whose part: number of a person of the source -> model, subject or video. One model may dance all parts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeVar, overload

from dancenow.errors import OptionError
from dancenow.execution import Execution
from dancenow.face.refinement import FaceMode, FaceModel, select_face_model
from dancenow.generators.registry import family_of_model, load_model, renderer_of
from dancenow.media.source import VideoInput, VideoSource
from dancenow.rendering.renderer import Renderer
from dancenow.rendering.scene_choice import SceneChoice, require_suits
from dancenow.rendering.transfer_warnings import model_warnings

T = TypeVar("T")
Cast = dict[int | None, T]
"""Number of a person of the source -> who dances their part. None is the person who is followed by default."""


@overload
def open_cast(who: Path | Mapping[int, Path], person: int | None) -> Cast[Path]: ...
@overload
def open_cast(who: VideoInput | Mapping[int, VideoInput], person: int | None) -> Cast[VideoInput]: ...
def open_cast(who: Any, person: int | None) -> Cast[Any]:
    """The cast of one dancer, for the part of `person`, or of several by number.

    Raises:
        UserError: there is no one in it, a number makes no sense, or there are several and a `person` as well.
    """
    if not isinstance(who, Mapping):
        return {person: who}
    if person is not None:
        raise OptionError("several dancers have their own numbers; leave out the person to follow in the source.")
    if not who or min(who) < 1:
        raise OptionError("dancers are given by the numbers of the people in the source, which are counted from 1.")
    return dict(who)


def label_by_person(sentences: Mapping[int | None, Sequence[str]]) -> tuple[str, ...]:
    """Sentences about each dancer as one list: what is true of everyone once, the rest with the number of the person."""
    shared = set.intersection(*(set(each) for each in sentences.values()))
    told: dict[str, None] = {}
    for number, each in sentences.items():
        told |= dict.fromkeys(text if text in shared else f"Person {number}: {text}" for text in each)
    return tuple(told)


@dataclass(frozen=True, eq=False)
class Performer:
    """A model that is ready to dance. face: its face network, if it is to be used. warnings: one sentence each."""

    model: Path
    renderer: Renderer
    face: FaceModel | None
    generates_background: bool
    warnings: tuple[str, ...]

    @classmethod
    def load(cls, model: Path, face: FaceMode, source: VideoSource, execution: Execution) -> Self:
        """From a model file; face: as `select_face_model`, for a dance of this source.

        Raises:
            UserError: the file is missing or damaged, holds no model that can be rendered, or has no such face network.
        """
        checkpoint = load_model(model)
        faces = select_face_model(FaceModel.load(checkpoint, execution.torch_device), face, model, source.sha256)
        whole_frames, warnings = family_of_model(checkpoint).generates_background, model_warnings(model, checkpoint.info)
        return cls(model, renderer_of(checkpoint, execution), faces, whole_frames, warnings)


def require_group(performers: Sequence[Performer], place: SceneChoice) -> list[str]:
    """What the user should know about the models, once it is checked that they can dance together in a place.

    Raises:
        UserError: they cannot.
    """
    for each in performers:
        require_suits(place, each.renderer.target.track, each.generates_background, is_alone=len(performers) == 1)
    return [text for each in performers for text in each.warnings]
