"""Findings of `dancenow dataset validate`: every kind of error by name and exit status, and none in a valid dataset."""

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dancenow.cli import main as cli
from dancenow.errors import UserError
from dancenow.pose.track_io import load_track, save_track
from dancenow.provenance.consent import consent
from dancenow.research.dataset.findings import ValidationReport
from dancenow.research.dataset.index import INDEX, Dataset, clip_file, digest_of, read_index
from dancenow.research.dataset.source import open_source
from dancenow.research.dataset.statistics import person_statistics
from dancenow.research.dataset.validate import validate
from dancenow.subject.manifest import MANIFEST
from dancenow.subject.subject import Subject, record_consent, withdraw_consent
from dancenow.types import FrameStatus
from helpers.drawn_world import dancer_track


@pytest.fixture
def copied(drawn_dataset: Path, tmp_path: Path) -> Path:
    """A dataset that a test may damage."""
    return shutil.copytree(drawn_dataset, tmp_path / "dataset")


def check(folder: Path) -> ValidationReport:
    return validate(open_source(folder))


def errors(folder: Path) -> list[str]:
    return [f"{finding.check}: {finding.what}" for finding in check(folder).errors]


def rewrite(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change the index and its digest, as in a dataset written by hand."""
    fields = json.loads((folder / INDEX).read_text())
    change(fields)
    fields.pop("digest")
    (folder / INDEX).write_text(json.dumps(fields | {"digest": digest_of(fields)}))


def test_a_sound_dataset_is_valid(drawn_dataset: Path, shards: Path) -> None:
    report = check(drawn_dataset)
    assert report.errors == []
    assert [person.identity for person in report.statistics.people] == ["id0000", "id0001", "id0002", "id0003"]
    person = report.statistics.people[0]
    assert (person.clips, person.frames, person.missing) == (3, 144, 0.0)
    assert person.seconds == pytest.approx(6.0)
    assert 2 <= person.distinct_poses < 30
    assert person.front > 0.9, "the drawn dancer never turns"
    assert {"hardly seen" in finding.what for finding in report.warnings if finding.check == "coverage"} >= {True}
    assert check(shards).statistics == report.statistics, "shards have the same content"


def test_changed_missing_and_strange_files_are_found(copied: Path) -> None:
    video = clip_file(copied, "id0001-dance0001", "mp4")
    content = bytearray(video.read_bytes())
    content[len(content) // 2] ^= 1
    video.write_bytes(content)
    clip_file(copied, "id0002-dance0000", "background.png").unlink()
    (copied / "clips" / "holiday").mkdir()
    report = check(copied)
    found = [finding.what for finding in report.errors if finding.check == "hashes"]
    assert "mp4 of id0001-dance0001 has changed" in found
    assert any("id0002-dance0000.background.png is missing" in what for what in found)
    assert any("holiday" in finding.what for finding in report.warnings)


def test_files_that_do_not_fit_together_are_found(copied: Path) -> None:
    path = clip_file(copied, "id0000-dance0000", "npz")
    other = load_track(clip_file(copied, "id0001-dance0001", "npz"))
    save_track(path, dataclasses.replace(other, pose=other.pose[:40], time_s=other.time_s[:40], status=other.status[:40]))
    found = errors(copied)
    assert "files: id0000-dance0000 has 40 poses for 48 frames" in found
    assert "files: id0000-dance0000 has a track of another video" in found


def clip_of(fields: dict[str, Any], key: str) -> dict[str, Any]:
    return next(clip for clip in fields["clips"] if clip["key"] == key)


def test_every_leak_is_found(copied: Path) -> None:
    def leak(fields: dict[str, Any]) -> None:
        clip_of(fields, "id0000-dance0000")["parts"]["person"] = "test"
        clip_of(fields, "id0000-dance0002")["parts"]["dance"] = "train"
        clip_of(fields, "id0001-dance0000")["parts"]["both"] = "val"
        clip_of(fields, "id0002-dance0001")["spans_s"] = {"train": [0.0, 1.2], "test": [1.0, 2.0]}
        clip_of(fields, "id0002-dance0002")["spans_s"] = {"train": [0.0, 1.0], "test": [1.01, 2.0]}
        clip_of(fields, "id0003-dance0002")["spans_s"] = {"train": [0.0, 1.0], "test": [3.0, 4.0]}
        clip_of(fields, "id0003-dance0001")["files"]["mp4"] = clip_of(fields, "id0003-dance0000")["files"]["mp4"]

    rewrite(copied, leak)
    found = "\n".join(errors(copied))
    assert "protocol person: the person id0000 is in train and test" in found
    assert "protocol dance: the dance dance0002 is in train and val" in found or "dance0002 is in train and test" in found
    assert "protocol both: " in found
    assert "train and test of id0002-dance0001 overlap by 0.20 s" in found
    assert "test of id0002-dance0002 begins 0.01 s after train ends" in found
    assert "test of id0003-dance0002 is 3 to 4 s, but there are 2 s" in found
    assert "id0003-dance0000 and id0003-dance0001 are the same footage" in found


def test_an_index_that_was_tampered_with_is_refused(copied: Path) -> None:
    text = (copied / INDEX).read_text()
    (copied / INDEX).write_text(text.replace('"train"', '"test"', 1))
    with pytest.raises(UserError, match="do not match its digest"):
        read_index(copied / INDEX)
    (copied / INDEX).write_text(text)
    for change in ({"fps": "1/0"}, {"seconds": None}, {"frames": 0}, {"spans_s": {"train": 3}}, {"key": "../../etc"}):
        rewrite(copied, lambda fields, change=change: clip_of(fields, "id0003-dance0002").update(change))  # type: ignore[misc]
        with pytest.raises(UserError, match="is damaged or has another version"):
            read_index(copied / INDEX)
        (copied / INDEX).write_text(text)


def test_jumps_missing_and_cut_off_frames_are_in_the_statistics() -> None:
    sound = dancer_track(96, size_px=200)
    assert person_statistics("a", [sound]).jumps == 0
    jumping = dancer_track(96, size_px=200)
    jumping.pose.xy[50:] += 60
    jumping.pose.confidence[:24] = 0
    jumping.status[:24] = FrameStatus.MISSING
    statistics = person_statistics("a", [jumping])
    assert statistics.jumps == pytest.approx(60 / 4)
    assert statistics.missing == 0.25
    assert statistics.cut > 0.2


@pytest.fixture
def subjects(drawn_subject: Subject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with one subject without consent."""
    monkeypatch.setenv("DANCENOW_HOME", str(tmp_path / "home"))
    folder = tmp_path / "subjects" / "me, dancing"
    shutil.copytree(drawn_subject.folder, folder)
    manifest = dataclasses.replace(drawn_subject.manifest, consent=None)
    (folder / MANIFEST).write_text(manifest.to_json(), "utf-8")
    return folder


def test_subjects_need_a_valid_consent(subjects: Path) -> None:
    assert any("no consent on record" in found for found in errors(subjects.parent))
    record_consent(subjects, consent("licensed", person="Ada", licence="CC-BY-4.0"))
    assert errors(subjects.parent) == []
    opened: Dataset = open_source(subjects.parent).dataset
    assert opened.about["licence"] == "CC-BY-4.0"
    assert opened.identities == ["me--dancing"]
    withdraw_consent(subjects)
    assert any("was withdrawn on" in found for found in errors(subjects))


def test_the_same_footage_in_two_subjects_is_found(subjects: Path) -> None:
    record_consent(subjects, consent("self"))
    shutil.copytree(subjects, subjects.parent / "me again")
    assert any("are the same footage" in found for found in errors(subjects.parent))


def test_the_command_reports_in_a_table_in_json_and_by_its_exit_status(
    drawn_dataset: Path, copied: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(*arguments: str | Path) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as stopped:
            cli.main(["dataset", "validate", *map(str, arguments)])
        found = capsys.readouterr()
        return int(stopped.value.code or 0), found.out, found.err

    status, out, _ = run(drawn_dataset, "--json")
    found = json.loads(out)
    assert (status, found["valid"], len(found["people"])) == (0, True, 4)
    clip_file(copied, "id0001-dance0001", "masks.mkv").unlink()
    status, out, _ = run(copied)
    assert status == 1
    assert "error: " in out
    assert "id0001-dance0001.masks.mkv is missing" in out
    assert out.rstrip().endswith("not valid")
    status, _, err = run(tmp_path)
    assert status == 2
    assert err.count("\n") == 1
    assert run(tmp_path / "absent")[0] == 2
    assert run(drawn_dataset, "--detector", "-1")[0] == 2
