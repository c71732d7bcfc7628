"""Who and when: the classifier's verdict for each person and over time."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from dancenow.cli.main import main
from dancenow.errors import InputError, UserError
from dancenow.provenance.forensics import everyone
from dancenow.provenance.forensics.classifier import Calibration
from dancenow.provenance.forensics.detector import Finding
from dancenow.provenance.forensics.everyone import PersonFinding, classify_everyone, stands_out, summary
from dancenow.provenance.forensics.timeline import parts_where, smooth_in_time
from helpers.forensic_clips import write_test_video

REAL = Finding("real", 0.02, (0.02,) * 3, 12, 50.0, -4.0, duration_s=3.0)
FAKE = Finding("synthesized", 0.97, (0.97,) * 3, 12, 50.0, 3.5, duration_s=3.0)


def test_the_time_in_which_a_real_person_is_replaced_is_told() -> None:
    times_s = np.arange(0, 10, 0.25)
    scores = np.where((times_s >= 4) & (times_s < 7), 6.0, -6.0)
    timeline = smooth_in_time(scores, times_s, Calibration())
    (start_s, end_s) = parts_where(timeline, synthesized=True)[0]
    assert start_s == pytest.approx(4.0, abs=1.0)
    assert end_s == pytest.approx(7.0, abs=1.0)
    assert len(parts_where(timeline, synthesized=False)) == 2
    words = replace(REAL, timeline=timeline, duration_s=10.0).sentences()
    assert any("looks synthesized from" in sentence for sentence in words)
    assert not any("Look closer" in sentence for sentence in REAL.sentences())


def test_a_single_doubtful_moment_is_not_a_part() -> None:
    scores = np.full(40, -3.0)
    scores[20] = 6.0
    assert parts_where(smooth_in_time(scores, np.arange(40) / 4, Calibration()), synthesized=True) == ()


@pytest.fixture
def three_people(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of three people in a video, the second is replaced and the third cannot be followed."""

    def classify(_video: object, _weights: object, *, person: int, **_: Any) -> Finding:
        if person == 3:
            raise InputError("person 3 was found in only 2 of 90 frames")
        return FAKE if person == 2 else REAL

    listed = SimpleNamespace(people=tuple(SimpleNamespace(number=number) for number in (1, 2, 3)))
    monkeypatch.setattr(everyone, "list_people", lambda _survey: listed)
    monkeypatch.setattr(everyone, "classify_video", classify)


@pytest.mark.usefixtures("three_people")
def test_one_replaced_dancer_among_several_is_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    video, findings = write_test_video(tmp_path / "three.mp4", blurred=False, num_frames=10), tmp_path / "findings.json"
    main(["detect", str(video), "--everyone", "--json", str(findings)])
    out = capsys.readouterr().out
    assert "2 people were judged; person 2 looks synthesized." in out
    assert "Person 1: no trace of synthesis was found" in out
    assert "Person 3 was not judged: person 3 was found in only 2" in out
    found = json.loads(findings.read_text())
    assert found["classifier"]["person"] == 2
    assert [each["verdict"] for each in found["people"]] == ["real", "synthesized", "none"]


@pytest.mark.usefixtures("three_people")
def test_nobody_to_judge_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> Finding:
        raise InputError("nobody can be followed")

    monkeypatch.setattr(everyone, "classify_video", refuse)
    with pytest.raises(UserError, match=r"nobody in .* can be judged"):
        classify_everyone(write_test_video(tmp_path / "three.mp4", blurred=False, num_frames=10))


def test_the_summary_counts_who_was_judged() -> None:
    people = tuple(everyone.PersonFinding(number, finding) for number, finding in ((1, REAL), (2, FAKE), (3, FAKE)))
    assert summary(people) == "Classifier: 3 people were judged; persons 2, 3 look synthesized."
    assert summary(people[:1]) == "Classifier: One person was judged and none looks synthesized."


def test_a_person_who_differs_from_the_others_is_pointed_out() -> None:
    people = tuple(
        PersonFinding(number, replace(REAL, probability=probability))
        for number, probability in enumerate((0.01, 0.28, 0.012), 1)
    )
    assert stands_out(people) == 2
    assert "Look closer at person 2" in summary(people)
    alike = (people[0], PersonFinding(2, replace(REAL, probability=0.05)), PersonFinding(3, None, "too short"))
    assert stands_out(alike) is None
    assert "Look closer" not in summary(alike)
    assert stands_out(people[:1]) is None
    nearly_nothing = (PersonFinding(1, replace(REAL, probability=1e-4)), PersonFinding(2, replace(REAL, probability=0.01)))
    assert stands_out(nearly_nothing) is None
