"""Clips for training, calibrating and testing the forensic classifier: people, roles, generation, and storage.

Each subject, dance and scene has one role only. All clips are rendered and encoded in the same way; the real clips of training
people also become `pseudo_fakes`. Random people are stored as samples from clips in a few encodings. The studio's own people
are used only in the test, are stored as videos, and are classified like any user's video.
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
from dancenow.generators.registry import renderer_of
from dancenow.media.source import read_frames
from dancenow.metrics.perceptual import EfficientNetTrunk
from dancenow.pose.pipeline import PosePipeline
from dancenow.provenance.forensics.network import ForensicConfig
from dancenow.provenance.forensics.samples import BODY_MAP_STRIDE, body_map
from dancenow.rendering.renderer import render_video
from dancenow.research.bench.fake_generation import NEAREST, FakeSpec, GenerationContext, trained_models
from dancenow.research.bench.pseudo_fakes import PSEUDO_FAKES
from dancenow.research.bench.rendered_scenes import (
    FPS,
    STORAGE_ENCODING,
    TEST_SCENES,
    Dance,
    Scene,
    SceneConfig,
    load_scene,
    scene_folder,
)
from dancenow.research.forensics.camera_model import CameraModel
from dancenow.research.forensics.compression import (
    CRFS,
    Encoding,
    draw_encodings,
    encode_decode,
    extract_samples,
    write_encoded,
)
from dancenow.research.forensics.self_blending import Matte, estimate_matte
from dancenow.research.forensics.training import REAL, ClipSamples
from dancenow.storage.atomic_io import cache_dir, complete_or_absent
from dancenow.types import ImageRGB

Role = Literal["train", "calibrate", "test"]
PEOPLE: Final = 90
"""Number of random people."""
RECIPE: Final = 7
"""Raise it when the same settings give other clips."""
REAL_REPEATS: Final = 3
"""Encodings in which each real clip of a random person is sampled; fakes are sampled in one."""
PSEUDO_FAKE_REPEATS: Final = 1
"""How often each real clip passes through each pseudo-fake method."""
CAMERA_FRACTION: Final = 0.75
"""Fraction of the random people who are filmed by a `CameraModel`; the others are shown as they were rendered."""
SAMPLES_PER_CLIP: Final = 6
"""Samples per clip of a random person."""
COMPLETE: Final = "complete"
"""Marker file in a folder of clips that is complete."""
EVALUATED_ENCODINGS: Final = (*(Encoding(crf, grain=1.5) for crf in CRFS), Encoding(28, scale=0.5, grain=1.5))
"""Encodings of the test videos."""
_TRAINING_FRACTION: Final = 0.75
"""Fraction of a job's time; the rest is rendering and encoding."""
_OVERHEAD_COST: Final = 100.0
"""Cost of rendering and encoding a person's clips, in training images of a draft."""
FAKE_SPECS: Final = (
    (FakeSpec("draft", (60, 160)), FakeSpec("draft-references", (0,))),
    (FakeSpec("draft", (100,)), FakeSpec("draft, from nothing", (150,))),
    (FakeSpec("draft", (40,)), FakeSpec("draft-references", (0, 60))),
    (FakeSpec("draft", (60,)), FakeSpec("paper", (40,))),
    (FakeSpec("draft", (120,)), FakeSpec("draft-references", (40,))),
    (FakeSpec("draft-references", (20,)), FakeSpec("standard, small", (60,))),
    (FakeSpec("draft", (30, 120)), FakeSpec("draft-references", (0, 30))),
    (FakeSpec("draft", (60,)), FakeSpec("pix2pixHD", (40,))),
    (FakeSpec("draft", (60,)), FakeSpec("draft-references", (20, 80))),
)
"""What is generated for successive random people, in addition to the nearest frame, as far as time allows."""
TEST_FAKE_SPECS: Final = (
    FakeSpec("draft", (60, 240)),
    FakeSpec("draft-references", (0, 60)),
    FakeSpec("draft, from nothing", (150,)),
    FakeSpec("paper", (50,)),
)


@dataclass(frozen=True)
class DatasetPerson:
    """A person with a role. specs: fakes to generate; as_videos: stored as videos, not as samples."""

    name: str
    role: Role
    specs: tuple[FakeSpec, ...]
    scene: SceneConfig
    as_videos: bool = False

    @property
    def weight(self) -> float:
        """Relative cost, in training images of a draft."""
        return _OVERHEAD_COST + sum(spec.cost for spec in self.specs)


@dataclass(frozen=True)
class EvaluationVideo:
    """A test video. family: `real` or the generator; images: training images of its model; encoding: its name."""

    video: Path
    subject: str
    dance: str
    family: str
    images: int
    encoding: str


@dataclass(frozen=True, eq=False)
class RenderedClip:
    """A clip of a scene's person: the dance, the frames, and their family (`real`, or the generator)."""

    dance: Dance
    frames: Sequence[ImageRGB]
    family: str
    images: int


def random_people() -> tuple[DatasetPerson, ...]:
    """The random people: of ten, eight are for training, one for calibration, one for a first test."""
    people = []
    for number in range(PEOPLE):
        role: Role = "calibrate" if number % 10 == 4 else "test" if number % 10 == 9 else "train"
        scene = SceneConfig.random(number)
        people.append(DatasetPerson(scene.identity, role, FAKE_SPECS[(number + number // 10) % len(FAKE_SPECS)], scene))
    return tuple(people)


def studio_people() -> tuple[DatasetPerson, ...]:
    """The studio's people, tested on whole videos."""
    return tuple(DatasetPerson(scene.identity, "test", TEST_FAKE_SPECS, scene, as_videos=True) for scene in TEST_SCENES)


def has_scene(person: DatasetPerson) -> bool:
    """Whether the person's scene has been rendered."""
    return scene_folder(person.scene).is_dir()


def is_complete(person: DatasetPerson) -> bool:
    """Whether all of the person's clips exist."""
    if person.as_videos:
        return (clips_folder(person) / COMPLETE).is_file()
    return all(path.is_file() for path in sample_paths(person).values())


def sample_paths(person: DatasetPerson) -> dict[str, Path]:
    """Files with the samples of a random person; pseudo-fakes exist for training only."""
    name = f"{person.scene.number:03d}-{RECIPE}"
    paths = {"clips": cache_dir("forensics/samples") / f"{name}.npz"}
    if person.role == "train":
        paths["pseudo_fakes"] = cache_dir("forensics/pseudo-fakes") / f"{name}.npz"
    return paths


def clips_folder(person: DatasetPerson) -> Path:
    """Folder with the fakes of one of the studio's people, encoded almost losslessly."""
    return cache_dir("forensics/clips") / f"{person.name}-{RECIPE}"


def make_clips(person: DatasetPerson, context: GenerationContext) -> None:
    """Make a person's clips; the specs divide the available time by their cost."""
    training = replace(context, limit_s=_TRAINING_FRACTION * context.limit_s)
    rendered = load_scene(person.scene)
    scene = filmed_scene(person, rendered)
    fakes = generate_fakes(scene, person.specs, person.scene.number or 0, training)
    if person.as_videos:
        _save_clips(person, fakes)
        return
    clips = {
        "clips": chain(list(real_clips(scene)) * REAL_REPEATS, fakes),
        "pseudo_fakes": generate_pseudo_fakes(scene, rendered),
    }
    for kind, path in sample_paths(person).items():
        if not path.is_file():
            _save_samples(person, clips[kind], path)


def filmed_scene(person: DatasetPerson, rendered: Scene) -> Scene:
    """The scene of a person; most random people are filmed by a random camera, so that generators learn from what it shows."""
    number = person.scene.number
    if number is None:
        return rendered
    rng = np.random.default_rng((RECIPE, 2, number))
    return rendered.filmed_by(CameraModel.random(rng), rng) if rng.random() < CAMERA_FRACTION else rendered


def make_all_clips(people: Sequence[DatasetPerson], device: torch.device, seconds: float) -> None:
    """Make the missing clips of one person after another until the time is up; print errors and continue."""
    deadline_s = time.perf_counter() + seconds
    context = GenerationContext(device, EfficientNetTrunk.pretrained())
    remaining = [each for each in people if not is_complete(each)]
    while remaining:
        person, rest_s = remaining[0], deadline_s - time.perf_counter()
        if rest_s <= 0:
            print(f"no time for {len(remaining)} people", flush=True)
            return
        limit_s = rest_s * person.weight / sum(each.weight for each in remaining)
        start_s = time.perf_counter()
        try:
            make_clips(person, replace(context, limit_s=limit_s))
        except Exception as error:  # a failure for one person must not stop the others
            print(f"{person.name}: {type(error).__name__}: {error}", flush=True)
        print(f"{person.name}: {time.perf_counter() - start_s:.1f} s of {limit_s:.1f}", flush=True)
        remaining.pop(0)


def assign_to_workers(people: Sequence[DatasetPerson], parts: int) -> list[list[DatasetPerson]]:
    """Divide people among workers with about equal cost, the most important roles first."""
    priority = {"test": 0, "calibrate": 1, "train": 2}
    workers: list[list[DatasetPerson]] = [[] for _ in range(parts)]
    for each in sorted(people, key=lambda p: (not p.as_videos, priority[p.role])):
        min(workers, key=lambda worker: sum(p.weight for p in worker)).append(each)
    return workers


def generate_fakes(scene: Scene, specs: Sequence[FakeSpec], seed: int, context: GenerationContext) -> Iterator[RenderedClip]:
    """Generate every dance of a scene: from the nearest frames of the footage, and with the trained_models of each spec."""
    for dance in scene.dances:
        yield RenderedClip(dance, scene.nearest_frames(dance.track), NEAREST, 0)
    cost, poses = sum(spec.cost for spec in specs), PosePipeline.create()
    for number, spec in enumerate(specs):
        part = replace(context, limit_s=context.limit_s * spec.cost / cost)
        try:
            for images, model in trained_models(scene, spec, seed + number, part):
                renderer = renderer_of(model, Execution(str(context.device)))
                for dance in scene.dances:
                    track = poses.for_rendering(dance.track)
                    yield RenderedClip(
                        dance, list(render_video(renderer, renderer.target.view("still"), track)), spec.method, images
                    )
        except RuntimeError as error:  # a shared GPU may run out of memory: keep what has been generated
            print(f"{scene.name}, {spec.method}: {error}", flush=True)


def real_clips(scene: Scene) -> Iterator[RenderedClip]:
    """The filmed video of every dance of a scene."""
    for dance in scene.dances:
        yield RenderedClip(dance, dance.frames(), REAL, 0)


def generate_pseudo_fakes(scene: Scene, rendered: Scene) -> Iterator[RenderedClip]:
    """Pass every filmed dance of a scene through every method of `PSEUDO_FAKES`. rendered: the scene before it was filmed, for
    the mattes."""
    mattes = {dance.name: dance_mattes(dance, rendered.plate.image_rgb) for dance in rendered.dances}
    rng = np.random.default_rng((RECIPE, 1, *scene.name.encode()))
    for clip in [*real_clips(scene)] * PSEUDO_FAKE_REPEATS:
        for family, method in PSEUDO_FAKES.items():
            frames, index = method(clip.frames, mattes[clip.dance.name], rng)
            track = clip.dance.track
            track = replace(track, pose=track.pose[index], status=track.status[index])
            yield RenderedClip(replace(clip.dance, track=track), frames, family, 0)


def dance_mattes(dance: Dance, empty: ImageRGB) -> list[Matte]:
    """Mattes of the person in the frames of a rendered dance before a known room."""
    side = empty.shape[0] // BODY_MAP_STRIDE * BODY_MAP_STRIDE
    return [estimate_matte(frame, empty, body_map(dance.track.pose[i], side)) for i, frame in enumerate(dance.frames())]


def _save_samples(person: DatasetPerson, clips: Iterator[RenderedClip], path: Path) -> None:
    """Encode real and fake clips alike, first almost losslessly, then randomly, and store their samples."""
    rng = np.random.default_rng((RECIPE, person.scene.number or 0))
    arrays: dict[str, Any] = {}
    index: list[dict[str, str]] = []
    for turn, clip in enumerate(clips):
        encodings = draw_encodings(rng)
        encoding = encodings[int(rng.integers(len(encodings)))]
        name = f"{person.name}, {clip.dance.name}, {clip.family}, {clip.images}, {turn}, {encoding.name}"
        for each in extract_samples(
            encode_decode(clip.frames, Fraction(FPS), STORAGE_ENCODING), clip.dance.track, Fraction(FPS), [encoding],
            family=clip.family, group=person.name, clip=name, side_px=ForensicConfig().crop_px, num_samples=SAMPLES_PER_CLIP,
        ):  # fmt: skip
            arrays |= {f"images{len(index)}": each.images, f"bodies{len(index)}": each.bodies}
            index.append({"family": each.family, "group": each.group, "clip": each.clip})
    with complete_or_absent(path) as temporary, temporary.open("wb") as file:
        np.savez(file, index=np.array(json.dumps(index)), **arrays)


def _save_clips(person: DatasetPerson, clips: Iterator[RenderedClip]) -> None:
    """Write each clip at once, so that nothing is lost when time runs out."""
    folder = clips_folder(person)
    folder.mkdir(parents=True, exist_ok=True)
    index: list[dict[str, Any]] = []
    for number, clip in enumerate(clips):
        write_encoded(clip.frames, Fraction(FPS), STORAGE_ENCODING, folder / f"{number}.mp4")
        index.append({"video": f"{number}.mp4", "dance": clip.dance.name, "family": clip.family, "images": clip.images})
        with complete_or_absent(folder / "index.json") as temporary:
            temporary.write_text(json.dumps(index, indent=1), "utf-8")
    (folder / COMPLETE).touch()


def load_samples(role: Role, without: Sequence[str] = (), pseudo_fakes: bool = False) -> list[ClipSamples]:
    """Load the samples of the random people in a role, as far as they exist, without some families, and optionally the
    pseudo-fakes."""
    kinds = ["clips", *(["pseudo_fakes"] if pseudo_fakes else [])]
    people = [each for each in random_people() if each.role == role and is_complete(each)]
    paths = [path for each in people for kind, path in sample_paths(each).items() if kind in kinds]
    with ThreadPoolExecutor(8) as pool:
        return [each for of in pool.map(_load_clips, paths) for each in of if each.family not in without]


def _load_clips(path: Path) -> list[ClipSamples]:
    with np.load(path, allow_pickle=False) as file:
        index = json.loads(str(file["index"]))
        return [ClipSamples(file[f"images{n}"], file[f"bodies{n}"], **each) for n, each in enumerate(index)]


def evaluation_videos(encodings: Sequence[Encoding] = EVALUATED_ENCODINGS) -> Iterator[EvaluationVideo]:
    """The test videos, encoded on first use and cached."""
    for person in studio_people():
        folder = clips_folder(person)
        if not (folder / "index.json").is_file():
            continue
        fakes = json.loads((folder / "index.json").read_text("utf-8"))
        sources = [(folder / each["video"], each["dance"], each["family"], each["images"]) for each in fakes]
        sources += [(dance.video, dance.name, REAL, 0) for dance in load_scene(person.scene).dances]
        for source, dance_name, family, images in sources:
            for seed, encoding in enumerate(encodings):
                tag = f"{person.name}-{dance_name}-{family}-{images}-{encoding.name}".replace(" ", "_").replace(",", "")
                path = cache_dir("forensics/test-videos") / f"{tag}-{RECIPE}.mp4"
                if not path.is_file():
                    frames = [frame.image_rgb for frame in read_frames(source)]
                    if family == REAL:
                        frames = encode_decode(frames, Fraction(FPS), STORAGE_ENCODING)
                    with complete_or_absent(path) as temporary:
                        write_encoded(frames, Fraction(FPS), encoding, temporary, seed)
                yield EvaluationVideo(path, person.name, dance_name, family, images, encoding.name)
