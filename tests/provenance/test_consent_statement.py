"""A consent record as a signed statement: written, checked, changed."""

import json
from pathlib import Path

import pytest

from dancenow.cli.main import main
from dancenow.errors import UserError
from dancenow.provenance.consent import consent, withdraw
from dancenow.provenance.consent_statement import read_statement, write_statement
from dancenow.provenance.signing import load_signing_identity
from dancenow.storage.atomic_io import data_dir

FOOTAGE = "ab" * 32


@pytest.fixture
def statement(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DANCENOW_HOME", str(tmp_path / "home"))
    path = tmp_path / "statement.json"
    write_statement(consent("licensed", person="Zoë Example", licence="CC-BY-4.0"), FOOTAGE, path)
    return path


def test_a_statement_is_read_back_and_its_signer_is_known(statement: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = read_statement(statement)
    assert (found.consent.person, found.source_sha256, found.own) == ("Zoë Example", FOOTAGE, True)
    main(["consent", str(statement), "--verify"])
    out = capsys.readouterr().out
    assert "licensed: Zoë Example" in out
    assert "(this computer)" in out


def test_a_withdrawal_is_stated(statement: Path) -> None:
    record = read_statement(statement).consent
    day = withdraw(FOOTAGE)
    write_statement(record, FOOTAGE, statement)
    assert read_statement(statement).consent.withdrawn == day
    assert "WITHDRAWN" in read_statement(statement).sentence()


def test_no_private_key_is_written(tmp_path: Path, statement: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file with a certificate may hold its key as well."""
    identity = load_signing_identity()
    both, key, out = tmp_path / "both.pem", tmp_path / "key.pem", tmp_path / "own.json"
    both.write_bytes(b"Issued to Zo\xc3\xab\n" + identity.chain_pem + identity.key_pem)
    key.write_bytes(identity.key_pem)
    monkeypatch.setenv("DANCENOW_SIGN_CERT", str(both))
    monkeypatch.setenv("DANCENOW_SIGN_KEY", str(key))
    write_statement(read_statement(statement).consent, FOOTAGE, out)
    assert "PRIVATE" not in out.read_text("utf-8")
    assert read_statement(out).consent == read_statement(statement).consent


def test_a_statement_signed_with_the_users_certificate_is_known(
    tmp_path: Path, statement: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Self-made by another computer, from where the user copied it."""
    record, folder = read_statement(statement).consent, data_dir("signing")
    monkeypatch.setenv("DANCENOW_HOME", str(tmp_path / "elsewhere"))
    assert not read_statement(statement).own
    monkeypatch.setenv("DANCENOW_SIGN_CERT", str(folder / "chain.pem"))
    monkeypatch.setenv("DANCENOW_SIGN_KEY", str(folder / "key.pem"))
    write_statement(record, FOOTAGE, statement)
    assert read_statement(statement).own
    assert not (tmp_path / "elsewhere").exists()
    monkeypatch.delenv("DANCENOW_SIGN_CERT")
    assert not read_statement(statement).own
    monkeypatch.setenv("DANCENOW_SIGN_CERT", str(tmp_path / "absent.pem"))
    with pytest.raises(UserError, match="cannot be read"):
        read_statement(statement)


def test_a_changed_statement_is_refused(statement: Path) -> None:
    content = json.loads(statement.read_text("utf-8"))
    content["statement"]["consent"]["person"] = "Somebody Else"
    statement.write_text(json.dumps(content), "utf-8")
    with pytest.raises(UserError, match="changed after it was signed"):
        read_statement(statement)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"statement": {}, "certificates": "x", "signature": "", "algorithm": ""}'])
def test_other_files_are_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "other.json"
    path.write_text(text, "utf-8")
    with pytest.raises(UserError, match="no consent statement"):
        read_statement(path)
    with pytest.raises(UserError, match="cannot be read"):
        read_statement(tmp_path / "absent.json")


def test_options_that_exclude_each_other_end_with_status_2(statement: Path, tmp_path: Path) -> None:
    for options in (["--verify", "--revoke"], ["--export", str(tmp_path / "x.json"), "--revoke"]):
        with pytest.raises(SystemExit) as stopped:
            main(["consent", str(statement), *options])
        assert stopped.value.code == 2
