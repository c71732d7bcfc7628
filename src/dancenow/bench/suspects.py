"""The clips that the classifier is trained, calibrated and tested on: who is in them, how they were made, and where they lie.

Subjects, dances and rooms are each in one role only. Random people are kept as looks at exact poses; the studio's own people
are for the test alone, are kept as videos, and are judged as anybody's video is.
"""

import json
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal

import cv2
import numpy as np
import torch

from dancenow.bench.caststores import Recruit, clips_of, evidence_of_runs
from dancenow.bench.forgeries import NEAREST, Order, Workshop, is_whole, models
from dancenow.bench.scenes import FPS, KEPT, TESTED, Dance, SceneConfig, load_scene, scene_folder
from dancenow.errors import UserError
from dancenow.files import cache_dir, complete_or_absent
from dancenow.generate import CropPainter, WholeFramePainter
from dancenow.models.juror import ForensicConfig
from dancenow.models.perceptual import EfficientNetTrunk
from dancenow.pose.smooth import calmed
from dancenow.training.encodings import QUALITIES, Encoding, draw_encodings, encoded, write_encoded
from dancenow.training.forensic import REAL, Evidence
from dancenow.training.packs import SUFFIX, load_pack
from dancenow.training.people import CastConfig, cast_room
from dancenow.types import ImageRGB
from dancenow.video import read_frames

Role = Literal["train", "calibrate", "test"]
CAST: Final = CastConfig(people=120, runs=20, length=6)
RECIPE: Final = 4
"""Raise it when the same settings would give other clips."""
REAL_RUNS: Final = 12
"""Runs of a person's real footage in each of two encodings."""
COMPLETE: Final = "complete"
"""File beside clips to which nothing will be added."""
RUNS: Final = 6
"""Runs of a forgery."""
JUDGED: Final = (*(Encoding(crf, grain=1.5) for crf in QUALITIES), Encoding(28, scale=0.5, grain=1.5))
"""How clips that are judged are encoded."""
_TRAINING_SHARE: Final = 0.55
"""Of a job's time; the rest is painting and encoding."""
ORDERS: Final = (
    (Order("draft", (60, 600)),),
    (Order("draft", (200,)), Order("draft, from nothing", (600,))),
    (Order("draft", (120,)), Order("paper", (200,))),
    (Order("draft", (60,)), Order("pix2pixHD", (200,))),
    (Order("draft", (400, 1600)),),
    (Order("draft", (240,)), Order("standard, small", (600,))),
    (Order("draft", (100,)), Order("paper", (80, 300))),
    (Order("draft", (160,)), Order("pix2pixHD", (80, 300))),
)
"""What is forged of one random person after another, besides the nearest frame, as far as time allows."""
TEST_ORDERS: Final = (
    Order("draft", (60, 240, 1200)),
    Order("draft, from nothing", (600,)),
    Order("paper", (300,)),
    Order("pix2pixHD", (300,)),
)
_TEST_WEIGHT: Final = 8.0


@dataclass(frozen=True)
class Suspect:
    """Somebody in a role. number: of a random person; scene: of one of the studio's people; orders: what is forged."""

    name: str
    role: Role
    orders: tuple[Order, ...]
    number: int | None = None
    scene: SceneConfig | None = None

    @property
    def weight(self) -> float:
        """Share of the time."""
        return _TEST_WEIGHT if self.scene else 1.0


@dataclass(frozen=True)
class Exhibit:
    """A video to judge. family: `real` or what made it; images: that its model saw; encoding: its name."""

    video: Path
    subject: str
    dance: str
    family: str
    images: int
    encoding: str


def recruits() -> tuple[Suspect, ...]:
    """The random people: of ten, eight are learnt from, one is for the calibration, one for a first test."""
    people = []
    for number in range(CAST.people):
        role: Role = "calibrate" if number % 10 == 4 else "test" if number % 10 == 9 else "train"
        people.append(Suspect(f"cast {number}", role, ORDERS[(number + number // 10) % len(ORDERS)], number))
    return tuple(people)


def studio_people() -> tuple[Suspect, ...]:
    """The studio's people, who are judged as whole videos."""
    return tuple(Suspect(scene.identity, "test", TEST_ORDERS, scene=scene) for scene in TESTED)


def room_path(number: int) -> Path:
    """Where the empty room of a random person lies."""
    return cache_dir("forensics/rooms") / f"{number:03d}.webp"


def keep_room(number: int) -> Path:
    """Draw it, unless it is there.

    Raises:
        UserError: the studio's packages are missing.
    """
    path = room_path(number)
    if not path.is_file():
        _, packed = cv2.imencode(".webp", cast_room(CAST, number)[..., ::-1], [cv2.IMWRITE_WEBP_QUALITY, 97])
        with complete_or_absent(path) as temporary:
            temporary.write_bytes(packed.tobytes())
    return path


def is_there(suspect: Suspect, packs: Path) -> bool:
    """Whether there is what their clips are made from."""
    if suspect.scene is not None:
        return scene_folder(suspect.scene).is_dir()
    return pack_path(suspect, packs).is_file() and room_path(suspect.number or 0).is_file()


def pack_path(suspect: Suspect, packs: Path) -> Path:
    """The packed footage of a random person."""
    return packs / f"{suspect.number:03d}{SUFFIX}"


def is_made(suspect: Suspect) -> bool:
    """Whether their clips are complete."""
    return looks_path(suspect).is_file() if suspect.scene is None else (clips_folder(suspect) / COMPLETE).is_file()


def looks_path(suspect: Suspect) -> Path:
    """Where the looks at a random person lie."""
    return cache_dir("forensics/looks") / f"{suspect.number:03d}-{RECIPE}.npz"


def clips_folder(suspect: Suspect) -> Path:
    """Where the forgeries of one of the studio's people lie, nearly without loss."""
    return cache_dir("forensics/clips") / f"{suspect.name}-{RECIPE}"


def make(suspect: Suspect, packs: Path, workshop: Workshop) -> None:
    """A suspect's clips; its orders share the workshop's time."""
    share = replace(workshop, limit_s=_TRAINING_SHARE * workshop.limit_s / max(len(suspect.orders), 1))
    if suspect.scene is not None:
        _make_clips(suspect, suspect.scene, share)
    else:
        _make_looks(suspect, packs, share)


def make_all(people: Sequence[Suspect], packs: Path, device: torch.device, seconds: float) -> None:
    """One after the other, those that are not made yet, until the time is over; says what went wrong and goes on."""
    deadline_s = time.perf_counter() + seconds
    workshop = Workshop(device, EfficientNetTrunk.pretrained())
    left = [each for each in people if not is_made(each)]
    while left:
        suspect, rest_s = left[0], deadline_s - time.perf_counter()
        if rest_s <= 0:
            print(f"no time for {len(left)} people", flush=True)
            return
        limit_s = rest_s * suspect.weight / sum(each.weight for each in left)
        start_s = time.perf_counter()
        try:
            make(suspect, packs, replace(workshop, limit_s=limit_s))
        except Exception as error:  # one person's bad luck is not the others'
            print(f"{suspect.name}: {type(error).__name__}: {error}", flush=True)
        print(f"{suspect.name}: {time.perf_counter() - start_s:.1f} s of {limit_s:.1f}", flush=True)
        left.pop(0)


def shared_out(people: Sequence[Suspect], parts: int) -> list[list[Suspect]]:
    """Among so many workers, each with about the same to do; what matters most first."""
    first = {"test": 0, "calibrate": 1, "train": 2}
    shares: list[list[Suspect]] = [[] for _ in range(parts)]
    for each in sorted(people, key=lambda p: (p.scene is None, first[p.role])):
        min(shares, key=lambda share: sum(p.weight for p in share)).append(each)
    return shares


def _make_looks(suspect: Suspect, packs: Path, workshop: Workshop) -> None:
    number = suspect.number or 0
    plate = cv2.imread(str(room_path(number)), cv2.IMREAD_COLOR)
    if plate is None:
        raise UserError(f"{room_path(number)} is missing or damaged.")
    recruit = Recruit(suspect.name, load_pack(pack_path(suspect, packs)), np.asarray(plate[..., ::-1], np.uint8), number)
    rng = np.random.default_rng((RECIPE, number))
    side_px = ForensicConfig().crop_px
    arrays: dict[str, Any] = {}
    said: list[dict[str, str]] = []
    for family, images, runs in clips_of(recruit, suspect.orders, RUNS, number, workshop):
        for turn in range(2 if family == REAL else 1):
            encoding = _drawn_encoding(rng)
            chosen = rng.permutation(len(runs))[:REAL_RUNS] if family == REAL else np.arange(len(runs))
            each = evidence_of_runs(
                runs.part(chosen), encoding, rng, family=family, group=suspect.name,
                clip=f"{suspect.name}, {family}, {images}, {turn}", side_px=side_px,
            )  # fmt: skip
            arrays |= {f"pictures{len(said)}": each.pictures, f"bodies{len(said)}": each.bodies}
            said.append({"family": family, "group": each.group, "clip": f"{each.clip}, {encoding.name}"})
    with complete_or_absent(looks_path(suspect)) as temporary:
        np.savez(temporary, index=np.array(json.dumps(said)), **arrays)


def _drawn_encoding(rng: np.random.Generator) -> Encoding:
    drawn = draw_encodings(rng)
    return drawn[int(rng.integers(len(drawn)))]


def _make_clips(suspect: Suspect, config: SceneConfig, workshop: Workshop) -> None:
    """What is made is kept at once, so that what time cuts short is not lost."""
    scene, folder = load_scene(config), clips_folder(suspect)
    said: list[dict[str, Any]] = []

    def keep(dance: Dance, frames: Sequence[ImageRGB], family: str, images: int) -> None:
        write_encoded(frames, dance.fps, KEPT, folder / f"{len(said)}.mp4")
        said.append({"video": f"{len(said)}.mp4", "dance": dance.name, "family": family, "images": images})
        with complete_or_absent(folder / "index.json") as temporary:
            temporary.write_text(json.dumps(said, indent=1), "utf-8")

    folder.mkdir(parents=True, exist_ok=True)
    for dance in scene.dances:
        keep(dance, scene.nearest_frames(dance.track), NEAREST, 0)
    for number, order in enumerate(suspect.orders):
        try:
            for images, model in models(scene, order, number, workshop):
                painter = (WholeFramePainter if is_whole(model) else CropPainter).load(model, workshop.device)
                for dance in scene.dances:
                    keep(dance, list(painter.paint(calmed(dance.track))), order.way, images)
        except RuntimeError as error:  # a GPU that others use, too: what is made is kept
            print(f"{suspect.name}, {order.way}: {error}", flush=True)
    (folder / COMPLETE).touch()


def looks_at(role: Role, without: Sequence[str] = ()) -> list[Evidence]:
    """The looks at the random people in a role, as far as they are made, but of families that are to be left out."""
    return [each for each in _all_looks(role) if each.family not in without]


@cache
def _all_looks(role: Role) -> tuple[Evidence, ...]:
    paths = [looks_path(each) for each in recruits() if each.role == role and is_made(each)]
    with ThreadPoolExecutor(8) as pool:
        return tuple(each for of in pool.map(_loaded, paths) for each in of)


def _loaded(path: Path) -> list[Evidence]:
    with np.load(path, allow_pickle=False) as file:
        said = json.loads(str(file["index"]))
        return [Evidence(file[f"pictures{n}"], file[f"bodies{n}"], **each) for n, each in enumerate(said)]


def exhibits(encodings: Sequence[Encoding] = JUDGED) -> Iterator[Exhibit]:
    """The videos of the test, encoded when they are asked for and kept."""
    for suspect in studio_people():
        folder = clips_folder(suspect)
        if suspect.scene is None or not (folder / "index.json").is_file():
            continue
        made = json.loads((folder / "index.json").read_text("utf-8"))
        sources = [(folder / each["video"], each["dance"], each["family"], each["images"]) for each in made]
        sources += [(dance.video, dance.name, REAL, 0) for dance in load_scene(suspect.scene).dances]
        for source, dance_name, family, images in sources:
            for seed, encoding in enumerate(encodings):
                tag = f"{suspect.name}-{dance_name}-{family}-{images}-{encoding.name}".replace(" ", "_").replace(",", "")
                path = cache_dir("forensics/judged") / f"{tag}-{RECIPE}.mp4"
                if not path.is_file():
                    frames = [frame.image_rgb for frame in read_frames(source)]
                    if family == REAL:
                        frames = encoded(frames, Fraction(FPS), KEPT)
                    with complete_or_absent(path) as temporary:
                        write_encoded(frames, Fraction(FPS), encoding, temporary, seed)
                yield Exhibit(path, suspect.name, dance_name, family, images, encoding.name)
