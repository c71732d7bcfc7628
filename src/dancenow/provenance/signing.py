"""Signing identities: the user's certificate, or a self-made one that this computer creates once.

The self-made chain meets the requirements for signers (C2PA 2.x, "Credential types"): ES256, digitalSignature, emailProtection.
"""

import os
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from dancenow.errors import InputError
from dancenow.storage.atomic_io import complete_or_absent, data_dir

CERTIFICATE_VARIABLE: Final = "DANCENOW_SIGN_CERT"
KEY_VARIABLE: Final = "DANCENOW_SIGN_KEY"
_CHAIN, _KEY, _ROOT = "chain.pem", "key.pem", "root.pem"
_CURVES: Final = {"secp256r1": "es256", "secp384r1": "es384", "secp521r1": "es512"}
_VALID_DAYS: Final = 3650


@dataclass(frozen=True)
class SigningIdentity:
    """A certificate chain (PEM, leaf first), its private key (PEM), and the C2PA name of the algorithm."""

    chain_pem: bytes
    key_pem: bytes
    algorithm: str


def load_signing_identity() -> SigningIdentity:
    """Load the user's certificate if both variables are set, else the self-made one, which is created on first use.

    Raises:
        UserError: only one variable is set, or a file cannot be read, is not PEM, or does not match the other.
    """
    chain, key = os.environ.get(CERTIFICATE_VARIABLE), os.environ.get(KEY_VARIABLE)
    if bool(chain) != bool(key):
        raise InputError(
            f"set both {CERTIFICATE_VARIABLE} and {KEY_VARIABLE}, or neither to sign with a self-made certificate."
        )
    if chain and key:
        return _load_identity(Path(chain), Path(key))
    folder = data_dir("signing")
    if not all(_exists(folder / name) for name in (_CHAIN, _KEY, _ROOT)):
        _create_self_signed_chain(folder)
    return _load_identity(folder / _CHAIN, folder / _KEY)


def own_root_certificate() -> str | None:
    """Return the root of the self-made chain (PEM), which identifies signatures of this computer; None before it exists.

    Raises:
        UserError: the file exists and cannot be read.
    """
    path = data_dir("signing") / _ROOT
    if not _exists(path):
        return None
    try:
        return path.read_text("ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read; restore it, or remove {path.parent} to create a new certificate.") from error


def user_certificates() -> list[x509.Certificate]:
    """Return the user's certificate chain, leaf first, whose key signs instead of a self-made one; empty if there is none.

    Raises:
        UserError: the variable names a file that cannot be read or is not PEM.
    """
    path = os.environ.get(CERTIFICATE_VARIABLE)
    if not path:
        return []
    try:
        return x509.load_pem_x509_certificates(Path(path).read_bytes())
    except OSError as error:
        raise InputError(f"the signing file {path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise InputError(f"{path}, which {CERTIFICATE_VARIABLE} names, must be a certificate chain, PEM.") from error


def _exists(path: Path) -> bool:
    try:
        return path.is_file()
    except PermissionError as error:
        raise InputError(f"{path.parent} cannot be opened; check the permissions of that folder.") from error


def _load_identity(chain: Path, key: Path) -> SigningIdentity:
    try:
        chain_pem, key_pem = chain.read_bytes(), key.read_bytes()
    except OSError as error:
        raise InputError(f"the signing file {error.filename} cannot be read: {error.strerror}.") from error
    try:
        leaf = x509.load_pem_x509_certificates(chain_pem)[0]
        private = load_pem_private_key(key_pem, None)
    except (ValueError, TypeError, IndexError, UnsupportedAlgorithm) as error:
        raise InputError(f"{chain} and {key} must be a certificate chain and its unencrypted private key, both PEM.") from error
    if not leaf.not_valid_before_utc <= datetime.now(UTC) <= leaf.not_valid_after_utc:
        raise InputError(f"the certificate {chain} is not valid today; choose a valid one.")
    if private.public_key() != leaf.public_key():
        raise InputError(f"the private key {key} does not match the certificate {chain}; set a matching pair.")
    if isinstance(private, ec.EllipticCurvePrivateKey) and private.curve.name in _CURVES:
        return SigningIdentity(chain_pem, key_pem, _CURVES[private.curve.name])
    if isinstance(private, rsa.RSAPrivateKey):
        return SigningIdentity(chain_pem, key_pem, "ps256")
    if isinstance(private, ed25519.Ed25519PrivateKey):
        return SigningIdentity(chain_pem, key_pem, "ed25519")
    raise InputError(f"the private key {key} has a type that C2PA does not support; use P-256, P-384, P-521, RSA or Ed25519.")


def _create_self_signed_chain(folder: Path) -> None:
    """Create a root and a leaf. The key of the root is never stored, so no further leaf can be issued."""
    root_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    # Distinguishes this signer from others without telling anything about the person or the computer.
    suffix = secrets.token_hex(4)
    root_name = _name(f"dancenow self-made root {suffix}")
    root = _certificate(root_name, root_name, root_key, root_key, is_root=True)
    leaf = _certificate(_name(f"dancenow user {suffix}"), root_name, key, root_key, is_root=False)
    root_pem, leaf_pem = root.public_bytes(Encoding.PEM), leaf.public_bytes(Encoding.PEM)
    with complete_or_absent(folder) as temporary:
        temporary.mkdir(mode=0o700)
        (temporary / _ROOT).write_bytes(root_pem)
        (temporary / _CHAIN).write_bytes(leaf_pem + root_pem)
        descriptor = os.open(temporary / _KEY, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def _name(common: str) -> x509.Name:
    parts = [(NameOID.ORGANIZATION_NAME, "dancenow (self-made certificate)"), (NameOID.COMMON_NAME, common)]
    return x509.Name([x509.NameAttribute(oid, text) for oid, text in parts])


def _certificate(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    issuer_key: ec.EllipticCurvePrivateKey,
    *,
    is_root: bool,
) -> x509.Certificate:
    now = datetime.now(UTC)
    usage = x509.KeyUsage(
        digital_signature=not is_root, key_cert_sign=is_root, crl_sign=is_root, content_commitment=False,
        key_encipherment=False, data_encipherment=False, key_agreement=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    builder = (
        x509.CertificateBuilder(issuer, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=_VALID_DAYS))
        .add_extension(x509.BasicConstraints(ca=is_root, path_length=0 if is_root else None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
    )
    if not is_root:
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False)
    return builder.sign(issuer_key, hashes.SHA256())
