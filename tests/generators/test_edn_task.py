"""The paper's training: discriminator inputs, both stages, exact resuming, and held-out frames."""

import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from dancenow.errors import UserError
from dancenow.generators.edn.config import EDN_KIND, EdnConfig
from dancenow.generators.edn.dataset import FrameDataset
from dancenow.generators.edn.family import PRESETS
from dancenow.generators.edn.task import EdnTask, discriminator_inputs, stored_box
from dancenow.metrics.perceptual import EfficientNetTrunk, PerceptualDistance
from dancenow.progress import Progress, ignore_progress
from dancenow.storage.checkpoint import load_checkpoint, read_info
from dancenow.subject.subject import Subject
from dancenow.subject.target_appearance import Target
from dancenow.training.budget import Budget
from dancenow.training.loop import Clock, LoopConfig, preview_path, train_loop

CPU = torch.device("cpu")
CONFIG = EdnConfig(longer_px=64, width=1 / 16)


def store_of(subject: Subject, config: EdnConfig) -> FrameDataset:
    return FrameDataset.build(subject, stored_box(config, 128, 128), config.clip_frames, config.max_frames)


def make_task(subject: Subject, config: EdnConfig = CONFIG) -> EdnTask:
    torch.manual_seed(1)
    distance = PerceptualDistance(EfficientNetTrunk(), depth=1)
    kept = Target.of_subject(subject).to_checkpoint(EDN_KIND)
    return EdnTask(store_of(subject, config), config, seed=0, kept=kept, perceptual=distance, device=CPU)


def test_presets_are_as_published() -> None:
    paper, heatmaps = PRESETS["paper"], PRESETS["heatmaps"]
    assert (paper.conditioning, paper.temporal, paper.width, paper.longer_px) == ("stick", True, 1.0, 512)
    assert (paper.scales, paper.learning_rate, paper.weights.feature_matching) == (2, 2e-4, 10.0)
    assert heatmaps.conditioning == "heatmaps"
    assert EdnConfig.from_json(paper.to_json()) == paper


@pytest.mark.parametrize(
    ("config", "channels"),
    [
        (EdnConfig(), {"temporal": 12}),
        (EdnConfig(temporal=False), {"realism": 6}),
        (EdnConfig(conditioning="heatmaps"), {"realism": 21, "temporal": 6}),
        (EdnConfig(conditioning="heatmaps", temporal=False), {"realism": 21}),
    ],
)
def test_discriminator_inputs_are_those_of_the_papers(config: EdnConfig, channels: dict[str, int]) -> None:
    assert {name: view.channels(config) for name, view in discriminator_inputs(config).items()} == channels
    maps = torch.rand(2, config.clip_frames, config.map_channels, 8, 8)
    made = torch.rand(2, config.generated_frames, 3, 8, 8)
    for name, view in discriminator_inputs(config).items():
        seen = torch.cat(view.of(maps, made), dim=1)
        assert seen.shape[1] == channels[name]
        assert torch.equal(seen[:, -3:], made[:, -1])


def test_the_learning_rate_falls_in_the_second_half_of_each_stage(drawn_subject: Subject) -> None:
    task = make_task(drawn_subject, replace(CONFIG, longer_px=96, enhance_from=0.5))

    def rates(share: float) -> set[float]:
        task._begin_step(share)
        return {round(group["lr"] / 2e-4, 6) for optimizer in task._optimizers().values() for group in optimizer.param_groups}

    assert [rates(share) for share in (0.0, 0.25, 0.375)] == [{1.0}, {1.0}, {0.5}]
    assert [rates(share) for share in (0.5, 0.75, 0.875)] == [{1.0}, {1.0}, {0.5}]


def test_gradients_flow_from_the_second_image_to_the_first(drawn_subject: Subject) -> None:
    """As published: the gradient of I1 = G(x1, I0) goes through I0."""
    task = make_task(drawn_subject)
    maps = torch.rand(1, 2, 3, 64, 64, requires_grad=True)
    task.generator.generate_clip(maps)[:, 1].sum().backward()
    assert maps.grad is not None
    assert float(maps.grad[:, 0].abs().max()) > 0


@pytest.mark.slow
def test_training_reduces_the_image_error(drawn_subject: Subject) -> None:
    task = make_task(drawn_subject, replace(CONFIG, learning_rate=2e-3))
    first = [task.step(np.random.default_rng(i), 0.0)["perceptual"] for i in range(4)]
    for i in range(60):
        task.step(np.random.default_rng((1, i)), 0.2)
    last = [task.step(np.random.default_rng(i), 0.2)["perceptual"] for i in range(4)]
    assert np.mean(last) < 0.75 * np.mean(first)


@pytest.mark.parametrize("stop_after", [0, 2])
def test_a_resumed_run_equals_an_unbroken_one(drawn_subject: Subject, tmp_path: Path, stop_after: int) -> None:
    """Stop while the global generator trains, and while the enhancer trains."""
    config, loop = replace(CONFIG, enhance_from=0.5), LoopConfig(seed=0)
    budget = Budget(images=4)
    train_loop(
        make_task(drawn_subject, config),
        tmp_path / "unbroken.safetensors",
        budget,
        resume=False,
        config=loop,
        on_progress=ignore_progress,
    )
    path, steps = tmp_path / "broken.safetensors", iter(range(stop_after))

    def interrupt(event: Progress) -> None:
        if event.preview is None and next(steps, None) is None:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        train_loop(make_task(drawn_subject, config), path, budget, resume=False, config=loop, on_progress=interrupt)
    assert read_info(path).images_seen == stop_after + 1
    assert read_info(path).config["enhanced"] == (stop_after + 1 > 2)
    train_loop(make_task(drawn_subject, config), path, budget, resume=True, config=loop, on_progress=ignore_progress)
    unbroken, broken = (load_checkpoint(tmp_path / f"{name}.safetensors", EDN_KIND) for name in ("unbroken", "broken"))
    assert broken.info.images_seen == unbroken.info.images_seen == 4
    assert unbroken.info.config["enhanced"]
    assert unbroken.tensors.keys() == broken.tensors.keys()
    for name, tensor in unbroken.tensors.items():
        assert torch.equal(tensor, broken.tensors[name]), name


def test_the_enhancer_is_trained_alone_first(drawn_subject: Subject) -> None:
    task = make_task(drawn_subject, replace(CONFIG, enhance_from=0.5))
    task.step(np.random.default_rng(0), 0.4)
    before = {name: value.clone() for name, value in task.generator.whole.state_dict().items()}
    task.step(np.random.default_rng(1), 0.5)
    task.step(np.random.default_rng(2), 0.6)
    after = task.generator.whole.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    task.step(np.random.default_rng(3), 0.8)
    assert any(not torch.equal(before[name], value) for name, value in task.generator.whole.state_dict().items())


def test_saved_models_are_usable_and_described(drawn_subject: Subject, tmp_path: Path) -> None:
    task, path = make_task(drawn_subject), tmp_path / "model.safetensors"
    train_loop(task, path, Budget(images=2), resume=False, config=LoopConfig(), on_progress=ignore_progress)
    info = read_info(path)
    assert (info.kind, info.images_seen) == (EDN_KIND, 2)
    assert EdnConfig.from_json(info.config["recipe"]) == CONFIG
    assert preview_path(path).is_file()
    preview = task.preview()
    assert preview.shape == (3 * 64, 3 * 64, 3)
    real = task.dataset.image[task.dataset.starts[0] + 1]
    assert np.abs(preview[64:128, :64].astype(int) - real).max() <= 1


def test_resuming_another_recipe_is_refused(drawn_subject: Subject) -> None:
    state = make_task(drawn_subject).state(Clock())
    other = make_task(drawn_subject, replace(CONFIG, temporal=False))
    with pytest.raises(UserError, match="another preset or recipe"):
        other.restore(state)


def test_held_out_frames_are_never_used(drawn_subject: Subject) -> None:
    until_s = float(drawn_subject.track.time_s[30])
    splits = {"train": (0.0, until_s), "val": (until_s, 99.0)}
    held = replace(drawn_subject, manifest=replace(drawn_subject.manifest, splits_s=splits))
    store = store_of(held, CONFIG)
    assert len(store.image) == 30
    assert store.starts.max() == 28  # a clip is two frames
    assert len(FrameDataset.build(held, store.box, 2, 2000, part="val").image) == 30


def test_keypoints_lie_on_the_person_in_whole_frames(drawn_subject: Subject) -> None:
    store = store_of(drawn_subject, CONFIG)
    clip = store.draw(2, np.random.default_rng(0), CPU)
    assert clip.image.shape == (2, 2, 3, 64, 64)
    plate = torch.from_numpy(store.box.place(drawn_subject.plate.image_rgb)).permute(2, 0, 1) / 127.5 - 1
    changed = (clip.image - plate).abs().amax(dim=2) > 0.2
    at = clip.xy.round().long().clamp(0, 63)
    hits = [changed[b, t, y, x] for b in range(2) for t in range(2) for x, y in at[b, t].tolist()]
    assert torch.stack(hits).float().mean() > 0.8


def test_a_too_narrow_frame_is_refused(drawn_subject: Subject) -> None:
    with pytest.raises(UserError, match="too narrow"):
        make_task(drawn_subject, replace(CONFIG, scales=3))
