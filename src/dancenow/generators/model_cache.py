"""Trained models that `run` keeps in the cache, keyed by subject, configuration and everything else that decides them."""

from collections.abc import Callable
from contextlib import nullcontext, suppress
from pathlib import Path

from dancenow.execution import Execution, ExecutionPrecision
from dancenow.face import face_task
from dancenow.face.refinement import FaceMode
from dancenow.first_look import FirstLook
from dancenow.generators.base import FamilyConfig
from dancenow.generators.registry import family_of, find_family
from dancenow.generators.train_model import train_model
from dancenow.media.source import VideoInput, VideoSource
from dancenow.progress import ProgressCallback, warn_each
from dancenow.storage.atomic_io import sha256_of
from dancenow.storage.cache import CacheEntry, cache_entry, cache_key, cached_result, entry_name
from dancenow.storage.checkpoint import read_info_or_none
from dancenow.subject.manifest import MANIFEST
from dancenow.subject.subject import Subject
from dancenow.training.budget import Budget
from dancenow.training.loop import state_path


def cached_model_path(
    subject: Subject,
    preset: str,
    config: FamilyConfig,
    budget: Budget,
    seed: int,
    face: FaceMode,
    face_source: VideoSource | None,
    precision: ExecutionPrecision,
) -> Path:
    """The file in the cache for a model of these settings.

    face_source: the video from which a cyclegan learns the source face.
    """
    family = family_of(config)
    modules = [*family.training_modules, *(() if face == "none" else (face_task.__name__, type(family).__module__))]
    parameters = {
        "config": config.to_json(),
        "budget": str(budget),
        "seed": seed,
        "face": face,
        "precision": precision,
        "face source": None if face_source is None else face_source.sha256,
    }
    # The name of a folder of the cache is the key of its content.
    content = subject.folder.name if _is_cached(subject) else sha256_of(subject.folder / MANIFEST)
    key = cache_key("models", inputs=[content], parameters=parameters, modules=modules)
    return cache_entry("models", key, f"{preset}-{budget}").path(".safetensors")


def is_trained(model: Path, budget: Budget, subject: Subject) -> bool:
    """Whether the model exists, is sound, has spent its budget and was trained under the present consent."""
    info, consent = read_info_or_none(model), subject.manifest.consent
    if info is None or find_family(info.kind) is None or consent is None:
        return False
    return info.subject.get("consent_sha256") == consent.sha256 and budget.spent(info.train_seconds, info.images_seen) >= 1.0


def cached_model(
    subject: Subject,
    preset: str,
    config: FamilyConfig,
    *,
    budget: Budget,
    face: FaceMode,
    face_source: VideoSource | None,
    face_person: int | None,
    seed: int,
    execution: Execution,
    on_start: FirstLook | None = None,
    warn: Callable[[str], None],
    on_progress: ProgressCallback,
) -> tuple[Path, list[str]]:
    """The trained model of these settings from the cache, trained if it is missing; and the warnings of the training.

    Raises:
        UserError: as `train_model`.
    """
    model = cached_model_path(subject, preset, config, budget, seed, face, face_source, execution.precision)

    def load() -> list[str] | None:
        if not is_trained(model, budget, subject):
            return None
        _remove_state(model)  # a training that was killed at its very end leaves it
        return []

    def make() -> list[str]:
        return _train(
            subject, model, config, budget=budget, face=face, face_source=face_source, face_person=face_person, seed=seed,
            execution=execution, on_start=on_start, warn=warn, on_progress=on_progress,
        )  # fmt: skip

    return model, cached_result(_entry(model), load, make, sealed=(model.suffix,), on_progress=on_progress)


def _train(
    subject: Subject,
    model: Path,
    config: FamilyConfig,
    *,
    budget: Budget,
    face: FaceMode,
    face_source: VideoInput | None,
    face_person: int | None,
    seed: int,
    execution: Execution,
    on_start: FirstLook | None = None,
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
            subject, model, config, budget=budget, face=face, face_source=face_source, face_person=face_person,
            resume=is_begun, seed=seed, execution=execution, on_start=on_start, warn=warnings.append, on_progress=on_progress,
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
