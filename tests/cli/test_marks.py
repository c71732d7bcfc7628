"""Output of `dancenow detect` on the origin of a video: signed, tampered or none, and whether the watermark is found."""

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from dancenow.cli import main as cli
from dancenow.media.sink import VideoWriter
from dancenow.provenance.content_credentials import TransferFacts, VideoSigner
from dancenow.provenance.watermark import Payload, Watermarker
from dancenow.types import ImageRGB

MODEL_SHA256 = "c0de" + "0" * 60


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DANCENOW_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DANCENOW_CACHE", str(tmp_path / "cache"))


def film(path: Path, *, model: str | None = "c0de", signed: bool = True) -> Path:
    """Write half a second of a lit wall as a transfer does."""
    wall: ImageRGB = np.broadcast_to(np.linspace(220, 190, 256)[:, None, None], (256, 256, 3)).round().astype(np.uint8)
    signer = VideoSigner.prepare(TransferFacts(MODEL_SHA256, "b" * 64, "c" * 64, "d" * 64)) if signed else None
    marker = Watermarker(Payload(model)) if model else None
    with VideoWriter(path, 256, 256, fps=Fraction(24), finish=signer.sign if signer else None) as writer:
        for i in range(12):
            writer.write(marker.apply(wall) if marker else wall, Fraction(i, 24))
    return path


def detected(video: Path, capsys: pytest.CaptureFixture[str]) -> tuple[str, dict[str, dict[str, object]]]:
    """Run `detect` and return what it prints and writes."""
    found = video.with_suffix(".json")
    cli.main(["detect", str(video), "--no-classify", "--json", str(found)])
    return capsys.readouterr().out, json.loads(found.read_text())


def test_a_result_is_signed_and_watermarked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    printed, written = detected(film(tmp_path / "out.mp4"), capsys)
    assert "signed by dancenow user " in printed
    assert "unchanged since" in printed
    assert "declared as synthetic" in printed
    assert "made by dancenow with the model c0de" in printed
    assert written["credentials"]["state"] == "signed"
    assert written["credentials"]["facts"] == {"model_sha256": MODEL_SHA256, "source_sha256": "b" * 64,
                                               "subject_sha256": "c" * 64, "consent_sha256": "d" * 64}  # fmt: skip
    assert written["watermark"]["payload"] == {"model": "c0de"}


def test_one_changed_byte_is_tampering_and_the_watermark_stays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content = film(tmp_path / "out.mp4").read_bytes()
    in_images, in_facts, in_metadata = len(content) - 20, content.index(b"c" * 64), content.rindex(b"Lavf")
    for place in (in_images, in_facts, in_metadata):
        changed = bytearray(content)
        changed[place] ^= 1
        (tmp_path / "changed.mp4").write_bytes(changed)
        printed, written = detected(tmp_path / "changed.mp4", capsys)
        assert "tampered: the video or its credentials were changed after signing" in printed, place
        assert "signed by" not in printed
        assert written["credentials"]["state"] == "tampered"
        assert written["watermark"]["payload"] == {"model": "c0de"}


def test_removed_credentials_are_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    printed, written = detected(film(tmp_path / "out.mp4", signed=False), capsys)
    assert "none: the video carries no Content Credentials" in printed
    assert "Its credentials are missing: removed, or lost when it was cut" in printed
    assert "The file was last written by " in printed
    assert written["tags"]["writer"]
    assert written["credentials"]["state"] == "none"


def test_credentials_of_another_video_are_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    printed, _ = detected(film(tmp_path / "out.mp4", model="beef"), capsys)
    assert "signed by dancenow user " in printed
    assert "the images and the credentials do not belong together" in printed


def test_a_plain_video_has_neither(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    printed, written = detected(film(tmp_path / "plain.mp4", model=None, signed=False), capsys)
    assert "none: the video carries no Content Credentials" in printed
    assert "Watermark: none found" in printed
    assert written["watermark"]["payload"] is None


def test_the_comment_of_a_copied_file_is_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "copy.mp4"
    with VideoWriter(path, 256, 256, fps=Fraction(24), metadata={"comment": "Synthetic video"}) as writer:
        for i in range(12):
            writer.write(np.full((256, 256, 3), 200, np.uint8), Fraction(i, 24))
    printed, written = detected(path, capsys)
    assert "Watermark: none found. The file was last written by " in printed
    assert "Its comment still says that it is synthetic." in printed
    assert written["tags"]["comment"] == "Synthetic video"
