"""Trained models that `run` keeps in the cache, keyed by subject, configuration and everything else that decides them."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

from dancenow.execution import Execution
from dancenow.face.pretrained_init import load_pretrained_face
from dancenow.face.refinement import FaceMode
from dancenow.face.residual_task import FACE_RECIPE
from dancenow.generators.base import FamilyConfig
from dancenow.generators.registry import family_of, find_family
from dancenow.generators.train_model import train_model
from dancenow.media.source import VideoInput
from dancenow.pose.conditioning.pose_maps import NUM_CHANNELS
from dancenow.progress import ProgressCallback
from dancenow.storage.atomic_io import cache_dir
from dancenow.storage.checkpoint import read_info_or_none
from dancenow.subject.subject import Subject
from dancenow.training.budget import Budget
from dancenow.training.loop import state_path
from dancenow.types import PoseTrack


def cached_model_path(
    subject: Path, preset: str, config: FamilyConfig, budget: Budget, seed: int, face: FaceMode, source_track: PoseTrack | None
) -> Path:
    """The file in the cache for a model of these settings; whatever decides the result is part of its name.

    source_track: of the video from which a cyclegan learns the source face.
    """
    family_key = family_of(config).cache_key(config)
    source_sha256 = None if source_track is None else source_track.source_sha256
    faces = [face, FACE_RECIPE, load_pretrained_face().sha256 if config.face.start == "base" else None, source_sha256]
    recipe = json.dumps([config.to_json(), NUM_CHANNELS, family_key, subject.name, str(budget), seed, faces])
    digest = hashlib.sha256(recipe.encode()).hexdigest()
    return cache_dir("models") / f"{preset}-{str(budget).replace(' ', '')}-{digest[:24]}.safetensors"


def is_trained(model: Path, budget: Budget, subject: Subject) -> bool:
    """Whether the model exists, is sound, has spent its budget and was trained under the present consent."""
    info, consent = read_info_or_none(model), subject.manifest.consent
    if info is None or find_family(info.kind) is None or consent is None:
        return False
    return info.subject.get("consent_sha256") == consent.sha256 and budget.spent(info.train_seconds, info.images_seen) >= 1.0


def train_cached(
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
    warn: Callable[[str], None],
    on_progress: ProgressCallback,
) -> list[str]:
    """Train a model in the cache, or continue its interrupted training; returns the warnings of the training.

    Raises:
        UserError: as `train_model`.
    """
    warnings: list[str] = []
    is_begun = read_info_or_none(state_path(model)) is not None
    train_model(
        subject, model, config, budget=budget, face=face, face_source=face_source, face_person=face_person,
        resume=is_begun, seed=seed, execution=execution, warn=warnings.append, on_progress=on_progress,
    )  # fmt: skip
    for warning in warnings:
        warn(warning)
    state_path(model).unlink(missing_ok=True)
    return warnings
