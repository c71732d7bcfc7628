"""ONNX export: the file renders the same images from keypoints, describes itself, and respects the model's restrictions."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from dancenow.errors import UserError
from dancenow.generators import onnx_export
from dancenow.generators.crop.discriminator import DiscriminatorConfig
from dancenow.generators.crop.network import POSE_STRIDE, Generator, GeneratorConfig
from dancenow.generators.crop.onnx_network import PosesToPerson
from dancenow.generators.references.config import ReferenceConfig
from dancenow.generators.references.family import ReferenceFamily
from dancenow.generators.references.picture_warper import create_warper
from dancenow.generators.references.reference_choice import choose_nearest
from dancenow.generators.references.reference_selection import ReferenceOptions
from dancenow.generators.references.renderer import load_generator, load_references
from dancenow.metrics.perceptual import EfficientNetTrunk, PerceptualDistance
from dancenow.networks.onnx import to_onnx
from dancenow.pose.conditioning.pose_maps import draw_pose
from dancenow.pose.person_crop import track_crop
from dancenow.progress import ignore_progress
from dancenow.skeleton import KEYPOINTS, NUM_KEYPOINTS
from dancenow.storage.checkpoint import Checkpoint, CheckpointInfo, save_checkpoint, with_prefix
from dancenow.subject.subject import Subject
from dancenow.training.loop import Clock

SIDE = 64
CONSENT = "c" * 64


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DANCENOW_HOME", str(tmp_path / "home"))


def model_of(folder: Path, *, kind: str = "body", consent_sha256: str | None = CONSENT) -> Path:
    torch.manual_seed(0)
    generator = Generator(GeneratorConfig(SIDE, 8, 1))
    config = {"generator": {"canvas_px": SIDE, "width": 8, "blocks": 1, "previous": False}}
    info = CheckpointInfo(kind, config, subject={"name": "a", "source_sha256": "s", "consent_sha256": consent_sha256})
    save_checkpoint(folder / "model.safetensors", Checkpoint(info, with_prefix("generator", generator.state_dict())))
    return folder / "model.safetensors"


def test_keypoints_give_the_same_image_as_the_model(tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime", reason="comes with the extra `export`")
    pytest.importorskip("onnx", reason="comes with the extra `export`")
    out = onnx_export.export(model_of(tmp_path), tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(str(out), providers=["CPUExecutionProvider"])
    random = torch.Generator().manual_seed(7)
    xy, depth = SIDE * torch.rand(1, NUM_KEYPOINTS, 2, generator=random), torch.zeros(1, NUM_KEYPOINTS)
    confidence = torch.ones(1, NUM_KEYPOINTS)
    torch.manual_seed(0)
    generator = Generator(GeneratorConfig(SIDE, 8, 1)).eval()
    with torch.inference_mode():
        maps = draw_pose(xy, confidence, depth, SIDE, SIDE // POSE_STRIDE)
        expected = generator(maps)
    given = {"xy": xy, "confidence": confidence, "depth": depth}
    (rgba,) = session.run(["rgba"], {name: value.numpy() for name, value in given.items()})
    np.testing.assert_allclose(rgba, expected.numpy(), atol=onnx_export.TOLERANCE)
    metadata = session.get_modelmeta().custom_metadata_map
    assert json.loads(metadata["dancenow"])["subject"]["consent_sha256"] == CONSENT
    assert list(json.loads(metadata["inputs"])) == list(given)
    assert json.loads(metadata["keypoints"]) == list(KEYPOINTS)


def test_pictures_in_a_model_are_exported_with_it(tmp_path: Path, drawn_subject: Subject) -> None:
    onnxruntime = pytest.importorskip("onnxruntime", reason="comes with the extra `export`")
    pytest.importorskip("onnx", reason="comes with the extra `export`")
    config = ReferenceConfig(
        GeneratorConfig(SIDE, 8, 1), DiscriminatorConfig(width=4), DiscriminatorConfig(frames=2, width=4), max_frames=32,
        references=ReferenceOptions(count=3),
    )  # fmt: skip
    task = ReferenceFamily().create_task(
        drawn_subject, config, seed=0, perceptual=PerceptualDistance(EfficientNetTrunk(), depth=1), device=torch.device("cpu"),
        on_progress=ignore_progress,
    )  # fmt: skip
    model = task.model(Clock())
    save_checkpoint(tmp_path / "model.safetensors", model)
    out = onnx_export.export(tmp_path / "model.safetensors", tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(str(out), providers=["CPUExecutionProvider"])
    crop = track_crop(drawn_subject.track.pose, drawn_subject.track.time_s, SIDE)[4]
    pose = crop.apply(drawn_subject.track.pose[4])
    given = {"xy": pose.xy[None], "confidence": pose.confidence[None], "depth": pose.depth[None]}
    (rgba,) = session.run(["rgba"], given)
    with torch.inference_mode():
        xy, confidence, depth = (torch.from_numpy(value) for value in given.values())
        warper = create_warper(load_references(model), SIDE, torch.device("cpu"))
        distances = warper.pictures.distances(xy, confidence, depth)
        warped = warper.warp(xy, confidence, depth, choose_nearest(distances, config.references.slots, None), distances)
        maps = draw_pose(xy, confidence, depth, SIDE, SIDE // POSE_STRIDE)
        expected = load_generator(model, torch.device("cpu"))[0](torch.cat([maps, warped], dim=1))
    visible = expected[:, 3:].numpy()
    assert np.abs((rgba[:, :3] - expected[:, :3].numpy()) * visible).mean() < 0.01
    assert float((warped**2).mean()) > 0.01


def test_a_file_with_a_different_output_is_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnxruntime", reason="comes with the extra `export`")
    pytest.importorskip("onnx", reason="comes with the extra `export`")

    def other(network: PosesToPerson, inputs: dict[str, torch.Tensor], *rest: Any) -> bytes:
        torch.manual_seed(1)
        return to_onnx(PosesToPerson(Generator(network.generator.config)).eval(), inputs, *rest)

    monkeypatch.setattr(onnx_export, "to_onnx", other)
    with pytest.raises(UserError, match="output of the exported file differs"):
        onnx_export.export(model_of(tmp_path), tmp_path / "model.onnx")
    assert not (tmp_path / "model.onnx").exists()


def test_a_model_that_may_not_be_used_may_not_be_exported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="carries no consent"):
        onnx_export.export(model_of(tmp_path, consent_sha256=None), tmp_path / "model.onnx")
    monkeypatch.setattr("dancenow.provenance.content_marking.withdrawn_on", lambda *_: "2026-11-25")
    with pytest.raises(UserError, match="was withdrawn on 2026-11-25"):
        onnx_export.export(model_of(tmp_path), tmp_path / "model.onnx")


def test_a_model_that_cannot_be_exported_is_reported_in_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match=r"ends in \.onnx"):
        onnx_export.export(model_of(tmp_path), tmp_path / "model.pt")
    with pytest.raises(UserError, match="only those of the presets"):
        onnx_export.export(model_of(tmp_path, kind="whole-frame"), tmp_path / "model.onnx")
    monkeypatch.setattr(onnx_export, "has_onnx", lambda: False)
    with pytest.raises(UserError, match=r"pip install 'dancenow\[export\]'"):
        onnx_export.export(model_of(tmp_path), tmp_path / "model.onnx")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["model.safetensors"]
