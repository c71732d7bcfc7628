"""Crop training reduces the loss, can be stopped at any time, and resumes exactly."""

import dataclasses
import signal
from pathlib import Path

import numpy as np
import pytest
import torch

from dancenow.errors import UserError
from dancenow.generators.crop.config import CROP_KIND, CropConfig, LossWeights
from dancenow.generators.crop.dataset import Augmentation, CropDataset, jitter_keypoints, mirror_clips
from dancenow.generators.crop.discriminator import DiscriminatorConfig
from dancenow.generators.crop.discriminators import Discriminators
from dancenow.generators.crop.image_losses import Patch, pose_maps
from dancenow.generators.crop.network import GeneratorConfig
from dancenow.generators.crop.task import CropTask
from dancenow.metrics.perceptual import EfficientNetTrunk, PerceptualDistance
from dancenow.pose.pose_rarity import rarity
from dancenow.progress import Progress, ignore_progress
from dancenow.rendering.transfer_warnings import model_warnings
from dancenow.skeleton import INDEX
from dancenow.storage.checkpoint import load_checkpoint, read_info
from dancenow.subject.subject import Subject
from dancenow.subject.target_appearance import Target
from dancenow.training.budget import Budget
from dancenow.training.loop import Clock, LoopConfig, preview_path, state_path, train_loop

CPU = torch.device("cpu")
CONFIG = CropConfig(
    generator=GeneratorConfig(canvas_px=64, width=8, blocks=1),
    spatial=DiscriminatorConfig(width=8, scales=2),
    temporal=DiscriminatorConfig(frames=2, width=8, scales=2),
    weights=LossWeights(perceptual=0.0),
    clips_per_step=2,
    adversarial_from=0.5,
)


@pytest.fixture(scope="module")
def store(drawn_subject: Subject) -> CropDataset:
    return CropDataset.build(drawn_subject, CONFIG.generator.canvas_px, length=4)


@pytest.fixture
def task(store: CropDataset, drawn_subject: Subject) -> CropTask:
    return make_task(store, drawn_subject)


def make_task(store: CropDataset, subject: Subject, config: CropConfig = CONFIG) -> CropTask:
    torch.manual_seed(1)
    distance = PerceptualDistance(EfficientNetTrunk(), depth=1)
    kept = Target.of_subject(subject).to_checkpoint(CROP_KIND)
    return CropTask(store, config, seed=0, kept=kept, perceptual=distance, device=CPU)


@pytest.mark.slow
def test_training_reduces_the_image_error(task: CropTask) -> None:
    first = [task.step(np.random.default_rng(i), 0.0)["l1"] for i in range(3)]
    for i in range(160):
        task.step(np.random.default_rng((1, i)), 0.3)
    last = [task.step(np.random.default_rng(i), 0.3)["l1"] for i in range(3)]
    assert np.mean(last) < 0.7 * np.mean(first)


@pytest.mark.parametrize("fine", [False, True])
def test_a_resumed_run_equals_an_unbroken_one(store: CropDataset, drawn_subject: Subject, tmp_path: Path, fine: bool) -> None:
    config = LoopConfig(seed=0)
    networks = dataclasses.replace(CONFIG.generator, fine=fine)
    recipe = dataclasses.replace(CONFIG, adversarial_from=0.0, generator=networks, fine_from=0.6)

    def train(name: str, images: int, resume: bool) -> None:
        task = make_task(store, drawn_subject, recipe)
        train_loop(task, tmp_path / name, Budget(images=images), resume=resume, config=config, on_progress=ignore_progress)

    # The schedule depends on the budget, so the first part ends by an interruption, not by a smaller budget.
    train("unbroken.safetensors", 12, resume=False)
    task = make_task(store, drawn_subject, recipe)
    steps = iter(range(3))

    def interrupt(event: Progress) -> None:
        if event.preview is None and next(steps, None) is None:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        train_loop(task, tmp_path / "broken.safetensors", Budget(images=12), resume=False, config=config, on_progress=interrupt)
    info = read_info(tmp_path / "broken.safetensors")
    assert 0 < info.images_seen < 12
    (warning,) = model_warnings(tmp_path / "broken.safetensors", info)
    assert f"at {100 * info.images_seen // 12}% of its budget" in warning
    train("broken.safetensors", 12, resume=True)
    unbroken = load_checkpoint(tmp_path / "unbroken.safetensors", "body")
    broken = load_checkpoint(tmp_path / "broken.safetensors", "body")
    assert model_warnings(tmp_path / "broken.safetensors", broken.info) == ()
    assert broken.info.images_seen == unbroken.info.images_seen == 12
    for name, tensor in unbroken.tensors.items():
        assert torch.equal(tensor, broken.tensors[name]), name


def test_saved_models_are_usable_and_described(task: CropTask, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    train_loop(task, path, Budget(images=4), resume=False, config=LoopConfig(), on_progress=ignore_progress)
    checkpoint = load_checkpoint(path, "body")
    assert CropConfig.from_json(dict(checkpoint.info.config)) == CONFIG
    assert len(Target.of_checkpoint(checkpoint).track) == 60
    assert preview_path(path).is_file()
    assert state_path(path).is_file()


def test_resuming_without_a_checkpoint_is_refused(task: CropTask, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no training to resume"):
        train_loop(
            task, tmp_path / "m.safetensors", Budget(images=4), resume=True, config=LoopConfig(), on_progress=ignore_progress
        )


def test_resuming_another_recipe_is_refused(task: CropTask, store: CropDataset, drawn_subject: Subject, tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    train_loop(task, path, Budget(images=2), resume=False, config=LoopConfig(), on_progress=ignore_progress)
    other = make_task(store, drawn_subject, dataclasses.replace(CONFIG, learning_rate=0.5))
    with pytest.raises(UserError, match="another preset or recipe"):
        train_loop(other, path, Budget(images=4), resume=True, config=LoopConfig(), on_progress=ignore_progress)
    with pytest.raises(UserError, match="seed 0"):
        train_loop(other, path, Budget(images=4), resume=True, config=LoopConfig(seed=1), on_progress=ignore_progress)


def test_clips_match_their_poses(store: CropDataset) -> None:
    """Keypoints lie on the person after augmentation: image, mask and pose move by the same transform."""
    clip = store.draw(8, np.random.default_rng(3), Augmentation(shift=0.05, zoom=0.1, turn_deg=8), CPU, length=2)
    assert clip.image.shape == (8, 2, 3, 64, 64)
    at = clip.xy.round().long().clamp(0, 63)
    hits = [clip.mask[b, t, 0, y, x] for b in range(8) for t in range(2) for x, y in at[b, t].tolist()]
    assert torch.stack(hits).mean() > 0.85
    empty = (clip.mask < 0.01) & (clip.known > 0.99)
    difference = (clip.image - clip.plate).abs().mean(dim=2, keepdim=True)[empty]
    assert difference.mean() < 0.05


def test_the_same_seed_draws_the_same_clips(store: CropDataset) -> None:
    one = store.draw(2, np.random.default_rng(5), Augmentation(), CPU)
    two = store.draw(2, np.random.default_rng(5), Augmentation(), CPU)
    assert torch.equal(one.image, two.image)
    assert torch.equal(one.xy, two.xy)


def test_keypoint_noise_is_constant_within_a_clip_and_bounded(store: CropDataset) -> None:
    frames = store.starts[:4, None] + np.arange(2)
    clip = store.take(frames, np.repeat(store.centered[None], len(frames), axis=0), CPU)
    off = (jitter_keypoints(clip, 3.0, np.random.default_rng(0)).xy - clip.xy).numpy()
    np.testing.assert_allclose(off[:, 0], off[:, 1], atol=1e-3)
    spread = off.std(axis=(1, 2, 3))
    assert (spread < 4.0).all()  # few keypoints, so not exact
    assert spread.max() > 2 * spread.min()  # a different value for every clip
    drawn = [store.draw(2, np.random.default_rng(1), Augmentation(keypoint_jitter=m), CPU) for m in (0.0, 0.05)]
    assert torch.equal(drawn[0].image, drawn[1].image)
    assert (drawn[0].xy != drawn[1].xy).all()


def test_a_mirror_swaps_left_and_right(store: CropDataset) -> None:
    clip = store.draw(2, np.random.default_rng(3), Augmentation(), CPU, length=2)
    seen = mirror_clips(clip, np.array([True, False]))
    assert torch.equal(seen.image[1], clip.image[1])
    assert torch.equal(seen.image[0], clip.image[0].flip(-1))
    left, right = INDEX["left_wrist"], INDEX["right_wrist"]
    torch.testing.assert_close(seen.xy[0, :, left, 0], 63 - clip.xy[0, :, right, 0])
    # The crop transform is mirrored, too: a position in the frame maps to its position in the mirrored image.
    place = torch.tensor([80.0, 60.0, 1.0])
    there, here = seen.to_canvas[0, 0] @ place, clip.to_canvas[0, 0] @ place
    torch.testing.assert_close(there, torch.stack([63 - here[0], here[1]]))
    again = mirror_clips(seen, np.array([True, False]))
    torch.testing.assert_close(again.xy, clip.xy)


def test_rare_poses_are_sampled_more_often_and_every_frame_sometimes(
    store: CropDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[np.ndarray] = []

    def take(_self: CropDataset, frames: np.ndarray, *_: object) -> None:
        shown.append(frames)

    monkeypatch.setattr(CropDataset, "take", take)
    weights = rarity(store.pose)
    for evenly in (False, True):
        store.draw(6000, np.random.default_rng(0), Augmentation(), CPU, length=1, evenly=evenly)
    rare, even = (weights[frames[:, 0]].mean() for frames in shown)
    assert rare > 1.02 * even
    # Any of the four frames of a run, not just the last: otherwise most of a long video is never used.
    assert set(shown[1][:, 0].tolist()) == set(range(len(store.image)))


def test_a_reduced_batch_size_is_kept_when_training_resumes(store: CropDataset, drawn_subject: Subject) -> None:
    task = make_task(store, drawn_subject)
    assert task.shrink()
    task.step(np.random.default_rng(0), 0.0)
    again = make_task(store, drawn_subject)
    again.restore(task.state(Clock(1.0, 1)))
    assert again.images_per_step == 1
    assert not again.shrink()


def test_a_non_finite_image_does_not_damage_the_discriminators(store: CropDataset) -> None:
    discriminators = Discriminators(CONFIG.spatial, CONFIG.temporal, 1e-3)
    clip = store.draw(1, np.random.default_rng(0), Augmentation(), CPU, length=2)
    broken = torch.full_like(clip.image, float("nan"))
    discriminators.terms(clip, pose_maps(clip, 64), broken, Patch(0, 0, 64))
    assert all(torch.isfinite(p).all() for module in discriminators.modules.values() for p in module.parameters())


def test_adversarial_steps_train_every_weight_in_mixed_precision(store: CropDataset, drawn_subject: Subject) -> None:
    task = make_task(store, drawn_subject, dataclasses.replace(CONFIG, precision="bfloat16"))
    task.step(np.random.default_rng(0), 0.9)
    still = [name for name, p in task.generator.named_parameters() if p.grad is None or not p.grad.abs().max() > 0]
    assert not still


def test_a_discriminator_of_frame_pairs_needs_pairs() -> None:
    with pytest.raises(ValueError, match="temporal discriminator"):
        CropConfig(clip_frames=1)


def test_headers_of_version_0_1_are_read() -> None:
    header = CropConfig(clip_frames=3, patch_px=64).to_json()
    header |= {"rollout": header.pop("clip_frames"), "judged_px": header.pop("patch_px"), "afresh": 0.2}
    header["generator"]["previous"] = False
    assert CropConfig.from_json(header) == CropConfig(clip_frames=3, patch_px=64)
