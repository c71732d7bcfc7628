"""The clips that the classifier is trained, calibrated and tested on: who is in them, how they were made, and where they lie.

Subjects, dances and places are each in one role only. Everybody is filmed and forged in the same way; those who are learnt from
also lend their true clips to `pretences`. Random people are kept as looks at clips in a few encodings; the studio's own people
are for the test alone, are kept as videos, and are judged as anybody's video is.
"""

import json
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import torch

from dancenow.execution import Execution
from dancenow.generators.renderers import CropRenderer, EdnRenderer
from dancenow.media.source import read_frames
from dancenow.metrics.perceptual import EfficientNetTrunk
from dancenow.pose.pipeline import PosePipeline
from dancenow.provenance.forensics.network import ForensicConfig
from dancenow.research.bench.fake_generation import NEAREST, Order, Workshop, is_whole, models
from dancenow.research.bench.pseudo_fakes import PRETENCES
from dancenow.research.bench.rendered_scenes import (
    FPS,
    KEPT,
    TESTED,
    Dance,
    Scene,
    SceneConfig,
    load_scene,
    scene_folder,
)
from dancenow.research.forensics.compression import (
    QUALITIES,
    Encoding,
    draw_encodings,
    encoded,
    evidence_of,
    write_encoded,
)
from dancenow.research.forensics.training import REAL, Evidence
from dancenow.storage.atomic_io import cache_dir, complete_or_absent
from dancenow.types import ImageRGB

Role = Literal["train", "calibrate", "test"]
PEOPLE: Final = 90
"""Random people."""
RECIPE: Final = 6
"""Raise it when the same settings would give other clips."""
REAL_TURNS: Final = 3
"""Encodings in which each of a random person's true clips is looked at; forged ones are in one."""
PRETENCE_TURNS: Final = 2
"""How often each true clip is made untrue in each way."""
LOOKS: Final = 9
"""At each clip of a random person."""
COMPLETE: Final = "complete"
"""File beside clips to which nothing will be added."""
JUDGED: Final = (*(Encoding(crf, grain=1.5) for crf in QUALITIES), Encoding(28, scale=0.5, grain=1.5))
"""How clips that are judged are encoded."""
_TRAINING_SHARE: Final = 0.75
"""Of a job's time; the rest is painting and encoding."""
_HANDLING: Final = 100.0
"""What painting and encoding a person's clips costs, in images of a draft's training."""
ORDERS: Final = (
    (Order("draft", (60, 160)),),
    (Order("draft", (100,)), Order("draft, from nothing", (200,))),
    (Order("draft", (40, 240)),),
    (Order("draft", (90,)), Order("paper", (80,))),
    (Order("draft", (120,)),),
    (Order("draft", (60,)), Order("standard, small", (100,))),
    (Order("draft", (30, 120, 400)),),
    (Order("draft", (90,)), Order("pix2pixHD", (80,))),
    (Order("draft", (80, 200)),),
)
"""What is forged of one random person after another, besides the nearest frame, as far as time allows."""
TEST_ORDERS: Final = (
    Order("draft", (60, 240, 720)),
    Order("draft, from nothing", (300,)),
    Order("paper", (160,)),
    Order("pix2pixHD", (120,)),
)


@dataclass(frozen=True)
class Suspect:
    """Somebody in a role. orders: what is forged; judged: kept as videos, not as looks."""

    name: str
    role: Role
    orders: tuple[Order, ...]
    scene: SceneConfig
    judged: bool = False

    @property
    def weight(self) -> float:
        """Share of the time, in images of a draft's training."""
        return _HANDLING + sum(order.cost for order in self.orders)


@dataclass(frozen=True)
class Exhibit:
    """A video to judge. family: `real` or what made it; images: that its model saw; encoding: its name."""

    video: Path
    subject: str
    dance: str
    family: str
    images: int
    encoding: str


@dataclass(frozen=True, eq=False)
class Shown:
    """A clip of a scene's person: which dance it shows, its frames, and whose they are (`real`, or what made them)."""

    dance: Dance
    frames: Sequence[ImageRGB]
    family: str
    images: int


def recruits() -> tuple[Suspect, ...]:
    """The random people: of ten, eight are learnt from, one is for the calibration, one for a first test."""
    people = []
    for number in range(PEOPLE):
        role: Role = "calibrate" if number % 10 == 4 else "test" if number % 10 == 9 else "train"
        scene = SceneConfig.random(number)
        people.append(Suspect(scene.identity, role, ORDERS[(number + number // 10) % len(ORDERS)], scene))
    return tuple(people)


def studio_people() -> tuple[Suspect, ...]:
    """The studio's people, who are judged as whole videos."""
    return tuple(Suspect(scene.identity, "test", TEST_ORDERS, scene, judged=True) for scene in TESTED)


def is_there(suspect: Suspect) -> bool:
    """Whether there is what their clips are made from."""
    return scene_folder(suspect.scene).is_dir()


def is_made(suspect: Suspect) -> bool:
    """Whether their clips are complete."""
    if suspect.judged:
        return (clips_folder(suspect) / COMPLETE).is_file()
    return all(path.is_file() for path in looks_paths(suspect).values())


def looks_paths(suspect: Suspect) -> dict[str, Path]:
    """Where the looks at a random person's clips lie; pretences are learnt from only."""
    name = f"{suspect.scene.number:03d}-{RECIPE}"
    paths = {"clips": cache_dir("forensics/looks") / f"{name}.npz"}
    if suspect.role == "train":
        paths["pretences"] = cache_dir("forensics/pretences") / f"{name}.npz"
    return paths


def clips_folder(suspect: Suspect) -> Path:
    """Where the forgeries of one of the studio's people lie, nearly without loss."""
    return cache_dir("forensics/clips") / f"{suspect.name}-{RECIPE}"


def make(suspect: Suspect, workshop: Workshop) -> None:
    """A suspect's clips; its orders share the workshop's time by what they cost."""
    training = replace(workshop, limit_s=_TRAINING_SHARE * workshop.limit_s)
    scene = load_scene(suspect.scene)
    made = forged(scene, suspect.orders, suspect.scene.number or 0, training)
    if suspect.judged:
        _keep_clips(suspect, made)
        return
    clips = {"clips": chain(list(true_clips(scene)) * REAL_TURNS, made), "pretences": pretended(scene)}
    for kind, path in looks_paths(suspect).items():
        if not path.is_file():
            _keep_looks(suspect, clips[kind], path)


def make_all(people: Sequence[Suspect], device: torch.device, seconds: float) -> None:
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
            make(suspect, replace(workshop, limit_s=limit_s))
        except Exception as error:  # one person's bad luck is not the others'
            print(f"{suspect.name}: {type(error).__name__}: {error}", flush=True)
        print(f"{suspect.name}: {time.perf_counter() - start_s:.1f} s of {limit_s:.1f}", flush=True)
        left.pop(0)


def shared_out(people: Sequence[Suspect], parts: int) -> list[list[Suspect]]:
    """Among so many workers, each with about the same to do; what matters most first."""
    first = {"test": 0, "calibrate": 1, "train": 2}
    shares: list[list[Suspect]] = [[] for _ in range(parts)]
    for each in sorted(people, key=lambda p: (not p.judged, first[p.role])):
        min(shares, key=lambda share: sum(p.weight for p in share)).append(each)
    return shares


def forged(scene: Scene, orders: Sequence[Order], seed: int, workshop: Workshop) -> Iterator[Shown]:
    """Every dance of a scene as the nearest frames of the footage show it, and as each order's models paint it."""
    for dance in scene.dances:
        yield Shown(dance, scene.nearest_frames(dance.track), NEAREST, 0)
    cost, poses = sum(order.cost for order in orders), PosePipeline.create()
    for number, order in enumerate(orders):
        share = replace(workshop, limit_s=workshop.limit_s * order.cost / cost)
        try:
            for images, model in models(scene, order, seed + number, share):
                renderer = (EdnRenderer if is_whole(model) else CropRenderer).load(model, Execution(str(workshop.device)))
                for dance in scene.dances:
                    track = poses.for_rendering(poses.smooth_jitter(dance.track))
                    yield Shown(dance, list(renderer.render(track)), order.way, images)
        except RuntimeError as error:  # a GPU that others use, too: what is made is kept
            print(f"{scene.name}, {order.way}: {error}", flush=True)


def true_clips(scene: Scene) -> Iterator[Shown]:
    """Every dance of a scene as it was filmed."""
    for dance in scene.dances:
        yield Shown(dance, [frame.image_rgb for frame in read_frames(dance.video)], REAL, 0)


def pretended(scene: Scene) -> Iterator[Shown]:
    """Every dance of a scene as it was filmed, made untrue in every way of `PRETENCES`."""
    rng = np.random.default_rng((RECIPE, 1, *scene.name.encode()))
    for shown in [*true_clips(scene)] * PRETENCE_TURNS:
        for family, pretence in PRETENCES.items():
            frames, index = pretence(shown.frames, rng)
            track = shown.dance.track
            seen = replace(track, pose=track.pose[index], status=track.status[index])
            yield Shown(replace(shown.dance, track=seen), frames, family, 0)


def _keep_looks(suspect: Suspect, clips: Iterator[Shown], path: Path) -> None:
    """True and forged alike are kept and sent out: encoded nearly without loss, then by chance."""
    rng = np.random.default_rng((RECIPE, suspect.scene.number or 0))
    arrays: dict[str, Any] = {}
    said: list[dict[str, str]] = []
    for turn, shown in enumerate(clips):
        drawn = draw_encodings(rng)
        encoding = drawn[int(rng.integers(len(drawn)))]
        name = f"{suspect.name}, {shown.dance.name}, {shown.family}, {shown.images}, {turn}, {encoding.name}"
        for each in evidence_of(
            encoded(shown.frames, Fraction(FPS), KEPT), shown.dance.track, Fraction(FPS), [encoding], family=shown.family,
            group=suspect.name, clip=name, side_px=ForensicConfig().crop_px, looks=LOOKS,
        ):  # fmt: skip
            arrays |= {f"pictures{len(said)}": each.pictures, f"bodies{len(said)}": each.bodies}
            said.append({"family": each.family, "group": each.group, "clip": each.clip})
    with complete_or_absent(path) as temporary, temporary.open("wb") as file:
        np.savez(file, index=np.array(json.dumps(said)), **arrays)


def _keep_clips(suspect: Suspect, made: Iterator[Shown]) -> None:
    """What is made is kept at once, so that what time cuts short is not lost."""
    folder = clips_folder(suspect)
    folder.mkdir(parents=True, exist_ok=True)
    said: list[dict[str, Any]] = []
    for number, shown in enumerate(made):
        write_encoded(shown.frames, Fraction(FPS), KEPT, folder / f"{number}.mp4")
        said.append({"video": f"{number}.mp4", "dance": shown.dance.name, "family": shown.family, "images": shown.images})
        with complete_or_absent(folder / "index.json") as temporary:
            temporary.write_text(json.dumps(said, indent=1), "utf-8")
    (folder / COMPLETE).touch()


def looks_at(role: Role, without: Sequence[str] = (), pretences: bool = False) -> list[Evidence]:
    """The looks at the random people in a role, as far as they are made, but of families that are to be left out, and at
    pretences if wanted."""
    kinds = ["clips", *(["pretences"] if pretences else [])]
    people = [each for each in recruits() if each.role == role and is_made(each)]
    paths = [path for each in people for kind, path in looks_paths(each).items() if kind in kinds]
    with ThreadPoolExecutor(8) as pool:
        return [each for of in pool.map(_loaded, paths) for each in of if each.family not in without]


def _loaded(path: Path) -> list[Evidence]:
    with np.load(path, allow_pickle=False) as file:
        said = json.loads(str(file["index"]))
        return [Evidence(file[f"pictures{n}"], file[f"bodies{n}"], **each) for n, each in enumerate(said)]


def exhibits(encodings: Sequence[Encoding] = JUDGED) -> Iterator[Exhibit]:
    """The videos of the test, encoded when they are asked for and kept."""
    for suspect in studio_people():
        folder = clips_folder(suspect)
        if not (folder / "index.json").is_file():
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
