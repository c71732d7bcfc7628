"""Poses that the footage does not show are drawn, and the pretrained generator's shapes are kept in them."""

import copy
import dataclasses

import numpy as np
import pytest
import torch

from dancenow.generators.crop.dataset import CropDataset
from dancenow.generators.crop.discriminator import DiscriminatorConfig
from dancenow.generators.crop.network import GeneratorConfig
from dancenow.generators.references.config import PRESETS
from dancenow.generators.references.family import ReferenceFamily
from dancenow.generators.references.network import ReferenceGenerator
from dancenow.generators.references.picture_warper import create_warper
from dancenow.generators.references.reference_selection import ReferenceOptions, build_reference_set, selected_frames
from dancenow.generators.references.rehearsal import Rehearsal
from dancenow.generators.references.unseen_poses import UnseenPoses
from dancenow.metrics.perceptual import EfficientNetTrunk, PerceptualDistance
from dancenow.progress import ignore_progress
from dancenow.skeleton import INDEX
from dancenow.subject.subject import Subject
from helpers.drawn_world import dancer_track

CPU = torch.device("cpu")
CANVAS_PX = 64
SURE_OF_NOBODY = -4.0  # bias of alpha
_STILL = [INDEX[name] for name in ("nose", "neck", "right_shoulder", "left_shoulder", "right_hip", "left_hip")]


def test_unseen_poses_have_the_persons_limbs_in_other_directions() -> None:
    footage = dancer_track(30).pose
    drawn = UnseenPoses(footage).draw(60, np.random.default_rng(0))
    off = np.linalg.norm(drawn.xy[:, None] - footage.xy[None], axis=3)  # [60,30,K]
    assert (off[..., _STILL].max(axis=2).min(axis=1) < 1e-3).all()
    assert off[..., INDEX["right_ankle"]].min(axis=1).max() > 20

    def longest_px(xy: np.ndarray, *names: str) -> float:
        start, end = (INDEX[name] for name in names)
        return float(np.linalg.norm(xy[:, end] - xy[:, start], axis=1).max())

    for names in (("right_hip", "right_knee"), ("left_elbow", "left_wrist"), ("left_ankle", "left_toe")):
        assert longest_px(drawn.xy, *names) < 1.1 * longest_px(footage.xy, *names)


def test_a_foot_keeps_its_place_at_the_end_of_its_leg() -> None:
    footage = dancer_track(1).pose
    points = [INDEX[f"right_{name}"] for name in ("ankle", "heel", "toe")]
    drawn = UnseenPoses(footage).draw(20, np.random.default_rng(1)).xy[:, points]
    own = footage.xy[0, points]
    for pair in ((0, 1), (0, 2), (1, 2)):
        length_px = np.linalg.norm(drawn[:, pair[0]] - drawn[:, pair[1]], axis=1)
        np.testing.assert_allclose(length_px, np.linalg.norm(own[pair[0]] - own[pair[1]]), rtol=1e-3)


@pytest.fixture(scope="module")
def rehearsal(drawn_subject: Subject) -> Rehearsal:
    dataset = CropDataset.build(drawn_subject, CANVAS_PX, 2, 32)
    options = ReferenceOptions(count=3, gap_s=0.2)
    references = build_reference_set(drawn_subject, dataset, selected_frames(drawn_subject, 2, 32), options, ignore_progress)
    torch.manual_seed(0)
    teacher = ReferenceGenerator(GeneratorConfig(CANVAS_PX, width=8, blocks=1), options.slots).requires_grad_(False)
    teacher.state_dict()["leave.1.bias"][-4:] = SURE_OF_NOBODY
    return Rehearsal(teacher, create_warper(references, CANVAS_PX, CPU), UnseenPoses(dataset.pose))


def test_a_generator_that_forgot_shapes_learns_them_again(rehearsal: Rehearsal) -> None:
    def distance(generator: ReferenceGenerator) -> float:
        with torch.no_grad():
            return float(rehearsal.term(generator, 4, np.random.default_rng(5)))

    least = distance(rehearsal.teacher)
    student = copy.deepcopy(rehearsal.teacher).requires_grad_(True)
    state = student.state_dict()
    state["leave.1.bias"][-4:] = -SURE_OF_NOBODY
    forgotten = distance(student)
    optimizer, rng = torch.optim.Adam(student.parameters(), lr=0.02), np.random.default_rng(0)
    for _ in range(30):
        optimizer.zero_grad()
        rehearsal.term(student, 2, rng).backward()
        optimizer.step()
    assert distance(student) < least + 0.3 * (forgotten - least)


@pytest.mark.parametrize("rehearsed", [0, 1])
def test_the_draft_rehearses(drawn_subject: Subject, rehearsed: int) -> None:
    config = dataclasses.replace(
        PRESETS["draft"], references=ReferenceOptions(count=2), max_frames=32, spatial=DiscriminatorConfig(width=4),
        temporal=DiscriminatorConfig(frames=2, width=4), clips_per_step=1, rehearsed=rehearsed,
    )  # fmt: skip
    task = ReferenceFamily().create_task(
        drawn_subject, config, seed=0, perceptual=PerceptualDistance(EfficientNetTrunk(), depth=1), device=CPU,
        on_progress=ignore_progress,
    )  # fmt: skip
    assert ("rehearsal" in task.step(np.random.default_rng(0), 0.0)) == bool(rehearsed)
