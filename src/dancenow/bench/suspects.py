"""The clips that the classifier is trained, calibrated and tested on: who is in them, how they were made, and where they lie.

Subjects and dances are each in one role only. Training clips are kept as looks at exact poses; those that are judged are kept
as videos, and are judged as anybody's video is.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np

from dancenow.bench.caststores import cast_evidence
from dancenow.bench.forgeries import Order, forge
from dancenow.bench.scenes import CastScene, Dance, Scene, SceneConfig, SubjectScene
from dancenow.bench.world import world
from dancenow.errors import UserError
from dancenow.files import cache_dir, complete_or_absent
from dancenow.models.forensic import ForensicConfig
from dancenow.pose.detect import detect_poses
from dancenow.pose.normalize import fit
from dancenow.training.encodings import QUALITIES, Encoding, draw_encodings, evidence_of, write_encoded
from dancenow.training.forensic import REAL, Evidence

Role = Literal["train", "calibrate", "test"]
RECIPE: Final = 1
"""Raise it when the same settings would give other clips."""
LOOKS: Final = 6
"""Of each clip in each encoding, for training."""
JUDGED: Final = (*(Encoding(crf, grain=1.5) for crf in QUALITIES), Encoding(28, scale=0.5, grain=1.5))
"""How clips that are judged are encoded."""
_SIZES_PX: Final = (384, 512, 288)


@dataclass(frozen=True)
class Suspect:
    """A person in a role. number: of a random person, None for a subject of the bench's world; orders: what is forged.
    of_base: of the cast that the base model was trained on, see `caststores`."""

    name: str
    role: Role
    number: int | None
    orders: tuple[Order, ...]
    of_base: bool = False

    @property
    def is_kept_as_looks(self) -> bool:
        """Whether looks are kept, or videos."""
        return self.role == "train" or self.of_base


@dataclass(frozen=True)
class Exhibit:
    """A video to judge. family: `real` or what made it; images: that its model saw; encoding: its name."""

    video: Path
    subject: str
    role: Role
    dance: str
    family: str
    images: int
    encoding: str

    @property
    def synthetic(self) -> bool:
        """Whether a generator made it."""
        return self.family != REAL


def suspects() -> tuple[Suspect, ...]:
    """All of them: six random people and twelve of the base model's to learn from, eight to calibrate with, one to test."""
    budgets = ((60, 150), (150, 400), (100, 200))
    people = []
    for number in range(8):
        orders = [Order("nearest frame"), Order("draft", budgets[number % 3])]
        if number % 3 == 0:
            orders.append(Order("draft, from nothing", (160,)))
        orders.append(Order("pix2pixHD" if number % 3 == 1 else "paper", (20, 60) if number % 2 else (40,)))
        people.append(Suspect(f"cast {number}", "train" if number < 6 else "calibrate", number, tuple(orders)))
    for number in range(18):
        order = Order("draft", ((60,), (30, 120), (100,))[number % 3])
        people.append(Suspect(f"base {number}", "train" if number < 12 else "calibrate", number, (order,), of_base=True))
    orders = [Order("draft", (150, 400)), Order("draft, from nothing", (160,)), Order("nearest frame")]
    orders += [Order("paper", (40,)), Order("pix2pixHD", (40,))]
    people.append(Suspect("dov", "test", None, tuple(orders)))
    return tuple(people)


def scene_of(suspect: Suspect) -> Scene:
    """Rendered or prepared: half a minute."""
    if suspect.number is not None:
        size_px, shutter = _SIZES_PX[suspect.number % len(_SIZES_PX)], 1 if suspect.number % 2 else 3
        return CastScene(suspect.number, SceneConfig(size_px=size_px, shutter=shutter))
    stage = world(size_px=512, fps=24, dance_s=3.0)
    casting = next(each for each in stage.castings if each.name == suspect.name)
    subject = stage.subject(casting)
    dances = []
    for take in casting.dances:
        danced = detect_poses(stage.clip(take).video)
        track = replace(danced, pose=fit("paper", danced, subject.track)(danced.pose))
        track = replace(track, width_px=subject.track.width_px, height_px=subject.track.height_px)
        dances.append((take.dance, stage.clip(casting.truth(take)).video, track))
    return SubjectScene(subject, dances)


def material(suspect: Suspect) -> Path:
    """The folder with a suspect's clips, from the cache where it is complete; else made, in a minute or two."""
    folder = cache_dir("forensics") / f"{suspect.name.replace(' ', '-')}-{suspect.role}-{RECIPE}"
    if not folder.is_dir():
        with complete_or_absent(folder) as temporary:
            temporary.mkdir()
            if suspect.is_kept_as_looks:
                _keep_looks(_looks_at(suspect), temporary)
            else:
                _keep_videos(suspect, scene_of(suspect), temporary)
    return folder


def clips_of(suspect: Suspect, scene: Scene) -> Iterator[tuple[str, int, Dance, Sequence[Any]]]:
    """Family, training images, dance and frames of every clip: the real ones, then each way's."""
    for dance in scene.dances:
        yield REAL, 0, dance, dance.frames
    for number, order in enumerate(suspect.orders):
        for made in forge(scene, order, seed=number):
            yield made.family, made.images, made.dance, made.frames


def _looks_at(suspect: Suspect) -> Iterator[Evidence]:
    """Every clip of a person in training, in every encoding."""
    side_px, number = ForensicConfig().crop_px, suspect.number or 0
    if suspect.of_base:
        yield from cast_evidence(number, suspect.orders[0].images, side_px, LOOKS)
        return
    encodings = draw_encodings(np.random.default_rng((RECIPE, number)))
    for family, images, dance, frames in clips_of(suspect, scene_of(suspect)):
        clip = f"{suspect.name}, {dance.name}, {family}, {images}"
        yield from evidence_of(
            frames, dance.track, dance.fps, encodings,
            family=family, group=suspect.name, clip=clip, side_px=side_px, looks=LOOKS,
        )  # fmt: skip


def _keep_looks(evidence: Iterator[Evidence], folder: Path) -> None:
    arrays: dict[str, Any] = {}
    said: list[dict[str, Any]] = []
    for each in evidence:
        arrays |= {f"pictures{len(said)}": each.pictures, f"bodies{len(said)}": each.bodies}
        said.append({"family": each.family, "group": each.group, "clip": each.clip})
    np.savez(folder / "looks.npz", **arrays)
    (folder / "index.json").write_text(json.dumps(said, indent=1), "utf-8")


def _keep_videos(suspect: Suspect, scene: Scene, folder: Path) -> None:
    said: list[dict[str, Any]] = []
    for family, images, dance, frames in clips_of(suspect, scene):
        for number, encoding in enumerate(JUDGED):
            video = folder / f"{len(said)}.mp4"
            write_encoded(frames, dance.fps, encoding, video, seed=number)
            exhibit = Exhibit(Path(video.name), suspect.name, suspect.role, dance.name, family, images, encoding.name)
            said.append(asdict(exhibit) | {"video": video.name})
    (folder / "index.json").write_text(json.dumps(said, indent=1), "utf-8")


def looks_at(people: Sequence[Suspect], role: Role, without: Sequence[str] = ()) -> list[Evidence]:
    """The looks of those in a role of whom looks are kept, but of families that are to be left out."""
    evidence = []
    for suspect in people:
        if suspect.role == role and suspect.is_kept_as_looks:
            folder = material(suspect)
            with np.load(folder / "looks.npz", allow_pickle=False) as file:
                for number, said in enumerate(json.loads((folder / "index.json").read_text("utf-8"))):
                    if said["family"] not in without:
                        evidence.append(Evidence(file[f"pictures{number}"], file[f"bodies{number}"], **said))
    return evidence


def exhibits(people: Sequence[Suspect], role: Role) -> list[Exhibit]:
    """The videos of a role."""
    found = []
    for suspect in people:
        if suspect.role == role and not suspect.is_kept_as_looks:
            folder = material(suspect)
            for said in json.loads((folder / "index.json").read_text("utf-8")):
                found.append(Exhibit(**said | {"video": folder / said["video"]}))
    return found


def chosen(people: Sequence[Suspect], names: Sequence[str]) -> list[Suspect]:
    """Those named; all without names.

    Raises:
        UserError: there is nobody of a name.
    """
    known = [suspect.name for suspect in people]
    if strange := [name for name in names if name not in known]:
        raise UserError(f"there is no suspect {strange[0]!r}; choose of {', '.join(known)}.")
    return [suspect for suspect in people if not names or suspect.name in names]
