"""Trained models that `run` keeps in the cache, keyed by subject, configuration and everything else that decides them."""

from collections.abc import Callable
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path

from dancenow.execution import Execution, ExecutionPrecision
from dancenow.face import face_task
from dancenow.face.refinement import FaceMode
from dancenow.first_look import FirstLook
from dancenow.generators.base import FamilyConfig
from dancenow.generators.registry import family_of, find_family
from dancenow.generators.train_model import train_model
from dancenow.media.source import VideoSource
from dancenow.progress import ProgressCallback, warn_each
from dancenow.storage.atomic_io import sha256_of
from dancenow.storage.cache import CacheEntry, cache_entry, cache_key, cached_result, entry_name
from dancenow.storage.checkpoint import read_info_or_none
from dancenow.subject.manifest import MANIFEST
from dancenow.subject.subject import Subject
from dancenow.training.budget import Budget
from dancenow.training.loop import state_path


@dataclass(frozen=True, eq=False)
class ModelSettings:
    """What decides a model besides its subject. preset: the name of the configuration. source, source_person: the video of the
    dance and whom to follow in it; None for the most prominent one.
    """

    preset: str
    config: FamilyConfig
    budget: Budget
    seed: int
    face: FaceMode
    source: VideoSource | None = None
    source_person: int | None = None

    @property
    def face_source(self) -> VideoSource | None:
        """The video from which a cyclegan learns the source face; None for other face networks."""
        return self.source if self.face == "cyclegan" else None

    @property
    def label(self) -> str:
        """What a person reads in the file's name."""
        return f"{self.preset}-{self.budget}"


def cached_model_path(subject: Subject, settings: ModelSettings, precision: ExecutionPrecision) -> Path:
    """The file in the cache for a model of these settings."""
    config, face, family = settings.config, settings.face, family_of(settings.config)
    modules = [*family.training_modules, *(() if face == "none" else (face_task.__name__, type(family).__module__))]
    learned_from = settings.face_source
    parameters = {
        "config": config.to_json(),
        "budget": str(settings.budget),
        "seed": settings.seed,
        "face": face,
        "precision": precision,
        "face source": None if learned_from is None else [learned_from.sha256, settings.source_person],
    }
    # The name of a folder of the cache is the key of its content.
    content = subject.folder.name if _is_cached(subject) else sha256_of(subject.folder / MANIFEST)
    key = cache_key("models", inputs=[content], parameters=parameters, modules=modules)
    return cache_entry("models", key, settings.label).path(".safetensors")


def is_trained(model: Path, budget: Budget, subject: Subject) -> bool:
    """Whether the model exists, is sound, has spent its budget and was trained under the present consent."""
    info, consent = read_info_or_none(model), subject.manifest.consent
    if info is None or find_family(info.kind) is None or consent is None:
        return False
    return info.subject.get("consent_sha256") == consent.sha256 and budget.spent(info.train_seconds, info.images_seen) >= 1.0


def cached_model(
    subject: Subject,
    settings: ModelSettings,
    *,
    execution: Execution,
    on_start: FirstLook | None = None,
    warn: Callable[[str], None],
    on_progress: ProgressCallback,
) -> tuple[Path, list[str]]:
    """The trained model of these settings from the cache, trained if it is missing; and the warnings of the training.

    Raises:
        UserError: as `train_model`.
    """
    model = cached_model_path(subject, settings, execution.precision)

    def load() -> list[str] | None:
        if not is_trained(model, settings.budget, subject):
            return None
        _remove_state(model)  # a training that was killed at its very end leaves it
        return []

    def make() -> list[str]:
        return _train(subject, model, settings, execution, on_start, warn, on_progress)

    return model, cached_result(_entry(model), load, make, sealed=(model.suffix,), on_progress=on_progress)


def _train(
    subject: Subject,
    model: Path,
    settings: ModelSettings,
    execution: Execution,
    on_start: FirstLook | None,
    warn: Callable[[str], None],
    on_progress: ProgressCallback,
) -> list[str]:
    """Train a model in the cache, or continue its interrupted training; returns the warnings of the training.

    Raises:
        UserError: as `train_model`.
    """
    warnings: list[str] = []
    is_begun = read_info_or_none(state_path(model)) is not None
    with _entry(subject.folder).in_use() if _is_cached(subject) else nullcontext():
        train_model(
            subject, model, settings.config, budget=settings.budget, face=settings.face, face_source=settings.face_source,
            face_person=settings.source_person, resume=is_begun, seed=settings.seed, execution=execution, on_start=on_start,
            warn=warnings.append, on_progress=on_progress,
        )  # fmt: skip
    warn_each(warnings, warn)
    _remove_state(model)
    return warnings


def _remove_state(model: Path) -> None:
    """Remove what the training of a finished model would be resumed from."""
    with suppress(OSError):  # a cache that can only be read
        state_path(model).unlink(missing_ok=True)


def _is_cached(subject: Subject) -> bool:
    """Whether `run` prepared the subject, in the cache, where it may be pruned."""
    return subject.folder.parent == cache_entry("subjects", "any").path().parent


def _entry(path: Path) -> CacheEntry:
    return CacheEntry(path.parent.name, entry_name(path))
