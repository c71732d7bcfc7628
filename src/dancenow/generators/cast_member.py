"""Who dances in `run`: a video of a person, a subject that is prepared already, or a model that is trained already."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self, TypeVar

from dancenow.execution import Execution
from dancenow.first_look import FirstLook
from dancenow.generators.base import FamilyConfig
from dancenow.generators.model_cache import ModelSettings, cached_model
from dancenow.generators.registry import family_of, family_of_model, load_model
from dancenow.media.integrity import require_complete
from dancenow.media.source import VideoInput, VideoSource, open_video
from dancenow.pose.retargeting.registry import RetargetingKind
from dancenow.progress import ProgressCallback
from dancenow.provenance.consent import Consent
from dancenow.provenance.content_marking import require_consented as require_model_consented
from dancenow.rendering.scene_choice import FrameSize, SceneChoice, require_suits
from dancenow.rendering.transfer_warnings import source_warnings
from dancenow.storage.checkpoint import Checkpoint
from dancenow.subject.coverage import Coverage, coverage_if_comparable
from dancenow.subject.manifest import SubjectManifest
from dancenow.subject.subject import Subject
from dancenow.subject.subject_cache import cached_subject, require_consented, require_video_consent
from dancenow.subject.target_appearance import Target
from dancenow.types import PoseTrack

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class CastMember:
    """One who dances. path: the file or folder. person: whom to follow in a video. consent: given now. video, subject, model:
    what the path is; `prepare` adds a subject to a video.
    """

    path: Path
    person: int | None
    consent: Consent | None
    video: VideoSource | None = None
    subject: Subject | None = None
    model: Checkpoint | None = None

    @classmethod
    def open(cls, who: VideoInput, person: int | None, consent: Consent | None, accept_damaged: bool) -> Self:
        """Tell by the name what it is: a folder is a subject, a .safetensors file a model, anything else a video.

        Raises:
            UserError: it cannot be read.
        """
        path = who.path if isinstance(who, VideoSource) else Path(who)
        if path.is_dir():
            return cls(path, person, consent, subject=Subject.open(path))
        if path.suffix.lower() == ".safetensors":
            return cls(path, person, consent, model=load_model(path))
        return cls(path, person, consent, video=open_video(who, accept_damaged=accept_damaged))

    @property
    def manifest(self) -> SubjectManifest | None:
        """Of the subject; None of a model."""
        return None if self.subject is None else self.subject.manifest

    def require_usable(
        self, place: SceneChoice, config: FamilyConfig, on_progress: ProgressCallback, *, is_alone: bool
    ) -> None:
        """Check, before any long work, that they agreed to dance and can be shown in a place; config: of a model to train.

        Raises:
            UserError: there is no valid consent, the video is damaged, or the model or the frame does not suit the place.
        """
        frame: FrameSize
        if self.model is not None:
            require_model_consented(self.model.info, self.path)
            frame, family = Target.of_checkpoint(self.model).track, family_of_model(self.model)
        elif self.subject is not None:
            require_consented(self.subject)
            frame, family = self.subject.track, family_of(config)
        else:
            frame, family = self._footage.info, family_of(config)
            require_video_consent(self._footage, self.person, self.consent)
        require_suits(place, frame, family.generates_background, is_alone=is_alone)
        if self.video is not None:
            require_complete(self.video, on_progress)

    @property
    def _footage(self) -> VideoSource:
        assert self.video is not None
        return self.video

    def prepare(self, on_progress: ProgressCallback) -> Self:
        """With the subject of a video, from the cache if it is there.

        Raises:
            UserError: as `subject.prepare.prepare`.
        """
        if self.video is None:
            return self
        return replace(self, subject=cached_subject(self.video, self.person, self.consent, on_progress))

    def coverage(self, source_track: PoseTrack, normalize: RetargetingKind) -> Coverage | None:
        """How close the footage comes to a dance; None where that cannot be told."""
        return None if self.subject is None else coverage_if_comparable(source_track, self.subject, normalize)

    def warnings(self, source: VideoSource, person: int | None, source_track: PoseTrack, covered: Coverage | None) -> list[str]:
        """What the user should know about the footage and the dance of a `person` of the source, before a training."""
        if self.subject is None:
            return []
        of_source = source_warnings(source, person, source_track, self.subject.track)
        return [*of_source, *self.subject.manifest.warnings, *(covered.warnings if covered else ())]

    def train(
        self,
        settings: ModelSettings,
        execution: Execution,
        on_start: FirstLook | None,
        warn: Callable[[str], None],
        on_progress: ProgressCallback,
    ) -> tuple[Path, list[str]]:
        """Their model, trained if it is not in the cache, and the warnings of the training; as `cached_model`.

        Raises:
            UserError: as `train_model`.
        """
        if self.subject is None:
            return self.path, []
        return cached_model(self.subject, settings, execution=execution, on_start=on_start, warn=warn, on_progress=on_progress)


def given_to(person: int | None, given: T | Mapping[int, T]) -> T | None:
    """What is given to the dancer of a person's part: the same to everybody, or by number."""
    if not isinstance(given, Mapping):
        return given
    return None if person is None else given.get(person)
