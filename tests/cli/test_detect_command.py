"""`dancenow detect` from the outside: what it prints, what it writes, and what it refuses."""

import json
from pathlib import Path

import pytest
import torch

from dancenow.cli.main import main
from dancenow.provenance.forensics import samples
from dancenow.provenance.forensics.classifier import Calibration, ForensicClassifier
from dancenow.provenance.forensics.network import ForensicNet
from dancenow.storage.checkpoint import save_checkpoint
from helpers.forensic_clips import TINY_RECIPE, sparse_detector, write_test_video


@pytest.fixture(autouse=True)
def _drawn_detector(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(samples, "detect_poses", sparse_detector)


@pytest.fixture
def weights(tmp_path: Path) -> str:
    torch.manual_seed(0)
    path = tmp_path / "weights.safetensors"
    save_checkpoint(
        path, ForensicClassifier(ForensicNet(TINY_RECIPE.network), Calibration(1.0, 9.0), "nothing").to_checkpoint()
    )
    return str(path)


def test_credentials_and_watermark_come_before_the_classifier(
    tmp_path: Path, weights: str, capsys: pytest.CaptureFixture[str]
) -> None:
    video = str(write_test_video(tmp_path / "dance.mp4", blurred=False))
    findings, heatmap = tmp_path / "findings.json", tmp_path / "heat.png"
    main(["detect", video, "--weights", weights, "--json", str(findings), "--heatmap", str(heatmap)])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines[:4]] == [
        "Content Credentials", "Watermark", "Classifier", "Measured",
    ]  # fmt: skip
    assert "looks synthesized (over 99% likely" in lines[2]
    found = json.loads(findings.read_text())
    assert found["classifier"]["verdict"] == "synthesized"
    assert len(found["classifier"]["per_second"]) == 2
    assert found["classifier"]["reasons"][0] == lines[3]
    assert "detail" in found["classifier"]["evidence"]
    assert found["credentials"]["state"] == "none"
    assert heatmap.stat().st_size > 1000


def test_no_classify_reads_credentials_and_watermark_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["detect", str(write_test_video(tmp_path / "dance.mp4", blurred=False)), "--no-classify"])
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_a_video_without_a_person_still_has_its_marks_read(
    tmp_path: Path, weights: str, capsys: pytest.CaptureFixture[str]
) -> None:
    video, findings = write_test_video(tmp_path / "empty.mp4", blurred=False), tmp_path / "findings.json"
    with pytest.raises(SystemExit) as stopped:
        main(["detect", str(video), "--weights", weights, "--json", str(findings)])
    assert stopped.value.code == 2
    out, error = capsys.readouterr()
    assert "Watermark" in out
    assert "nobody was found" in error
    assert json.loads(findings.read_text())["classifier"]["verdict"] == "none"


def test_invalid_options_are_one_sentence(tmp_path: Path, weights: str, capsys: pytest.CaptureFixture[str]) -> None:
    video = str(write_test_video(tmp_path / "dance.mp4", blurred=False, num_frames=12))
    folder = str(tmp_path)
    for arguments, sentence in (
        ([], "give a video"),
        ([video, "-o", "x.safetensors"], "--out is the output of --train"),
        ([video, "--json", video], "is an input"),
        ([video, "--weights", weights, "--heatmap", weights], "is an input"),
        ([video, "--heatmap", str(tmp_path / "heat.jpg")], "ends in .png"),
        ([video, "--everyone", "--person", "1"], "classifies each person"),
        ([video, "--no-classify", "--heatmap", str(tmp_path / "heat.png")], "needs the classifier"),
        ([video, "--weights", video], "damaged"),
        ([str(tmp_path / "absent.mp4"), "--weights", weights], "does not exist"),
        (["--train", folder, folder], "give the output file of --train"),
        ([video, "--train", folder, folder, "-o", "x.safetensors"], "--train takes two folders"),
        (["--train", folder, str(tmp_path / "absent"), "-o", str(tmp_path / "x.safetensors")], "no folder"),
        (["--train", folder, folder, "-o", str(tmp_path / "x.safetensors"), "--budget", "soon"], "makes no sense"),
    ):
        with pytest.raises(SystemExit) as stopped:
            main(["detect", *arguments])
        error = capsys.readouterr().err
        assert stopped.value.code == 2, arguments
        assert sentence in error, (arguments, error)
        assert error.count("\n") == 1, error
