"""Content Credentials (C2PA): sign generated videos, and read and verify the credentials of any video.

Uses the `c2pa-python` library. Neither signing nor reading uses the network.
"""

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal, Self

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

import dancenow
from dancenow.errors import InputError
from dancenow.provenance.signing import SigningIdentity, load_signing_identity, own_root_certificate, user_certificates
from dancenow.storage.file_names import as_text

SYNTHETIC: Final = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
FACTS_LABEL: Final = "dancenow.transfer"
SIGNED_TYPES: Final = {".mp4": "video/mp4", ".mov": "video/quicktime"}
"""Suffix -> MIME type of the videos that are signed; C2PA defines no place for credentials in WebM."""
_INGREDIENT_TYPES: Final = {
    ".mp4": "video/mp4", ".mov": "video/quicktime", ".m4v": "video/mp4", ".avi": "video/x-msvideo", ".png": "image/png",
    ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".webp": "image/webp", ".tif": "image/tiff", ".tiff": "image/tiff",
}  # fmt: skip
_OFFLINE: Final = {"remote_manifest_fetch": False, "ocsp_fetch": False, "verify_timestamp_trust": False}
_ON_DISK: Final = {"backing_store_memory_threshold_in_mb": 16}
"""From which size on c2pa keeps the signed copy on the disk while it writes it; without it that copy is in memory. Hashes of
parts (`merkle_tree_chunk_size_in_kb`) would need less memory still, but with them c2pa 0.38 misses a changed byte."""
_CREDENTIALS_BYTES: Final = 1 << 20
"""More than credentials take in a file."""
_UNKNOWN_SIGNER: Final = "signingCredential.untrusted"

State = Literal["signed", "tampered", "none", "unchecked"]


@dataclass(frozen=True)
class DancerFacts:
    """One of several dancers, as hex SHA-256: model file, subject video, consent record."""

    model_sha256: str
    subject_sha256: str
    consent_sha256: str | None


@dataclass(frozen=True)
class TransferFacts:
    """Inputs of a transfer as hex SHA-256: model file, source video, subject video, consent record, and file of the scene.

    With several dancers, each has its own facts, subject and consent are None, and the model's digest is that of the digests of
    their models, one after the other.
    """

    model_sha256: str
    source_sha256: str
    subject_sha256: str | None
    consent_sha256: str | None = None
    scene_sha256: str | None = None
    dancers: tuple[DancerFacts, ...] = ()

    @classmethod
    def of(cls, dancers: Sequence[DancerFacts], source_sha256: str, scene_sha256: str | None) -> Self:
        """Of one dancer or several."""
        if len(dancers) == 1:
            one = dancers[0]
            return cls(one.model_sha256, source_sha256, one.subject_sha256, one.consent_sha256, scene_sha256)
        together = hashlib.sha256("".join(each.model_sha256 for each in dancers).encode()).hexdigest()
        return cls(together, source_sha256, None, None, scene_sha256, tuple(dancers))

    def to_json(self) -> dict[str, Any]:
        """What is known, as JSON values."""
        return {name: value for name, value in asdict(self).items() if value}

    def subjects(self) -> tuple[DancerFacts, ...]:
        """Each subject once, in the order of the dancers."""
        one = DancerFacts(self.model_sha256, self.subject_sha256 or "", self.consent_sha256)
        return tuple({each.subject_sha256: each for each in reversed(self.dancers or (one,))}.values())[::-1]


@dataclass(frozen=True)
class Credentials:
    """Content Credentials of a video.

    state: `signed` (and unchanged since), `tampered` (changed after signing), `none`, or `unchecked` (no c2pa library on this
    platform). signer: name in the certificate. own: signed by this computer, with its self-made certificate or the user's; the
    identity of other signers is not verified.
    synthetic: declared as generated. facts: the `TransferFacts` of a video made by dancenow.
    """

    state: State
    signer: str | None = None
    own: bool = False
    tool: str | None = None
    synthetic: bool = False
    facts: Mapping[str, Any] | None = None
    problems: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the credentials as JSON values."""
        return asdict(self)

    def sentence(self) -> str:
        """Summarize the credentials in one sentence."""
        if self.state == "none":
            return "none: the video carries no Content Credentials."
        if self.state == "unchecked":
            return "not checked: the c2pa library is not available on this platform."
        if self.state == "tampered" and self.problems and all(p.startswith("signingCredential.") for p in self.problems):
            return f"doubtful: the certificate of {self.signer or 'the signer'} is not valid ({', '.join(self.problems)})."
        if self.state == "tampered":
            return f"tampered: the video or its credentials were changed after signing ({', '.join(self.problems)})."
        origin = "this computer" if self.own else "a certificate that this computer cannot verify"
        tool = f", made with {self.tool}" if self.tool else ""
        declared = "; declared as synthetic" if self.synthetic else ""
        return f"signed by {self.signer or 'an unnamed signer'} ({origin}), unchanged since{tool}{declared}."


class VideoSigner:
    """Signs finished videos. Created before the long work, so that an unusable certificate is reported early."""

    def __init__(self, facts: TransferFacts, ingredients: Mapping[str, Path], identity: SigningIdentity) -> None:
        self._facts, self._ingredients, self._identity = facts, ingredients, identity
        self.problem: str | None = None
        """Why a finished video is not signed, in a sentence; None if it is."""

    @classmethod
    def prepare(cls, facts: TransferFacts, source: Path | None = None, scene: Path | None = None) -> Self | None:
        """Create the signer of one video, with `source` and `scene` as its ingredients; None without the c2pa library.

        Raises:
            UserError: the user's certificate cannot be used.
        """
        if not is_available():
            return None
        import c2pa

        files = {"the dance": source, "the scene": None if scene == source else scene}
        ingredients = {title: path for title, path in files.items() if path is not None}
        signer = cls(facts, ingredients, load_signing_identity())
        try:
            signer._open().close()
        except c2pa.C2paError as error:
            raise InputError(f"the signing certificate cannot be used ({_first_line(error)}); set another or none.") from error
        return signer

    def sign(self, video: Path) -> None:
        """Replace a finished video by a signed copy; for `VideoWriter(finish=...)`.

        The certificate was tried before the long work. If signing fails all the same, as on a full disk, the finished video is
        worth more than its credentials: it stays as it is, with its watermark, and `problem` says why.
        """
        import c2pa

        is_tight = shutil.disk_usage(video.parent).free < video.stat().st_size + _CREDENTIALS_BYTES
        folder = video.with_name("signed")
        try:
            folder.mkdir()
            signed = folder / video.name
            try:
                self._sign(video, signed, self._ingredients)
            except c2pa.C2paError:
                if not self._ingredients or is_tight:
                    raise
                # The credentials of the source may have expired; its hash is among the facts anyway.
                self._sign(video, signed, {})
            signed.replace(video)
        except (c2pa.C2paError, OSError) as error:
            reason = "the disk is too full for a signed copy" if is_tight else f"it could not be signed ({_first_line(error)})"
            self.problem = f"The video has a watermark, but no Content Credentials: {reason}."
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _sign(self, video: Path, signed: Path, ingredients: Mapping[str, Path]) -> None:
        import c2pa

        context = c2pa.Context.from_dict({"verify": _OFFLINE, "core": _ON_DISK})
        with c2pa.Builder(_manifest(video, self._facts), context) as builder:
            for title, path in ingredients.items():
                _add_ingredient(builder, title, path)
            with self._open() as signer:
                builder.sign_file(video, signed, signer)

    def _open(self) -> Any:
        import c2pa

        identity = self._identity
        info = c2pa.C2paSignerInfo(identity.algorithm.encode(), identity.chain_pem, identity.key_pem, None)
        return c2pa.Signer.from_info(info)


def require_signer() -> None:
    """Raise UserError if the certificate of this computer cannot sign, before the long work and not after it."""
    VideoSigner.prepare(TransferFacts("", "", ""))


def is_available() -> bool:
    """Return whether the c2pa library can be loaded; it has wheels for common Linux, macOS and Windows platforms only."""
    try:
        import c2pa  # noqa: F401
    except (ImportError, OSError):
        return False
    return True


def read_credentials(video: Path) -> Credentials:
    """Read and verify the Content Credentials of a video.

    Raises:
        UserError: the file does not exist, or a certificate of this computer that is needed cannot be read.
    """
    if not Path(video).is_file():
        raise InputError(f"{video} does not exist or is not a file; check the name.")
    if not is_available():
        return Credentials("unchecked")
    import c2pa

    root = own_root_certificate()
    try:
        with _open_reader(video, root) as reader:
            manifest, state = reader.get_active_manifest() or {}, reader.get_validation_state()
            credentials = _parse_manifest(manifest, state, json.loads(reader.json()))
        if credentials.state == "signed" and not credentials.own:
            credentials = replace(credentials, own=_is_signed_by(user_certificates(), video, manifest))
        return credentials
    except c2pa.C2paError as error:
        # A file that C2PA cannot read counts as tampered only if it contains credentials or parts of them.
        if not _contains_claim(Path(video)):
            return Credentials("none")
        return Credentials("tampered", problems=(f"cannot be read: {_first_line(error)}",))


def _open_reader(video: Path, trusted: str | None) -> Any:
    """A reader, to be closed. trusted: certificates (PEM) of whom the signer's must be to be verified."""
    import c2pa

    trust = {} if trusted is None else {"trust": {"trust_anchors": trusted}}
    return c2pa.Reader(Path(video), context=c2pa.Context.from_dict({"verify": _OFFLINE, **trust}))


def _is_signed_by(chain: Sequence[x509.Certificate], video: Path, manifest: Mapping[str, Any]) -> bool:
    """Whether the first certificate of a chain signed a video; never of one without its issuer, which c2pa cannot verify.

    Others whom that issuer certifies are told apart by the serial number, which it gives once.
    """
    serial = manifest.get("signature_info", {}).get("cert_serial_number")
    if len(chain) < 2 or serial != str(chain[0].serial_number):
        return False
    with _open_reader(video, chain[1].public_bytes(Encoding.PEM).decode("ascii")) as reader:
        return bool(reader.get_validation_state() == "Trusted")


def _contains_claim(video: Path) -> bool:
    """Return whether a C2PA claim is near the start or the end of the file, where credentials are stored."""
    range_bytes = 1 << 20
    with video.open("rb") as file:
        if b"c2pa.claim" in file.read(range_bytes):
            return True
        file.seek(max(video.stat().st_size - range_bytes, 0))
        return b"c2pa.claim" in file.read(range_bytes)


def _parse_manifest(manifest: Mapping[str, Any], state: str | None, report: Mapping[str, Any]) -> Credentials:
    problems = tuple(dict.fromkeys(s["code"] for s in report.get("validation_status", ()) if s["code"] != _UNKNOWN_SIGNER))
    signature = manifest.get("signature_info", {})
    tools = [" ".join(filter(None, (t.get("name"), t.get("version")))) for t in manifest.get("claim_generator_info", [])]
    assertions = {a["label"]: a["data"] for a in manifest.get("assertions", []) if isinstance(a.get("data"), dict)}
    actions = [a for label, data in assertions.items() if label.startswith("c2pa.actions") for a in data.get("actions", ())]
    return Credentials(
        state="signed" if state in ("Valid", "Trusted") else "tampered",
        signer=signature.get("common_name") or signature.get("issuer"),
        own=state == "Trusted",
        tool=tools[0] if tools else None,
        synthetic=any("rainedAlgorithmicMedia" in str(action.get("digitalSourceType")) for action in actions),
        facts=assertions.get(FACTS_LABEL),
        problems=problems,
    )


def _manifest(video: Path, facts: TransferFacts) -> dict[str, Any]:
    tool = {"name": "dancenow", "version": dancenow.__version__}
    created = {"action": "c2pa.created", "digitalSourceType": SYNTHETIC, "softwareAgent": tool}
    return {
        "claim_generator_info": [tool],
        "title": as_text(video.name),
        "format": SIGNED_TYPES[video.suffix.lower()],
        "ingredients": [_subject_ingredient(subject) for subject in facts.subjects()],
        "assertions": [
            {"label": "c2pa.actions.v2", "data": {"actions": [created]}},
            {"label": FACTS_LABEL, "data": facts.to_json()},
        ],
    }


def _subject_ingredient(subject: DancerFacts) -> dict[str, Any]:
    """A subject, of whom a transfer has a model alone, named by the digest of their footage."""
    return {
        "title": f"the subject of the footage {subject.subject_sha256}",
        "format": "application/octet-stream",
        "instance_id": f"sha256:{subject.subject_sha256}",
        "relationship": "inputTo",
        "data_types": [{"type": "c2pa.types.model"}],
    }


def _add_ingredient(builder: Any, title: str, path: Path) -> None:
    """Add an input, with its own credentials if any; skip file types that C2PA does not support."""
    import c2pa

    kind = _INGREDIENT_TYPES.get(path.suffix.lower())
    if kind is None:
        return
    with path.open("rb") as file:
        try:
            builder.add_ingredient({"title": title, "relationship": "inputTo"}, kind, file)
        except c2pa.C2paError:
            return  # a damaged container is still identified by its hash among the facts


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0].rstrip(". ")[:160] if str(error) else type(error).__name__
