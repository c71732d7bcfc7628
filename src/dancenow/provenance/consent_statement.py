"""A consent record as a signed statement: a JSON file that others can check without the footage.

It holds the record, the hash of the footage, and the signature of this computer's certificate or the user's
(`dancenow.provenance.signing`). What is signed are the bytes of `statement` as sorted JSON without spaces.
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.x509.oid import NameOID

from dancenow.errors import ConsentError
from dancenow.provenance.consent import Consent, withdrawn_on
from dancenow.provenance.signing import SigningIdentity, load_signing_identity, own_root_certificate, user_certificates
from dancenow.storage.atomic_io import complete_or_absent

KIND: Final = "dancenow consent statement"
_HASHES: Final[Mapping[str, hashes.HashAlgorithm]] = {
    "es256": hashes.SHA256(), "es384": hashes.SHA384(), "es512": hashes.SHA512(), "ps256": hashes.SHA256(),
}  # fmt: skip
_PADDING: Final = padding.PSS(padding.MGF1(hashes.SHA256()), 32)


@dataclass(frozen=True)
class ReadStatement:
    """A statement whose signature is valid. own: signed by this computer; other signers are not verified."""

    consent: Consent
    source_sha256: str
    stated: str
    signer: str
    own: bool

    def sentence(self) -> str:
        """What the statement says and who signed it."""
        by = "this computer" if self.own else "a certificate that this computer cannot verify"
        about = f"{self.consent.sentence()}; for the footage {self.source_sha256[:12]}"
        return f"{about}; stated on {self.stated}, signed by {self.signer} ({by})"


def write_statement(record: Consent, source_sha256: str, out: Path) -> None:
    """Write the record as a signed statement. source_sha256: of the footage.

    Raises:
        UserError: the certificate cannot be used, the list of withdrawals is damaged, or `out` cannot be written.
    """
    identity = load_signing_identity()
    fields = {**asdict(record), "withdrawn": record.withdrawn or withdrawn_on(record.sha256, source_sha256)}
    statement = {
        "kind": KIND, "consent": fields, "consent_sha256": record.sha256, "source_sha256": source_sha256,
        "stated": datetime.now(UTC).date().isoformat(),
    }  # fmt: skip
    signed = {
        "statement": statement,
        "algorithm": identity.algorithm,
        "signature": base64.b64encode(_sign(identity, _signed_bytes(statement))).decode("ascii"),
        "certificates": _certificates_alone(identity.chain_pem),
    }
    with complete_or_absent(out) as temporary:
        temporary.write_text(json.dumps(signed, indent=1) + "\n", "utf-8")


def read_statement(path: Path) -> ReadStatement:
    """Read a statement and check its signature.

    Raises:
        UserError: the file cannot be read, is no statement, or was changed after it was signed; or a certificate of this
            computer cannot be read.
    """
    try:
        content = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ConsentError(f"the statement {path} cannot be read: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:
        raise ConsentError(
            f"{path} is no consent statement; make one with `dancenow consent SUBJECT --export FILE`."
        ) from error
    try:
        statement = content["statement"]
        chain = x509.load_pem_x509_certificates(content["certificates"].encode("ascii"))
        _verify(chain[0], content["algorithm"], base64.b64decode(content["signature"]), _signed_bytes(statement))
        record = Consent.from_json(statement["consent"])
        if statement["kind"] != KIND or statement["consent_sha256"] != record.sha256:
            raise ValueError("the parts of the statement do not belong together")
        return ReadStatement(
            record, str(statement["source_sha256"]), str(statement["stated"]), _name(chain[0]), _is_own(chain[0])
        )
    except InvalidSignature as error:
        raise ConsentError(f"the statement {path} was changed after it was signed.") from error
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, UnsupportedAlgorithm) as error:
        raise ConsentError(
            f"{path} is no consent statement; make one with `dancenow consent SUBJECT --export FILE`."
        ) from error


def _certificates_alone(chain_pem: bytes) -> str:
    """The certificates of a PEM file, which may hold a private key and comments as well."""
    chain = x509.load_pem_x509_certificates(chain_pem)
    return "".join(each.public_bytes(Encoding.PEM).decode("ascii") for each in chain)


def _signed_bytes(statement: Mapping[str, Any]) -> bytes:
    return json.dumps(statement, sort_keys=True, separators=(",", ":")).encode("utf-8")


def _sign(identity: SigningIdentity, data: bytes) -> bytes:
    key = load_pem_private_key(identity.key_pem, None)
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return key.sign(data, ec.ECDSA(_HASHES[identity.algorithm]))
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(data, _PADDING, _HASHES[identity.algorithm])
    assert isinstance(key, ed25519.Ed25519PrivateKey)  # load_signing_identity accepts nothing else
    return key.sign(data)


def _verify(certificate: x509.Certificate, algorithm: str, signature: bytes, data: bytes) -> None:
    """Raises InvalidSignature, or ValueError for a key of another type."""
    key = certificate.public_key()
    if isinstance(key, ec.EllipticCurvePublicKey):
        key.verify(signature, data, ec.ECDSA(_HASHES[algorithm]))
    elif isinstance(key, rsa.RSAPublicKey):
        key.verify(signature, data, _PADDING, _HASHES[algorithm])
    elif isinstance(key, ed25519.Ed25519PublicKey):
        key.verify(signature, data)
    else:
        raise ValueError("the certificate has a key of another type")


def _name(certificate: x509.Certificate) -> str:
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[0].value) if names else "an unnamed signer"


def _is_own(certificate: x509.Certificate) -> bool:
    """Whether it is the user's certificate, or one that this computer made for itself."""
    if certificate in user_certificates()[:1]:
        return True
    root = own_root_certificate()
    if root is None:
        return False
    try:
        certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(root.encode("ascii")))
    except (InvalidSignature, ValueError, TypeError):
        return False
    return True
