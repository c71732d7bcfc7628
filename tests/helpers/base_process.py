"""One process of a training of base weights: `python -m helpers.base_process FOLDER RECIPE STOPS ARGUMENTS...`.

RECIPE is `base`, `reference_base` or `face_base`; the people are noise, and the networks tiny. With STOPS `stops` the process
ends before the recipe removes what a training resumes from. Each process writes the digest of its weights: `FOLDER/rankN.txt`.
"""

import hashlib
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from dancenow.face.landmark_maps import NUM_MAPS
from dancenow.face.network import FaceNetworkConfig
from dancenow.generators.crop.config import LossWeights
from dancenow.generators.crop.dataset import CropDataset
from dancenow.generators.crop.network import Generator, GeneratorConfig
from dancenow.generators.crop.pretrained_init import PretrainedGenerator
from dancenow.generators.references.reference_selection import ReferenceOptions
from dancenow.generators.references.reference_set import ReferenceSet
from dancenow.metrics.perceptual import EfficientNetTrunk, PerceptualDistance
from dancenow.research.recipes.clip_archives import SUFFIX, save_pack
from dancenow.research.recipes.face_pretraining_task import FacePretrainingConfig
from dancenow.research.recipes.face_renders import Closeups
from dancenow.research.recipes.pretraining_task import PretrainingConfig
from dancenow.research.recipes.reference_people import ReferencePerson, save_reference_person
from dancenow.research.recipes.reference_pretraining_task import ReferencePretrainingConfig
from dancenow.training.distributed import rank
from dancenow.training.loop import Clock, train_loop
from helpers.crop_stores import a_store
from helpers.face_world import noise

SMALL = GeneratorConfig(canvas_px=64, width=8, blocks=1, shade=True)
CONFIG = PretrainingConfig(generator=SMALL, weights=LossWeights(perceptual=0.0), people_per_step=2, perceptual_depth=1)
REFERENCES = ReferencePretrainingConfig(
    generator=SMALL, references=ReferenceOptions(count=4), weights=LossWeights(perceptual=0.0), people_per_step=2,
    perceptual_depth=1, present=2, images_per_change=2, score_frames=1,
)  # fmt: skip
FACE = FacePretrainingConfig(FaceNetworkConfig(48, 8, 1), faces_per_step=2)


def write_people(folder: Path) -> None:
    """Three people for each recipe that reads them from files."""
    (folder / "packs").mkdir()
    (folder / "people").mkdir()
    for seed in range(3):
        save_pack(folder / "packs" / f"{seed}{SUFFIX}", a_store(seed))
        save_reference_person(folder / "people" / f"{seed}.pack.npz", noise_person(a_store(seed, runs=4, length=1)))


def noise_person(crops: CropDataset) -> ReferencePerson:
    """A person of noise, with the same frames as pictures to copy from."""
    rgba, time_s = np.concatenate([crops.image, crops.mask[..., None]], axis=3), np.arange(4, dtype=np.float64)
    return ReferencePerson(crops, time_s, ReferenceSet(rgba, crops.pose, time_s, 1.0, "0" * 64, np.ones(len(rgba), np.bool_)))


def noise_faces(*_: Any) -> list[Closeups]:
    """Close-ups of three people of noise."""
    shape = (3, 52, 52, 3)
    return [Closeups(noise(shape, who), noise(shape, who + 5), noise((3, NUM_MAPS, 52, 52), who + 9)) for who in range(3)]


def main(folder: Path, recipe: str, stops: bool) -> None:
    """Run the recipe in the small world."""
    module, monkeypatch = import_module(f"dancenow.research.recipes.train_{recipe}"), pytest.MonkeyPatch()

    def train(task: Any, *arguments: Any, **options: Any) -> Any:
        result = train_loop(task, *arguments, **options)
        digest = hashlib.sha256()
        for name, tensor in sorted(task.state(Clock()).tensors.items()):
            digest.update(name.encode() + tensor.detach().contiguous().numpy().tobytes())
        (folder / f"rank{rank()}.txt").write_text(digest.hexdigest())
        if stops:
            sys.exit(0)
        return result

    torch.manual_seed(1)
    small, trunk = Generator(SMALL).state_dict(), PerceptualDistance(EfficientNetTrunk(), depth=1)
    people = sorted((folder / "people").glob("*.npz"))
    for name, stand_in in {
        "train_loop": train,
        "PerceptualDistance": lambda **_: trunk,
        "PretrainingConfig": lambda: CONFIG,
        "ReferencePretrainingConfig": lambda: REFERENCES,
        "load_pretrained_generator": lambda: PretrainedGenerator(SMALL, small, "0" * 64),
        "render_reference_people": lambda *_: people,
        "FacePretrainingConfig": lambda: FACE,
        "closeups": noise_faces,
    }.items():
        if hasattr(module, name):
            monkeypatch.setattr(module, name, stand_in)
    module.main()


if __name__ == "__main__":
    torch.set_num_threads(1)
    place, what, ends = sys.argv[1:4]
    sys.argv = [what, *sys.argv[4:]]
    main(Path(place), what, ends == "stops")
