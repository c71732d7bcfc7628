"""Footage that says that it was generated is prepared with a warning; other footage without one."""

from fractions import Fraction
from pathlib import Path

import pytest

from dancenow.media.sink import VideoWriter
from dancenow.provenance.content_credentials import TransferFacts, VideoSigner
from dancenow.provenance.watermark import Payload, Watermarker
from dancenow.subject.prepare import prepare
from helpers.drawn_world import FPS, SIZE_PX, dancer_track, person, stand_in_for_the_detector


@pytest.fixture(autouse=True)
def drawn_world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DANCENOW_CACHE", str(tmp_path / "cache"))
    stand_in_for_the_detector(monkeypatch)


def film(path: Path, *, signed: bool = False, watermarked: bool = False) -> Path:
    signer = VideoSigner.prepare(TransferFacts("a" * 64, "b" * 64, "c" * 64)) if signed else None
    marker, track = Watermarker(Payload("c0de")), dancer_track(60)
    with VideoWriter(path, SIZE_PX, SIZE_PX, fps=Fraction(FPS), finish=signer.sign if signer else None) as writer:
        for index in range(len(track)):
            image = person(track.pose[index])[0]
            writer.write(marker.apply(image) if watermarked else image, Fraction(index, FPS))
    return path


def synthetic_warnings(path: Path) -> list[str]:
    return [each for each in prepare(path, path.with_suffix("")).manifest.warnings if "synthetic" in each]


def test_original_footage_gives_no_warning(tmp_path: Path) -> None:
    assert synthetic_warnings(film(tmp_path / "original.mp4")) == []


def test_content_credentials_of_a_generator_give_a_warning(tmp_path: Path) -> None:
    pytest.importorskip("c2pa")
    (warning,) = synthetic_warnings(film(tmp_path / "signed.mp4", signed=True))
    assert "the footage is synthetic (its Content Credentials say so, made with dancenow" in warning
    assert "use original footage" in warning


def test_the_watermark_gives_a_warning(tmp_path: Path) -> None:
    (warning,) = synthetic_warnings(film(tmp_path / "marked.mp4", watermarked=True))
    assert "it carries the watermark of dancenow and of the model c0de" in warning
