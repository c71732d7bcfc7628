"""ONNX export: the file renders the same images from keypoints, describes itself, and respects the model's restrictions."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from dancenow.errors import UserError
from dancenow.generators.crop import onnx_export
from dancenow.generators.crop.network import POSE_STRIDE, Generator, GeneratorConfig
from dancenow.networks.onnx import to_onnx
from dancenow.pose.conditioning.pose_maps import draw_pose
from dancenow.skeleton import KEYPOINTS, NUM_KEYPOINTS
from dancenow.storage.checkpoint import Checkpoint, CheckpointInfo, save_checkpoint, with_prefix

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


def test_a_file_with_a_different_output_is_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnxruntime", reason="comes with the extra `export`")
    pytest.importorskip("onnx", reason="comes with the extra `export`")

    def other(network: onnx_export.PosesToPerson, inputs: dict[str, torch.Tensor], *rest: Any) -> bytes:
        torch.manual_seed(1)
        return to_onnx(onnx_export.PosesToPerson(Generator(network.generator.config)).eval(), inputs, *rest)

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
    with pytest.raises(UserError, match="only body models"):
        onnx_export.export(model_of(tmp_path, kind="whole-frame"), tmp_path / "model.onnx")
    monkeypatch.setattr(onnx_export, "has_onnx", lambda: False)
    with pytest.raises(UserError, match=r"pip install 'dancenow\[export\]'"):
        onnx_export.export(model_of(tmp_path), tmp_path / "model.onnx")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["model.safetensors"]
