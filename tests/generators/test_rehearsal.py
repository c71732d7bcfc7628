"""Poses that the footage does not show are drawn, and the pretrained generator's shapes are kept in them."""

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from dancenow.generators.crop.dataset import CropDataset
from dancenow.generators.crop.discriminator import DiscriminatorConfig
from dancenow.generators.crop.network import GeneratorConfig
from dancenow.generators.references import rehearsal as rehearsal_module
from dancenow.generators.references.config import PRESETS
from dancenow.generators.references.family import ReferenceFamily
from dancenow.generators.references.network import Plan, ReferenceGenerator
from dancenow.generators.references.picture_warper import create_warper
from dancenow.generators.references.reference_selection import ReferenceOptions, build_reference_set, selected_frames
from dancenow.generators.references.rehearsal import Rehearsal
from dancenow.generators.references.unseen_poses import UnseenPoses
from dancenow.metrics.perceptual import EfficientNetTrunk, PerceptualDistance
from dancenow.progress import ignore_progress
from dancenow.skeleton import INDEX
from dancenow.subject.subject import Subject
from dancenow.types import Pose
from helpers.drawn_world import dancer_track

CPU = torch.device("cpu")
CANVAS_PX = 64
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


class AlphaAlone:
    """Stands for a generator: its plan is an alpha [1,1,S,S] in all poses."""

    slots = 2

    def __init__(self, alpha: Tensor) -> None:
        self.alpha, self.config = alpha, GeneratorConfig(CANVAS_PX)

    def parameters(self) -> Iterator[Tensor]:
        return iter([self.alpha])

    def plan(self, inputs: Tensor) -> Plan:
        assert inputs.shape[1:] == (ReferenceGenerator(self.config, self.slots).num_inputs, CANVAS_PX // 4, CANVAS_PX // 4)
        nothing = torch.zeros(1, 2, CANVAS_PX, CANVAS_PX)
        return Plan(torch.cat([torch.zeros(1, 3, CANVAS_PX, CANVAS_PX), self.alpha], dim=1), nothing, nothing, nothing, None)


class OnePose:
    """Stands for `UnseenPoses`."""

    def __init__(self, pose: Pose) -> None:
        self.pose = pose

    def draw(self, count: int, rng: np.random.Generator) -> Pose:  # noqa: ARG002
        return self.pose


def test_limbs_are_learned_where_the_teacher_is_sure_and_trunk_and_head_are_not(
    drawn_subject: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rehearsal_module, "_ZOOM", 0.0)
    dataset = CropDataset.build(drawn_subject, CANVAS_PX, 2, 32)
    options = ReferenceOptions(count=3, gap_s=0.2)
    references = build_reference_set(drawn_subject, dataset, selected_frames(drawn_subject, 2, 32), options, ignore_progress)
    pose = dataset.pose[:1]
    pose = Pose(pose.xy + np.float32((CANVAS_PX - dataset.image.shape[1]) / 2), pose.confidence, pose.depth)

    def at(*names: str) -> tuple[int, int, int, int]:
        x, y = pose.xy[0, [INDEX[name] for name in names]].mean(axis=0).round().astype(int)
        return 0, 0, int(y), int(x)

    shin, forearm, nose = at("right_knee", "right_ankle"), at("left_elbow", "left_wrist"), at("nose")
    trunk, far = at("neck", "right_hip", "left_hip"), (0, 0, 2, 2)
    wanted = torch.zeros(1, 1, CANVAS_PX, CANVAS_PX)
    for place in (shin, nose, trunk):
        wanted[place] = 0.97
    wanted[forearm] = 0.6
    alpha = torch.full_like(wanted, 0.5).requires_grad_(True)
    teacher: Any = AlphaAlone(wanted)
    student: Any = AlphaAlone(alpha)
    poses: Any = OnePose(pose)
    rehearsal = Rehearsal(teacher, create_warper(references, CANVAS_PX, CPU), poses)
    rehearsal.term(student, 1, np.random.default_rng(0)).backward()
    slope = alpha.grad
    assert slope is not None
    assert slope[shin] < 0 < slope[far], "more where somebody is, less where nobody is"
    assert slope[forearm] == slope[nose] == slope[trunk] == 0
    assert -slope[shin] > 3 * slope[far], "it counts most near the person"

    wanted.fill_(0.97)  # a teacher who paints the background knows nobody like this person
    assert rehearsal.term(student, 1, np.random.default_rng(0)) == 0


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
    if task._rehearsal is not None:
        hips = task._rehearsal.poses.draw(9, np.random.default_rng(0)).xy[:, [INDEX["right_hip"], INDEX["left_hip"]]]
        assert np.abs(hips.mean(axis=(0, 1)) - (config.generator.canvas_px - 1) / 2).max() < config.generator.canvas_px / 8
