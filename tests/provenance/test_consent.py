"""Consent: valid records, reading them, and that nothing is trained or generated without a valid one."""

import dataclasses
import json
import shutil
from pathlib import Path

import pytest

from dancenow import pipeline
from dancenow.cli import main as cli
from dancenow.errors import UserError
from dancenow.generators.crop.config import CROP_KIND
from dancenow.progress import ignore_progress
from dancenow.provenance.consent import Consent, consent, licence_id, read_consent
from dancenow.provenance.content_marking import require_consented as require_consented_model
from dancenow.storage.atomic_io import data_dir
from dancenow.storage.cache import CacheEntry
from dancenow.storage.checkpoint import Checkpoint, CheckpointInfo
from dancenow.subject.manifest import MANIFEST
from dancenow.subject.subject import Subject, record_consent, withdraw_consent
from dancenow.subject.subject_cache import cached_subject, require_consented, require_video_consent
from dancenow.subject.target_appearance import Target
from dancenow.training.state import require_same_training


@pytest.fixture
def subject(tmp_path: Path, drawn_subject: Subject, monkeypatch: pytest.MonkeyPatch) -> Subject:
    """A writable copy of a subject without consent."""
    monkeypatch.setenv("DANCENOW_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DANCENOW_CACHE", str(tmp_path / "cache"))
    shutil.copytree(drawn_subject.folder, tmp_path / "subject")
    manifest = dataclasses.replace(drawn_subject.manifest, consent=None)
    (tmp_path / "subject" / MANIFEST).write_text(manifest.to_json(), "utf-8")
    return Subject.open(tmp_path / "subject")


def model_of(subject: Subject) -> CheckpointInfo:
    return Target.of_subject(subject).to_checkpoint(CROP_KIND).info


def test_without_consent_nothing_is_trained(subject: Subject, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no consent on record; add it with `dancenow consent .* --consent self`"):
        pipeline.train(subject.folder, tmp_path / "model.safetensors", budget="1images")
    with pytest.raises(UserError, match="carries no consent"):
        require_consented_model(model_of(subject), Path("model.safetensors"))
    with pytest.raises(UserError, match="dancenow run"):
        require_video_consent(subject.video, None, None)
    require_video_consent(subject.video, None, consent("self"))


def test_a_recorded_consent_is_kept_and_goes_into_the_model(subject: Subject) -> None:
    record_consent(subject.folder, consent("licensed", person="Ada", licence="cc-by-4.0"))
    opened = Subject.open(subject.folder)
    require_consented(opened)
    assert opened.manifest.licence == "CC-BY-4.0"
    assert opened.manifest.consent is not None
    info = model_of(opened)
    assert info.subject["consent_sha256"] == opened.manifest.consent.sha256
    require_consented_model(info, Path("model.safetensors"))


def test_withdrawal_refuses_the_subject_and_all_its_earlier_models(subject: Subject, tmp_path: Path) -> None:
    earlier = model_of(record_consent(subject.folder, consent("rendered")))
    given = record_consent(subject.folder, consent("self"))
    model = model_of(given)
    withdraw_consent(subject.folder)
    with pytest.raises(UserError, match="was withdrawn on"):
        require_consented(Subject.open(subject.folder))
    with pytest.raises(UserError, match="was withdrawn on"):
        require_consented_model(model, tmp_path / "model.safetensors")
    with pytest.raises(UserError, match="was withdrawn on"):  # the same footage, prepared again
        require_video_consent(subject.video, None, consent("self"))
    again = record_consent(subject.folder, consent("self"))
    require_consented(Subject.open(subject.folder))
    require_consented_model(model_of(again), Path("new.safetensors"))
    for old in (model, earlier):  # trained under records from before the withdrawal
        with pytest.raises(UserError, match="was withdrawn on"):
            require_consented_model(old, tmp_path / "model.safetensors")


def test_a_folder_that_cannot_be_written_to_does_not_lift_a_withdrawal(
    subject: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    record_consent(subject.folder, consent("self"))
    withdraw_consent(subject.folder)

    def full(*_: object) -> None:
        raise UserError("cannot write")

    monkeypatch.setattr("dancenow.subject.subject.complete_or_absent", full)
    with pytest.raises(UserError, match="cannot write"):
        record_consent(subject.folder, consent("self"))
    with pytest.raises(UserError, match="was withdrawn on"):
        require_consented(Subject.open(subject.folder))


def test_new_terms_replace_old_ones_and_the_same_do_not(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DANCENOW_CACHE", str(subject.folder.parent / "cache"))
    entry = CacheEntry("subjects", "me")
    subject.folder.rename(entry.path())
    subject = Subject.open(entry.path())
    monkeypatch.setattr("dancenow.subject.subject_cache.subject_entry", lambda *_: entry)
    recorded = record_consent(subject.folder, consent("rendered")).manifest.consent
    cached_subject(subject.video, None, consent("rendered"), ignore_progress)
    assert Subject.open(subject.folder).manifest.consent == recorded
    cached_subject(subject.video, None, consent("self"), ignore_progress)
    now = Subject.open(subject.folder).manifest.consent
    assert now is not None
    assert now.kind == "self"


def test_a_subject_names_no_file_outside_its_folder(subject: Subject) -> None:
    away = dataclasses.replace(subject.manifest, video="../elsewhere.mp4")
    (subject.folder / MANIFEST).write_text(away.to_json(), "utf-8")
    with pytest.raises(UserError, match="a path instead of a file name"):
        Subject.open(subject.folder)


def test_training_resumes_after_the_record_was_corrected() -> None:
    info = CheckpointInfo("training-state", {}, 1, 1.0, {"source_sha256": "a", "consent_sha256": "b"})
    require_same_training(Checkpoint(info, {}), {}, {"source_sha256": "a", "consent_sha256": "c"})
    with pytest.raises(UserError, match="another subject"):
        require_same_training(Checkpoint(info, {}), {}, {"source_sha256": "z", "consent_sha256": "b"})


def test_consent_to_a_video_used_with_run_can_be_withdrawn(subject: Subject) -> None:
    model = model_of(record_consent(subject.folder, consent("self")))
    cli.main(["consent", str(subject.video), "--revoke"])
    with pytest.raises(UserError, match="was withdrawn on"):
        require_consented(Subject.open(subject.folder))
    with pytest.raises(UserError, match="was withdrawn on"):
        require_consented_model(model, Path("model.safetensors"))


def test_withdrawing_one_video_leaves_others_under_the_same_record(subject: Subject) -> None:
    given = record_consent(subject.folder, consent("self"))
    withdraw_consent(subject.folder)
    other = dataclasses.replace(given, manifest=dataclasses.replace(given.manifest, source_sha256="1" * 64))
    require_consented(other)


def test_a_damaged_list_of_withdrawals_is_an_error_and_not_taken_for_empty(subject: Subject) -> None:
    record_consent(subject.folder, consent("self"))
    data_dir("withdrawn.json").parent.mkdir(parents=True, exist_ok=True)
    data_dir("withdrawn.json").write_text("{")
    with pytest.raises(UserError, match="list of withdrawn consents"):
        require_consented(Subject.open(subject.folder))


def test_records_come_from_json_and_toml(tmp_path: Path) -> None:
    (tmp_path / "signed.pdf").write_text("I agree.")
    (tmp_path / "terms.toml").write_text('person = "Ada"\nscope = "this film"\ndate = 2026-03-01\ndocument = "signed.pdf"\n')
    record = read_consent(tmp_path / "terms.toml")
    assert (record.kind, record.person, record.date, record.document) == ("licensed", "Ada", "2026-03-01", "signed.pdf")
    assert record.document_sha256 is not None
    assert len(record.document_sha256) == 64
    (tmp_path / "terms.json").write_text(json.dumps({"kind": "self"}))
    assert read_consent(tmp_path / "terms.json").kind == "self"
    assert Consent.from_json(dataclasses.asdict(record)) == record


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "neither valid JSON nor valid TOML"),
        ("[]", "may hold"),
        ('{"person": "Ada", "mood": "good"}', "'mood'"),
        ('{"person": 7}', "must be text"),
        ('{"person": "Ada"}', "needs its license"),
        ('{"person": "Ada", "licence": "free for all"}', "SPDX"),
        ('{"person": "Ada", "licence": "MIT", "date": "yesterday"}', "not a date"),
        ('{"person": "Ada", "licence": "MIT", "date": "2999-01-01"}', "future"),
        ('{"person": "Ada", "document": "absent.pdf"}', "cannot be read"),
        ('{"kind": "borrowed", "person": "Ada"}', "unknown kind of consent"),
        ('{"licence": "MIT"}', "--person-name"),
    ],
)
def test_a_bad_record_is_one_sentence(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "terms.json").write_text(text)
    with pytest.raises(UserError, match=message):
        read_consent(tmp_path / "terms.json")


def test_licences_are_spdx_and_allow_changes() -> None:
    assert licence_id("cc0-1.0") == "CC0-1.0"
    assert licence_id("LicenseRef-Ours") == "LicenseRef-Ours"
    with pytest.raises(UserError, match="forbids derivatives"):
        licence_id("CC-BY-ND-4.0")


def test_the_command_records_shows_and_withdraws(subject: Subject, capsys: pytest.CaptureFixture[str]) -> None:
    def run(*words: str) -> str:
        with pytest.raises(SystemExit) as stopped:
            cli.main(["consent", str(subject.folder), *words])
        captured = capsys.readouterr()
        assert stopped.value.code == 2 or not captured.err
        return captured.out + captured.err

    cli.main(["consent", str(subject.folder)])
    cli.main(["consent", str(subject.folder), "--consent", "self", "--person-name", "Ada"])
    cli.main(["consent", str(subject.folder), "--revoke"])
    cli.main(["consent", str(subject.folder)])
    printed = capsys.readouterr().out
    for words in ("no consent on record", "self: Ada", "withdrawn on", "WITHDRAWN"):
        assert words in printed
    assert "--person-name" in run("--consent", "licensed", "--licence", "MIT")
    assert "cannot be combined" in run("--revoke", "--consent", "self")
    assert "also needs --consent" in run("--person-name", "Ada")
