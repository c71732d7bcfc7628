"""Pictures of the person are chosen, kept, warped onto poses and mixed with what the generator generates."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from dancenow.errors import ModelError
from dancenow.generators.crop.dataset import CropDataset
from dancenow.generators.crop.discriminator import DiscriminatorConfig
from dancenow.generators.crop.network import Generator, GeneratorConfig
from dancenow.generators.crop.pretrained_init import KIND
from dancenow.generators.references import task as references_task
from dancenow.generators.references.body_parts import NUM_PARTS, PARTS, TRUNK, BodyParts, are_joined, part_weights
from dancenow.generators.references.config import PRESETS, ReferenceConfig
from dancenow.generators.references.family import ReferenceFamily
from dancenow.generators.references.network import INITIAL_LOGIT, ReferenceGenerator, brighten, mix_colors, move_pixels
from dancenow.generators.references.part_matching import part_distances, part_features
from dancenow.generators.references.part_transforms import part_transforms
from dancenow.generators.references.reference_choice import SteadyChoice, choose_nearest, choose_over_time, exclude_near
from dancenow.generators.references.reference_selection import (
    ReferenceOptions,
    build_reference_set,
    choose_frames,
    selected_frames,
)  # fmt: skip
from dancenow.generators.references.reference_set import ReferenceSet
from dancenow.metrics.perceptual import EfficientNetTrunk, PerceptualDistance
from dancenow.pose.conditioning.pose_maps import NUM_CHANNELS
from dancenow.progress import ignore_progress
from dancenow.provenance.stored_pictures import stored_pictures_note
from dancenow.skeleton import INDEX
from dancenow.storage.checkpoint import Checkpoint, CheckpointInfo, save_checkpoint, with_prefix
from dancenow.subject.subject import Subject
from dancenow.training.loop import Clock
from dancenow.types import Pose
from helpers.drawn_world import dancer_track

CPU = torch.device("cpu")
CANVAS_PX = 64
OPTIONS = ReferenceOptions(count=5, gap_s=0.2)


@pytest.fixture(scope="module")
def references(drawn_subject: Subject) -> ReferenceSet:
    dataset = CropDataset.build(drawn_subject, CANVAS_PX, 2, 32)
    frames = selected_frames(drawn_subject, 2, 32)
    return build_reference_set(drawn_subject, dataset, frames, OPTIONS, ignore_progress)


def test_kept_pictures_show_the_person_and_are_small(references: ReferenceSet) -> None:
    assert len(references) == OPTIONS.count
    assert (np.diff(references.time_s) > 0).all()
    assert references.px_per_canvas_px >= 1
    for rgba, pose in zip(references.rgba, (references.pose[i] for i in range(len(references))), strict=True):
        assert rgba[..., 3].max() == 255
        x, y = np.round(pose.xy[INDEX["neck"]]).astype(int)
        assert rgba[y, x, 3] > 128
    assert len(references.to_tensors()["pictures"]) < 1_500_000


def test_pictures_survive_a_checkpoint(references: ReferenceSet) -> None:
    stored = references.to_tensors()
    back = ReferenceSet.of_tensors(stored, {"source_sha256": "a"})
    np.testing.assert_array_equal(back.rgba[..., 3], references.rgba[..., 3])
    seen = references.rgba[..., 3] > 250
    assert np.abs(back.rgba[..., :3].astype(int) - references.rgba[..., :3])[seen].mean() < 6
    np.testing.assert_array_equal(back.pose.xy, references.pose.xy)
    for broken in ({**stored, "pictures": torch.zeros_like(stored["pictures"])}, {"pictures": stored["pictures"]}):
        with pytest.raises(ModelError, match="pictures in this model are damaged"):
            ReferenceSet.of_tensors(broken, {"source_sha256": "a"})


def test_frames_are_chosen_for_their_poses_and_not_where_they_are_blurred() -> None:
    track = dancer_track(90)
    still = np.repeat(track.pose.xy[:1], 90, axis=0)
    still[60:] = track.pose.xy[60:]
    pose, sharpness = Pose(still, track.pose.confidence), np.ones(90)
    chosen = choose_frames(pose, track.time_s, sharpness, ReferenceOptions(count=4, gap_s=0.1))
    assert (chosen >= 60).sum() >= 3
    sharpness[chosen[-1]] = 0
    assert chosen[-1] not in choose_frames(pose, track.time_s, sharpness, ReferenceOptions(count=4, gap_s=0.1))


def test_maps_take_every_part_to_its_place_in_the_reference() -> None:
    pose = dancer_track(20).pose
    wanted, reference = BodyParts.of_pose(pose[:1]), BodyParts.of_pose(pose[9:10])
    maps = part_transforms(wanted, reference, torch.zeros(1, 1, NUM_PARTS, dtype=torch.int64))[0, 0]
    for part, name in enumerate(PARTS):
        found = maps[part, :, :2] @ wanted.start[0, part] + maps[part, :, 2]
        assert (found - reference.start[0, part]).norm() < (1e-2 if name not in ("trunk", "head") else 4), name


def test_a_pose_is_nearest_to_itself_and_far_from_one_seen_from_behind() -> None:
    pose = dancer_track(20).pose
    turned = dataclasses.replace(pose, xy=pose.xy * np.array([-1, 1], np.float32))
    own, behind = (part_features(BodyParts.of_pose(each)) for each in (pose, turned))
    distances = part_distances(own, own)
    assert (distances.diagonal(dim1=0, dim2=2).max() < 1e-3).all()
    assert part_distances(own[:1], behind[:1])[0, TRUNK, 0] > distances[0, TRUNK].max()


def test_a_palm_is_far_from_the_back_of_the_hand() -> None:
    pose = dancer_track(20).pose[:1]
    xy = pose.xy.copy()
    wrist, index, pinky, thumb = (INDEX[f"right_{name}"] for name in ("wrist", "index", "pinky", "thumb"))
    xy[0, [index, pinky, thumb]] = xy[0, wrist] + np.array([[4, 20], [-4, 20], [7, 10]], np.float32)
    turned = xy.copy()
    turned[0, [index, pinky, thumb]] = xy[0, wrist] + np.array([[-4, 20], [4, 20], [-7, 10]], np.float32)
    palm, back = (part_features(BodyParts.of_pose(dataclasses.replace(pose, xy=each))) for each in (xy, turned))
    distances = part_distances(palm, back)[0, :, 0]
    assert distances[PARTS.index("right_hand")] > 0.3
    assert distances[PARTS.index("left_hand")] < 1e-3


def test_the_nearer_part_hides_the_other() -> None:
    pose = dancer_track(2).pose[:1]
    xy, depth = pose.xy.copy(), pose.depth.copy()
    middle = xy[0, [INDEX["neck"], INDEX["right_hip"], INDEX["left_hip"]]].mean(axis=0)
    xy[0, INDEX["right_wrist"]], xy[0, INDEX["right_index"]], xy[0, INDEX["right_pinky"]] = middle, middle + 3, middle + 2
    seen = []
    for wrist_px in (-12.0, 12.0):
        depth[0, [INDEX[f"right_{name}"] for name in ("wrist", "index", "pinky", "elbow")]] = wrist_px
        parts = BodyParts.of_pose(Pose(xy, pose.confidence, depth.copy()))
        seen.append(float(part_weights(parts.scores(torch.from_numpy(middle)[None]))[0, TRUNK, 0]))
    in_front, behind = seen
    assert in_front < 0.1 < 0.9 < behind


def test_an_arm_at_the_depth_of_a_leg_is_in_front_unless_seen_from_behind() -> None:
    pose = dancer_track(2).pose[:1]
    xy, depth = pose.xy.copy(), np.zeros_like(pose.depth)
    thigh = (xy[0, INDEX["right_hip"]] + xy[0, INDEX["right_knee"]]) / 2
    xy[0, INDEX["right_elbow"]], xy[0, INDEX["right_wrist"]] = thigh, thigh
    xy[0, [INDEX["right_elbow"], INDEX["right_wrist"]], 1] += np.array([-12, 12], np.float32)
    mirrored = xy.copy()
    mirrored[..., 0] = 2 * thigh[0] - xy[..., 0]
    arm, leg = PARTS.index("right_forearm"), PARTS.index("right_thigh")
    shares = []
    for points in (xy, mirrored):
        parts = BodyParts.of_pose(Pose(points, pose.confidence, depth))
        weights = part_weights(parts.scores(torch.from_numpy(thigh)[None]))[0, :, 0]
        shares.append(float(weights[arm] / (weights[arm] + weights[leg])))
    from_the_front, from_behind = shares
    assert from_the_front > 0.85
    assert from_behind == pytest.approx(0.5, abs=0.05)


def test_parts_that_touch_are_joined() -> None:
    assert are_joined("right_hand", "right_forearm")
    assert are_joined("head", "trunk")
    assert not are_joined("right_hand", "left_forearm")
    assert not are_joined("right_hand", "trunk")


def test_pictures_of_the_same_moment_are_not_used() -> None:
    distances = torch.zeros(2, NUM_PARTS, 3)
    times = torch.tensor([0.0, 5.0]), torch.tensor([0.1, 4.0, 9.0])
    far = exclude_near(distances, *times, gap_s=0.5)
    choice = choose_nearest(far, slots=2, rng=np.random.default_rng(0))
    assert choice.picture.shape == (2, 2, 1, NUM_PARTS)
    assert 0 not in choice.picture[0]
    alone = choose_nearest(far[..., :1], slots=2, rng=None)
    assert (alone.picture == 0).all()


def test_the_choice_is_steady_and_fades_at_changes() -> None:
    time_s = np.arange(60) / 30
    distances = np.tile(np.array([0.5, 0.5, 2.0], np.float32), (60, NUM_PARTS, 1))
    distances[..., 0] += 0.2 * np.sin(time_s * 30)[:, None].astype(np.float32)
    distances[30:, :, 2] = 0.0
    first, second = choose_over_time(distances, time_s, slots=2)
    assert (np.diff(first, axis=0) != 0).sum(axis=0).max() == 1
    assert (first[-1] == 2).all()
    assert (first != second).all()
    pictures, weights = SteadyChoice.of(first, time_s).faded(np.arange(60))
    np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-6)
    shares = np.where(pictures == 2, weights, 0).sum(axis=1)
    assert np.abs(np.diff(shares, axis=0)).max() < 0.5
    assert shares[0].max() == 0
    assert shares[-1].min() == 1


def test_without_references_it_generates_what_the_plain_network_does() -> None:
    torch.manual_seed(0)
    config = GeneratorConfig(canvas_px=CANVAS_PX, width=8, blocks=1, shade=True)
    network, plain = ReferenceGenerator(config, slots=2).eval(), Generator(config).eval()
    plain.load_state_dict({name: value for name, value in network.state_dict().items() if name in plain.state_dict()})
    maps = torch.rand(1, NUM_CHANNELS, 16, 16)
    nothing = torch.zeros(1, network.num_inputs - NUM_CHANNELS, 16, 16)
    with torch.no_grad():
        torch.testing.assert_close(network(torch.cat([maps, nothing], dim=1)), plain(maps))


def test_a_reference_that_is_trusted_fully_is_copied() -> None:
    config = GeneratorConfig(canvas_px=CANVAS_PX, width=8, blocks=1)
    network = ReferenceGenerator(config, slots=1).eval()
    assert network.mix.bias is not None
    torch.nn.init.constant_(network.mix.bias, 6.0)
    image = torch.rand(1, 3, CANVAS_PX, CANVAS_PX) * 2 - 1
    warped = torch.nn.functional.pixel_unshuffle(torch.cat([image, torch.ones_like(image[:, :1])], dim=1), 4)
    with torch.no_grad():
        rgba = network(torch.cat([torch.zeros(1, NUM_CHANNELS, 16, 16), warped], dim=1))
    torch.testing.assert_close(rgba[:, :3], image, atol=0.02, rtol=0)


def test_colors_are_mixed_by_weight_and_validity() -> None:
    rgba = torch.zeros(1, 4, 1, 2)
    warped = torch.tensor([[0.8, 0.8, 0.8, 1.0], [0.0, 0.0, 0.0, 0.0]]).T.reshape(1, 4, 1, 2)
    color = mix_colors(rgba, warped, torch.full((1, 1, 1, 2), 5.0))[0, 0, 0]
    assert color[0] > 0.75
    assert color[1] == 0


def test_references_are_halved_by_their_means() -> None:
    image = torch.rand(2, 8, 16, 16)
    generator = ReferenceGenerator(GeneratorConfig(canvas_px=64, width=8, blocks=1), 2)
    means = torch.nn.functional.conv2d(torch.nn.functional.pixel_unshuffle(image, 4), generator.means)
    torch.testing.assert_close(torch.nn.functional.pixel_shuffle(means, 2), torch.nn.functional.avg_pool2d(image, 2))


def test_brighter_pictures_keep_their_black_and_their_validity() -> None:
    light, validity = torch.rand(1, 3, 4, 4), torch.full((1, 1, 4, 4), 0.5)
    planes = torch.cat([(2 * light - 1) * validity, validity] * 2, dim=1)
    lit = brighten(planes, torch.tensor([0.0, 2.0]).log().clamp_min(-20)[None, :, None, None].expand(1, 2, 4, 4))
    black, twice = lit.split(4, dim=1)
    torch.testing.assert_close(black[:, :3], -validity.expand_as(light), atol=1e-5, rtol=0)
    torch.testing.assert_close(twice[:, :3] / validity, 2 * (2 * light) - 1)
    torch.testing.assert_close(lit[:, 3::4], planes[:, 3::4])


def test_pixels_of_each_reference_are_moved_by_their_own_shifts() -> None:
    planes, shifts = torch.rand(2, 8, 16, 16), torch.zeros(2, 4, 16, 16)
    torch.testing.assert_close(move_pixels(planes, shifts), planes)
    shifts[:, 0], shifts[:, 3] = 1.0, 2.0  # the first from the right, the second from below
    moved = move_pixels(planes, shifts)
    torch.testing.assert_close(moved[:, :4, :, :-1], planes[:, :4, :, 1:])
    torch.testing.assert_close(moved[:, 4:, :-2], planes[:, 4:, 2:])
    assert not moved[:, 4:, -2:].any()  # nothing is known outside


def test_a_model_keeps_pictures_and_says_so(drawn_subject: Subject) -> None:
    judge = DiscriminatorConfig(width=4, scales=1)
    config = ReferenceConfig(
        GeneratorConfig(canvas_px=CANVAS_PX, width=8, blocks=1), judge, dataclasses.replace(judge, frames=2), max_frames=32,
        references=ReferenceOptions(count=3), adversarial_from=0.5,
    )  # fmt: skip
    perceptual = PerceptualDistance(EfficientNetTrunk(), depth=1)
    task = ReferenceFamily().create_task(
        drawn_subject, config, seed=0, perceptual=perceptual, device=CPU, on_progress=ignore_progress
    )
    assert isinstance(task.generator, ReferenceGenerator)
    mix = task.generator.mix.weight
    before = mix.detach().clone()
    terms = task.step(np.random.default_rng(0), 0.9)
    assert all(np.isfinite(value) for value in terms.values())
    assert not torch.equal(mix, before)
    model = task.model(Clock())
    note = stored_pictures_note(model.info)
    assert note is not None
    assert "contains 3 pictures of the person" in note
    assert len(ReferenceSet.of_tensors(model.part("references"), model.info.subject)) == 3
    assert stored_pictures_note(CheckpointInfo("body", {})) is None


def test_training_starts_from_the_familys_own_base_where_there_is_one(
    drawn_subject: Subject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = dataclasses.replace(
        PRESETS["draft"], references=ReferenceOptions(count=2), max_frames=32, spatial=DiscriminatorConfig(width=4),
        temporal=DiscriminatorConfig(frames=2, width=4),
    )  # fmt: skip
    perceptual = PerceptualDistance(EfficientNetTrunk(), depth=1)

    def starting_bias() -> Tensor:
        task = ReferenceFamily().create_task(
            drawn_subject, config, seed=0, perceptual=perceptual, device=CPU, on_progress=ignore_progress
        )
        assert isinstance(task.generator, ReferenceGenerator)
        assert task.generator.mix.bias is not None
        return task.generator.mix.bias.detach()

    base = tmp_path / "references_base.safetensors"
    monkeypatch.setattr(references_task, "REFERENCES_BASE", base)
    assert (starting_bias() == INITIAL_LOGIT).all()
    learned = ReferenceGenerator(config.generator, config.references.slots)
    assert learned.mix.bias is not None
    torch.nn.init.constant_(learned.mix.bias, 0.25)
    info = CheckpointInfo(KIND, {"generator": dataclasses.asdict(config.generator)})
    save_checkpoint(base, Checkpoint(info, with_prefix("generator", learned.state_dict())))
    assert (starting_bias() == 0.25).all()


def test_a_reference_configuration_does_not_mirror() -> None:
    with pytest.raises(ValueError, match="neither mirrors"):
        ReferenceConfig(mirror=0.3)
