"""Content Credentials: what a finished video says of itself, signed, and what another video says and whether that is true.

Follows the C2PA specification by way of the `c2pa-python` library; nothing here uses the network, neither to sign nor to read.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Literal, Self

import dancenow
from dancenow.errors import InputError, OutputError
from dancenow.provenance.signing import Signing, own_root, signing

SYNTHETIC: Final = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
FACTS_LABEL: Final = "dancenow.transfer"
_OFFLINE: Final = {"remote_manifest_fetch": False, "ocsp_fetch": False, "verify_timestamp_trust": False}
_UNKNOWN_SIGNER: Final = "signingCredential.untrusted"

State = Literal["signed", "tampered", "none", "unchecked"]


@dataclass(frozen=True)
class Facts:
    """What a video was made of, as hex SHA-256: the model's file, the source video, the subject's video, the consent."""

    model_sha256: str
    source_sha256: str
    subject_sha256: str
    consent_sha256: str | None = None


@dataclass(frozen=True)
class Credentials:
    """What a video's Content Credentials say.

    state: `signed` and unchanged since; `tampered`, changed after it was signed; `none`; or `unchecked` where this platform
    cannot check. signer: the name in the certificate. own: signed by this very computer; of all other signers only the name
    is known, and nobody vouches for it. synthetic: it says that it was generated. facts: what our own videos say of themselves.
    """

    state: State
    signer: str | None = None
    own: bool = False
    tool: str | None = None
    synthetic: bool = False
    facts: Mapping[str, Any] | None = None
    problems: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)

    def sentence(self) -> str:
        """The whole of it for a person."""
        if self.state == "none":
            return "none: the video carries no Content Credentials."
        if self.state == "unchecked":
            return "not checked: the c2pa library is not available on this platform."
        if self.state == "tampered" and self.problems and all(p.startswith("signingCredential.") for p in self.problems):
            return f"doubtful: the certificate of {self.signer or 'the signer'} does not hold ({', '.join(self.problems)})."
        if self.state == "tampered":
            return f"tampered: the video or its credentials were changed after signing ({', '.join(self.problems)})."
        known = "this computer" if self.own else "a certificate that this computer cannot vouch for"
        tool = f", made with {self.tool}" if self.tool else ""
        says = "; it says that it is synthetic" if self.synthetic else ""
        return f"signed by {self.signer or 'somebody without a name'} ({known}), unchanged since{tool}{says}."


class VideoSigner:
    """Signs finished videos; made before the long work, so that a certificate that cannot sign is said at once."""

    def __init__(self, facts: Facts, source: Path | None, identity: Signing) -> None:
        self._facts, self._source, self._identity = facts, source, identity

    @classmethod
    def prepare(cls, facts: Facts, source: Path | None = None) -> Self | None:
        """The signer of one video; `source` is named in it as what it was made from. None where there is no c2pa library.

        Raises:
            UserError: the user's certificate cannot be used.
        """
        if not is_available():
            return None
        import c2pa

        made = cls(facts, source, signing())
        try:
            made._open().close()
        except c2pa.C2paError as error:
            raise InputError(f"the signing certificate cannot be used ({_brief(error)}); give another or none.") from error
        return made

    def sign(self, video: Path) -> None:
        """Replace the finished mp4 by a signed copy of it; made for `VideoWriter(finish=...)`.

        Raises:
            UserError: the library refuses to sign.
        """
        import c2pa

        signed = video.with_name(f"signed-{video.name}")
        try:
            try:
                self._sign(video, signed, self._source)
            except c2pa.C2paError:
                if self._source is None:
                    raise
                # Credentials of the source's own that have expired since; its hash is among the facts all the same.
                self._sign(video, signed, None)
        except c2pa.C2paError as error:
            raise OutputError(f"the video cannot be signed ({_brief(error)}); check the certificate and its key.") from error
        signed.replace(video)

    def _sign(self, video: Path, signed: Path, source: Path | None) -> None:
        import c2pa

        with c2pa.Builder(_manifest(video.name, self._facts), c2pa.Context.from_dict({"verify": _OFFLINE})) as builder:
            if source is not None:
                _add_source(builder, source)
            with self._open() as signer:
                builder.sign_file(video, signed, signer)

    def _open(self) -> Any:
        import c2pa

        identity = self._identity
        info = c2pa.C2paSignerInfo(identity.algorithm.encode(), identity.chain_pem, identity.key_pem, None)
        return c2pa.Signer.from_info(info)


def require_signer() -> None:
    """Raises UserError if this computer has a certificate that cannot sign: better before the long work than after it."""
    VideoSigner.prepare(Facts("", "", ""))


def is_available() -> bool:
    """Whether the c2pa library can be loaded: its wheels exist for Linux, macOS and Windows on usual processors only."""
    try:
        import c2pa  # noqa: F401
    except (ImportError, OSError):
        return False
    return True


def read_credentials(video: Path) -> Credentials:
    """Read and verify the Content Credentials of a video.

    Raises:
        UserError: there is no such file.
    """
    if not Path(video).is_file():
        raise InputError(f"{video} does not exist or is no file; check the name.")
    if not is_available():
        return Credentials("unchecked")
    import c2pa

    root = own_root()
    trust = {} if root is None else {"trust": {"trust_anchors": root}}
    try:
        with c2pa.Reader(Path(video), context=c2pa.Context.from_dict({"verify": _OFFLINE, **trust})) as reader:
            return _understood(reader.get_active_manifest() or {}, reader.get_validation_state(), json.loads(reader.json()))
    except c2pa.C2paError as error:
        # What C2PA cannot read is not tampered with unless credentials, or what remains of them, are there.
        if not _has_remains(Path(video)):
            return Credentials("none")
        return Credentials("tampered", problems=(f"they cannot be read: {_brief(error)}",))


def _has_remains(video: Path) -> bool:
    """Whether the name of a C2PA claim stands near the beginning or the end of the file, where credentials are kept."""
    near = 1 << 20
    with video.open("rb") as file:
        if b"c2pa.claim" in file.read(near):
            return True
        file.seek(max(video.stat().st_size - near, 0))
        return b"c2pa.claim" in file.read(near)


def _understood(manifest: Mapping[str, Any], state: str | None, whole: Mapping[str, Any]) -> Credentials:
    problems = tuple(dict.fromkeys(s["code"] for s in whole.get("validation_status", ()) if s["code"] != _UNKNOWN_SIGNER))
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


def _manifest(title: str, facts: Facts) -> dict[str, Any]:
    tool = {"name": "dancenow", "version": dancenow.__version__}
    created = {"action": "c2pa.created", "digitalSourceType": SYNTHETIC, "softwareAgent": tool}
    known = {name: value for name, value in asdict(facts).items() if value is not None}
    return {
        "claim_generator_info": [tool],
        "title": title,
        "format": "video/mp4",
        "assertions": [
            {"label": "c2pa.actions.v2", "data": {"actions": [created]}},
            {"label": FACTS_LABEL, "data": known},
        ],
    }


def _add_source(builder: Any, source: Path) -> None:
    """Name the source as an ingredient: credentials that it has itself are carried on. Kinds that C2PA has not are left out."""
    import c2pa

    kinds = {".mp4": "video/mp4", ".mov": "video/quicktime", ".m4v": "video/mp4", ".avi": "video/x-msvideo"}
    kind = kinds.get(source.suffix.lower())
    if kind is None:
        return
    with source.open("rb") as file:
        try:
            builder.add_ingredient({"title": "the dance", "relationship": "inputTo"}, kind, file)
        except c2pa.C2paError:
            return  # what a damaged container cannot tell is still in the facts, as a hash


def _brief(error: Exception) -> str:
    return str(error).splitlines()[0].rstrip(". ")[:160] if str(error) else type(error).__name__
