"""Content Credentials: signed before the file appears, verified offline, and a single changed byte is reported."""

import os
import shutil
import stat
from datetime import datetime, timedelta, tzinfo
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Self

import c2pa
import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from dancenow.errors import UserError
from dancenow.media.sink import VideoWriter
from dancenow.media.source import probe
from dancenow.provenance import content_credentials
from dancenow.provenance.content_credentials import Credentials, TransferFacts, VideoSigner, read_credentials, require_signer
from dancenow.provenance.signing import CERTIFICATE_VARIABLE, KEY_VARIABLE, _certificate, _name, load_signing_identity
from dancenow.storage.atomic_io import data_dir

FACTS = TransferFacts("a" * 64, "b" * 64, "c" * 64, "d" * 64)


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DANCENOW_HOME", str(tmp_path / "home"))
    monkeypatch.delenv(CERTIFICATE_VARIABLE, raising=False)
    monkeypatch.delenv(KEY_VARIABLE, raising=False)


def film(path: Path, signer: VideoSigner | None = None) -> Path:
    with VideoWriter(path, 64, 64, fps=Fraction(25), finish=signer.sign if signer else None) as writer:
        for i in range(20):
            writer.write(np.full((64, 64, 3), 90 + i, np.uint8), Fraction(i, 25))
    return path


def signed(path: Path, source: Path | None = None) -> Path:
    signer = VideoSigner.prepare(FACTS, source)
    assert signer is not None
    return film(path, signer)


def test_a_signed_video_declares_itself_synthetic_and_plays(tmp_path: Path) -> None:
    credentials = read_credentials(signed(tmp_path / "out.mp4"))
    assert (credentials.state, credentials.own, credentials.synthetic, credentials.problems) == ("signed", True, True, ())
    assert credentials.signer is not None
    assert credentials.signer.startswith("dancenow user ")
    assert credentials.facts == {"model_sha256": "a" * 64, "source_sha256": "b" * 64, "subject_sha256": "c" * 64,
                          "consent_sha256": "d" * 64}  # fmt: skip
    assert probe(tmp_path / "out.mp4").num_frames == 20
    assert sorted(p.name for p in tmp_path.iterdir()) == ["home", "out.mp4"]


def test_one_changed_byte_of_the_video_is_reported(tmp_path: Path) -> None:
    content = signed(tmp_path / "out.mp4").read_bytes()
    start = content.index(b"mdat") + 4
    for place in (start + 10, (start + len(content)) // 2, len(content) - 1):
        changed = bytearray(content)
        changed[place] ^= 1
        (tmp_path / "changed.mp4").write_bytes(changed)
        credentials = read_credentials(tmp_path / "changed.mp4")
        assert credentials.state == "tampered", place
        assert "changed after signing" in credentials.sentence()


def test_damaged_credentials_are_not_none(tmp_path: Path) -> None:
    content = bytearray(signed(tmp_path / "out.mp4").read_bytes())
    content[content.index(b"jumb") + 1] ^= 1
    (tmp_path / "damaged.mp4").write_bytes(content)
    assert read_credentials(tmp_path / "damaged.mp4").state == "tampered"


def test_a_video_without_credentials_and_a_file_that_is_none(tmp_path: Path) -> None:
    assert read_credentials(film(tmp_path / "plain.mp4")).state == "none"
    (tmp_path / "text.mp4").write_text("hello")
    assert read_credentials(tmp_path / "text.mp4").state == "none"
    with pytest.raises(UserError, match="does not exist"):
        read_credentials(tmp_path / "absent.mp4")


def test_the_signature_of_another_computer_is_valid_but_unverified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    signed(tmp_path / "out.mp4")
    monkeypatch.setenv("DANCENOW_HOME", str(tmp_path / "elsewhere"))
    credentials = read_credentials(tmp_path / "out.mp4")
    assert (credentials.state, credentials.own) == ("signed", False)
    assert "cannot verify" in credentials.sentence()


def test_the_source_is_an_ingredient(tmp_path: Path) -> None:
    source = signed(tmp_path / "source.mp4")
    out = signed(tmp_path / "out.mp4", source)
    assert read_credentials(out).state == "signed"
    with c2pa.Reader(out) as reader:
        ingredients = reader.get_active_manifest()["ingredients"]
    assert [each["title"].partition(" of ")[0] for each in ingredients] == ["the subject", "the dance"]
    assert {each["relationship"] for each in ingredients} == {"inputTo"}


def test_a_source_that_c2pa_cannot_read_does_not_cost_the_video(tmp_path: Path) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no film at all")
    assert read_credentials(signed(tmp_path / "out.mp4", broken)).state == "signed"


def test_an_expired_certificate_is_reported_before_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Later(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Self:
            return super().now(tz) + timedelta(days=20 * 365)

    signed(tmp_path / "now.mp4")
    monkeypatch.setattr("dancenow.provenance.signing.datetime", Later)
    with pytest.raises(UserError, match="not valid today"):
        require_signer()


def test_a_folder_without_permission_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def closed(_: Path) -> bool:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "is_file", closed)
    with pytest.raises(UserError, match="cannot be opened"):
        load_signing_identity()


def test_an_expired_certificate_is_not_called_tampering() -> None:
    expired = Credentials("tampered", signer="Ada", problems=("signingCredential.expired",))
    assert expired.sentence().startswith("doubtful: the certificate of Ada")
    assert Credentials("tampered", problems=("assertion.bmffHash.mismatch",)).sentence().startswith("tampered")


def test_the_key_is_readable_by_its_owner_only_and_reused(tmp_path: Path) -> None:
    first = read_credentials(signed(tmp_path / "one.mp4")).signer
    key = data_dir("signing") / "key.pem"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert read_credentials(signed(tmp_path / "two.mp4")).signer == first


def test_the_users_own_certificate_signs_and_a_bad_one_is_reported_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    signed(tmp_path / "first.mp4")
    own = tmp_path / "own"
    shutil.copytree(data_dir("signing"), own)
    monkeypatch.setenv("DANCENOW_HOME", str(tmp_path / "empty"))
    monkeypatch.setenv(CERTIFICATE_VARIABLE, str(own / "chain.pem"))
    with pytest.raises(UserError, match="set both"):
        VideoSigner.prepare(FACTS)
    monkeypatch.setenv(KEY_VARIABLE, str(own / "key.pem"))
    credentials = read_credentials(signed(tmp_path / "out.mp4"))
    assert (credentials.state, credentials.own) == ("signed", True)
    assert not (tmp_path / "empty").exists()
    (own / "key.pem").write_text("nonsense")
    with pytest.raises(UserError, match="PEM"):
        VideoSigner.prepare(FACTS)
    monkeypatch.setenv(KEY_VARIABLE, str(own / "absent.pem"))
    with pytest.raises(UserError, match="cannot be read"):
        VideoSigner.prepare(FACTS)


def test_of_an_authority_only_the_users_own_certificate_is_this_computer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An authority certifies many signers."""
    authority_key, authority_name = ec.generate_private_key(ec.SECP256R1()), _name("Authority")
    authority = _certificate(authority_name, authority_name, authority_key, authority_key, is_root=True)
    for who in ("ann", "bob"):
        key = ec.generate_private_key(ec.SECP256R1())
        leaf = _certificate(_name(who), authority_name, key, authority_key, is_root=False)
        (tmp_path / f"{who}.pem").write_bytes(leaf.public_bytes(Encoding.PEM) + authority.public_bytes(Encoding.PEM))
        (tmp_path / f"{who}.key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        monkeypatch.setenv(CERTIFICATE_VARIABLE, str(tmp_path / f"{who}.pem"))
        monkeypatch.setenv(KEY_VARIABLE, str(tmp_path / f"{who}.key"))
        signed(tmp_path / f"{who}.mp4")
    found = [read_credentials(tmp_path / f"{who}.mp4") for who in ("ann", "bob")]
    assert [(each.state, each.signer, each.own) for each in found] == [("signed", "ann", False), ("signed", "bob", True)]
    (tmp_path / "bob.pem").write_text("nonsense")
    with pytest.raises(UserError, match="PEM"):
        read_credentials(tmp_path / "bob.mp4")


def test_a_failed_signature_leaves_no_file(tmp_path: Path) -> None:
    def fail(_: Path) -> None:
        raise UserError("cannot sign")

    with (
        pytest.raises(UserError, match="cannot sign"),
        VideoWriter(tmp_path / "out.mp4", 64, 64, fps=Fraction(25), finish=fail) as writer,
    ):
        writer.write(np.zeros((64, 64, 3), np.uint8), Fraction(0))
    assert not (tmp_path / "out.mp4").exists()


@pytest.mark.parametrize(
    ("free_bytes", "reason"), [(1000, "the disk is too full for a signed copy"), (1 << 40, "it could not be signed")]
)
def test_a_finished_video_that_cannot_be_signed_is_kept(
    free_bytes: int, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_builder: c2pa.Builder, _video: Path, signed: Path, _signer: c2pa.Signer) -> None:
        signed.write_bytes(b"half of a signed copy")
        raise c2pa.C2paError.Io("Io: Other: UntrackedPointer: 0x2")  # what the library says of a full disk

    signer = VideoSigner.prepare(FACTS)
    assert signer is not None
    monkeypatch.setattr(c2pa.Builder, "sign_file", full)
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=free_bytes))
    film(tmp_path / "out.mp4", signer)
    assert probe(tmp_path / "out.mp4").num_frames == 20
    assert sorted(path.name for path in tmp_path.iterdir()) == ["home", "out.mp4"]
    note = signer.problem or ""
    assert "has a watermark, but no Content Credentials" in note
    assert reason in note


def test_a_name_that_is_no_text_is_signed(tmp_path: Path) -> None:
    out = signed(Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.mp4")))
    assert read_credentials(out).state == "signed"


def test_without_the_library_nothing_is_signed_or_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(content_credentials, "is_available", lambda: False)
    assert VideoSigner.prepare(FACTS) is None
    assert read_credentials(film(tmp_path / "plain.mp4")).state == "unchecked"
