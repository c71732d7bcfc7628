"""Random people with pictures of them to copy from: the data of the base of the references family.

Each person is rendered once, at moments spread over a long dance, and kept as two files: a pack of crops (see
`clip_archives`) and a checkpoint with the pictures. Pictures and crops come from the same frames, so a training leaves out
pictures near in time to the wanted frame, as it does for filmed people.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from dancenow.generators.crop.dataset import CropDataset
from dancenow.generators.references.reference_selection import (
    ReferenceOptions,
    choose_frames,
    enlarge_crops,
    picture_sharpness,
    trim_pictures,
)
from dancenow.generators.references.reference_set import PREFIX, ReferenceSet
from dancenow.pose.person_crop import track_crop
from dancenow.progress import Progress, ProgressCallback, ignore_progress
from dancenow.research.recipes.clip_archives import SUFFIX, load_pack, save_pack
from dancenow.research.recipes.synthetic_people import (
    StagedPerson,
    SyntheticPeopleConfig,
    crop_person,
    cut_out,
    render_staged,
    stage_person,
)
from dancenow.research.studio.render import RenderedFrame
from dancenow.storage.checkpoint import Checkpoint, CheckpointInfo, load_checkpoint, save_checkpoint, with_prefix

KIND: Final = "reference-person"
PICTURES_SUFFIX: Final = ".pictures.safetensors"
_MARGIN: Final = 0.05
"""Of a picture's side, for what is beyond the keypoints."""


@dataclass(frozen=True)
class ReferencePeopleConfig:
    """rendering: many single moments of each person, in frames large enough for pictures above the size of the canvas."""

    rendering: SyntheticPeopleConfig = field(
        default_factory=lambda: SyntheticPeopleConfig(people=200, runs=48, length=1, picture_px=512)
    )
    references: ReferenceOptions = field(default_factory=ReferenceOptions)


@dataclass(frozen=True, eq=False)
class ReferencePerson:
    """crops: to learn from, at times float64 [N] in the dance. references: pictures at some of these times."""

    crops: CropDataset
    time_s: NDArray[np.float64]
    references: ReferenceSet


def render_reference_person(config: ReferencePeopleConfig, number: int) -> ReferencePerson:
    """Render one random person, in about 10 s.

    Raises:
        UserError: the studio's packages are missing.
    """
    staged = _wholly_seen(stage_person(config.rendering, number))
    rendered = list(render_staged(staged, config.rendering))
    crops = crop_person(staged, rendered, config.rendering)
    time_s = staged.track.time_s[staged.frames]
    chosen = choose_frames(crops.pose, time_s, picture_sharpness(crops), config.references)
    references = _pictures(staged, [rendered[i] for i in chosen], staged.frames[chosen], config)
    return ReferencePerson(crops, time_s, references)


def _wholly_seen(staged: StagedPerson) -> StagedPerson:
    """Without the frames in which a hand or foot leaves the picture, unless they are most."""
    size = np.array([staged.track.width_px, staged.track.height_px])
    xy = staged.track.pose.xy[staged.frames]
    inside = ((xy > _MARGIN * size) & (xy < (1 - _MARGIN) * size)).all(axis=(1, 2))
    return replace(staged, frames=staged.frames[inside]) if inside.mean() > 0.5 else staged


def _pictures(
    staged: StagedPerson, rendered: Sequence[RenderedFrame], frames: NDArray[np.int64], config: ReferencePeopleConfig
) -> ReferenceSet:
    tracked = track_crop(staged.track.pose, staged.track.time_s, config.rendering.canvas_px)
    crops, scale = enlarge_crops([tracked[i] for i in frames], config.references)
    pictures, pose = cut_out(rendered, crops)
    return trim_pictures(pictures, [pose[i] for i in range(len(frames))], staged.track, frames, scale)


def render_reference_people(
    config: ReferencePeopleConfig, folder: Path, on_progress: ProgressCallback = ignore_progress
) -> list[Path]:
    """Return the packs of all people in `folder`; render missing ones, so that an interrupted rendering continues.

    Raises:
        UserError: the studio's packages are missing, or a file cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    count = config.rendering.people
    packs = [folder / f"{number:05d}{SUFFIX}" for number in range(count)]
    for number, pack in enumerate(packs):
        if not pack.is_file():
            save_reference_person(pack, render_reference_person(config, number))
        on_progress(Progress("rendering people", number + 1, count))
    return packs


def save_reference_person(pack: Path, person: ReferencePerson) -> None:
    """Write both files of a person; the pack last, so that a pack tells that a person is complete.

    Raises:
        UserError: a file cannot be written.
    """
    info = CheckpointInfo(KIND, {}, subject={"source_sha256": person.references.source_sha256})
    tensors = with_prefix(PREFIX, person.references.to_tensors())
    save_checkpoint(_pictures_of(pack), Checkpoint(info, {**tensors, "time_s": torch.from_numpy(person.time_s).clone()}))
    save_pack(pack, person.crops)


def load_reference_person(pack: Path) -> ReferencePerson:
    """Read a person whom `save_reference_person` wrote.

    Raises:
        UserError: a file is missing or damaged.
    """
    stored = load_checkpoint(_pictures_of(pack), KIND)
    references = ReferenceSet.of_tensors(stored.part(PREFIX), stored.info.subject)
    return ReferencePerson(load_pack(pack), stored.tensors["time_s"].numpy(), references)


def _pictures_of(pack: Path) -> Path:
    return pack.with_name(pack.name.removesuffix(SUFFIX) + PICTURES_SUFFIX)
