"""Benchmark of inference backends, end to end at smoke-test size."""

import json
from pathlib import Path

import pytest
import torch

from dancenow.generators.crop.network import Generator
from dancenow.research.bench import inference_backends, page
from dancenow.research.bench.methods import TINY
from dancenow.research.bench.registry import run_benches
from dancenow.research.bench.tables import number


def test_backends_end_to_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inference_backends, "our_config", lambda _name: TINY)
    monkeypatch.setenv("DANCENOW_CACHE", str(tmp_path / "cache"))
    (written,) = run_benches(["engines"], "smoke", tmp_path / "results")
    summary = json.loads(written.read_text("utf-8"))["summary"]
    assert summary["torch, float32"]["ratio"] == 1
    assert summary["the paper's at 64 px, float32"]["times the paper's at 64 px, float32"] == 1
    assert summary["the paper's at 64 px, float32"]["psnr_db"] is None
    if torch.cuda.is_available():
        assert summary.get("CUDA graph, bfloat16", {"psnr_db": 50})["psnr_db"] > 40
    else:
        assert summary["torch, bfloat16"]["psnr_db"] > 40
        assert summary.get("OpenVINO, float32", {"psnr_db": 99})["psnr_db"] > 80  # measured where it is installed
    monkeypatch.setattr(page, "SHOWN_SIZES", ("smoke",))
    text = page.write_page(written.parent).read_text("utf-8")
    assert all(f"| {name} | {number(row['cpu_ms'])} |" in text for name, row in summary.items())


def test_gpu_backends_are_measured_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    generator, gpu = Generator(TINY.generator), torch.device("cuda")
    monkeypatch.setattr("dancenow.generators.crop.inference_backends.has_bfloat16", lambda _device: True)
    assert set(inference_backends.backend_factories(generator, gpu, False)) == {
        inference_backends.BASELINE,
        "torch, bfloat16",
        "CUDA graph, bfloat16",
    }
    monkeypatch.setattr("dancenow.generators.crop.inference_backends.has_bfloat16", lambda _device: False)
    assert set(inference_backends.backend_factories(generator, gpu, False)) == {inference_backends.BASELINE}


def test_openvino_half_precision_is_skipped_without_processor_support(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inference_backends, "cpu_has_bfloat16", lambda: False)
    found = inference_backends.backend_factories(Generator(TINY.generator), torch.device("cpu"), False)
    assert "OpenVINO, float32" in found
    assert "OpenVINO, bfloat16" not in found
