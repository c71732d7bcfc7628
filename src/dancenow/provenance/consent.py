"""Consent of the person in a video to training: create, read and check a record, and withdraw it.

The record is stored in the manifest of the subject, and its hash in every model trained from it. Withdrawn footage stays on a
list in the user's data folder, with the records given after the withdrawal; only these are valid.
"""

import hashlib
import json
import secrets
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final, Literal, Self, get_args

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

from dancenow.errors import ConsentError, UserError
from dancenow.storage.atomic_io import complete_or_absent, data_dir, sha256_of
from dancenow.storage.file_names import as_text

Kind = Literal["self", "rendered", "licensed"]
KINDS: Final[tuple[str, ...]] = get_args(Kind)
_SCOPES: Final = {
    "self": "the person in the video uses it themselves",
    "rendered": "nobody real is in the video",
    "licensed": "whatever the licence allows",
}
_NAMES: Final = {"self": "the user", "rendered": "nobody real"}


@dataclass(frozen=True)
class Consent:
    """Consent of a person to the training of a model of them.

    kind: `self` (the user), `rendered` (nobody real) or `licensed` (another person, under a license). person: who is in the
    video. scope: what they agreed to. date: YYYY-MM-DD. licence: SPDX expression (includes the CC licenses), required for
    `licensed` without a document. document_sha256: of the signed document. withdrawn: date of withdrawal, or None. number:
    random, so that a record given after a withdrawal differs from the withdrawn one.
    """

    kind: Kind
    person: str
    scope: str
    date: str
    licence: str | None = None
    document: str | None = None
    document_sha256: str | None = None
    withdrawn: str | None = None
    number: str = field(default_factory=lambda: secrets.token_hex(8))

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ConsentError(f"unknown kind of consent {self.kind!r}; choose {', '.join(KINDS)}.")
        if not self.person.strip():
            raise ConsentError("the consent needs the name of the person in the video; give it with --person-name.")
        if any(isinstance(value, str) and as_text(value) != value for value in vars(self).values()):
            raise ConsentError("the consent holds a character that is no valid Unicode; write it in UTF-8.")
        if self.kind == "licensed" and self.licence is None and self.document_sha256 is None:
            raise ConsentError("a licensed video needs its license; give it with --licence, for example CC-BY-4.0.")
        if _parse_date(self.date).isoformat() != self.date:
            raise ConsentError(f"{self.date!r} is not a date; write it as 2026-03-31.")

    @property
    def sha256(self) -> str:
        """Hash of the record as given; a withdrawal does not change it."""
        fields = {name: value for name, value in asdict(self).items() if name != "withdrawn"}
        return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()

    def sentence(self) -> str:
        """What is agreed, in one line without a full stop."""
        parts = (f"{self.kind}: {self.person}", self.scope, self.date, self.licence, self.document)
        return "; ".join(part for part in parts if part) + (f"; WITHDRAWN on {self.withdrawn}" if self.withdrawn else "")

    def has_terms_of(self, other: "Consent") -> bool:
        """Return whether both have the same terms, regardless of date and number."""
        terms = ("kind", "person", "scope", "licence", "document_sha256")
        return all(getattr(self, name) == getattr(other, name) for name in terms)

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Self:
        """Invert `dataclasses.asdict`. Raises TypeError or ValueError for invalid fields."""
        if not all(value is None or isinstance(value, str) for value in fields.values()):
            raise ValueError("the consent's fields must be text")
        if "number" not in fields:
            raise ValueError("the consent has no number")
        try:
            return cls(**fields)
        except UserError as error:
            raise ValueError(str(error)) from error


def consent(
    kind: str,
    *,
    person: str | None = None,
    licence: str | None = None,
    scope: str | None = None,
    given: str | None = None,
    document: Path | None = None,
) -> Consent:
    """Create a consent record; `self` and `rendered` need no other arguments.

    given: YYYY-MM-DD, today by default. document: the signed document, of which name and hash are stored.

    Raises:
        UserError: unknown kind, license or date, or a required field is missing.
    """
    if kind not in KINDS:
        raise ConsentError(f"unknown kind of consent {kind!r}; choose {', '.join(KINDS)}.")
    return Consent(
        kind=kind,  # type: ignore[arg-type]  # checked above
        person=person or _NAMES.get(kind, ""),
        scope=scope or _SCOPES[kind],
        date=_parse_given_date(given),
        licence=None if licence is None else licence_id(licence),
        document=None if document is None else document.name,
        document_sha256=None if document is None else _document_sha256(document),
    )


def read_consent(path: Path) -> Consent:
    """Read a record from a JSON or TOML file with `kind`, `person`, and optionally `scope`, `date`, `licence` and `document`.

    `document` is the path of the signed document relative to the file; its hash is stored, not the document.

    Raises:
        UserError: the file or the document cannot be read, or a field is invalid.
    """
    path = Path(path)
    try:
        text = path.read_text("utf-8")
        fields = tomllib.loads(text) if path.suffix.lower() == ".toml" else json.loads(text)
    except OSError as error:
        raise ConsentError(f"the consent file {path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise ConsentError(f"the consent file {path} is neither valid JSON nor valid TOML ({error}).") from error
    known = ("kind", "person", "scope", "date", "licence", "document")
    if not isinstance(fields, dict) or (unknown := sorted(set(fields) - set(known))):
        content = f"the unknown field {unknown[0]!r}" if isinstance(fields, dict) else "no fields"
        raise ConsentError(f"the consent file {path} holds {content}; it may hold {', '.join(known)}.")
    values = {name: value.isoformat() if isinstance(value, date) else value for name, value in fields.items()}
    if wrong := [name for name, value in values.items() if not isinstance(value, str)]:
        raise ConsentError(f"{wrong[0]} in the consent file {path} must be text.")
    kind, licence, document = values.get("kind", "licensed"), values.get("licence"), values.get("document")
    return Consent(
        kind=kind,  # type: ignore[arg-type]  # Consent checks it
        person=values.get("person") or _NAMES.get(kind, ""),
        scope=values.get("scope") or _SCOPES.get(kind, ""),
        date=_parse_given_date(values.get("date")),
        licence=None if licence is None else licence_id(licence),
        document=document and Path(document).name,
        document_sha256=None if document is None else _document_sha256(path.parent / document),
    )


def licence_id(text: str) -> str:
    """Return a license in canonical SPDX form.

    Raises:
        UserError: unknown to SPDX, or it forbids derivatives, which every transfer is.
    """
    try:
        known = str(canonicalize_license_expression(text))
    except InvalidLicenseExpression as error:
        raise ConsentError(
            f"{text!r} is not an SPDX license; give an identifier such as CC0-1.0, CC-BY-4.0 or LicenseRef-Ours."
        ) from error
    if "-ND-" in known:
        raise ConsentError(f"{known} forbids derivatives, and a transfer is one; use other footage or ask for consent.")
    return known


def require_consent(record: Consent | None, source_sha256: str, what: str, how: str) -> Consent:
    """Return the record if it is valid. what: for example "the subject me/"; how: the command that records a consent.

    Raises:
        UserError: there is no record, or it was withdrawn.
    """
    if record is None:
        raise ConsentError(
            f"{what} has no consent on record; add it with `{how} --consent self` if it shows you, `--consent rendered` if"
            " it shows nobody real, else `--consent-file FILE`."
        )
    when = record.withdrawn or withdrawn_on(record.sha256, source_sha256)
    if when is not None:
        raise ConsentError(
            f"the consent of {record.person} to {what} was withdrawn on {when}; remove it and use other footage."
        )
    return record


def withdraw(source_sha256: str) -> str:
    """Invalidate all records given for the footage so far, and return the date, YYYY-MM-DD.

    Raises:
        UserError: the list cannot be read or written.
    """
    entries = _read_withdrawals()
    entries[source_sha256] = {"withdrawn": _today(), "given_since": []}
    _write_withdrawals(entries)
    return _today()


def grant(record: Consent, source_sha256: str) -> None:
    """Accept a new record for withdrawn footage; models trained under earlier records stay refused.

    Raises:
        UserError: the list cannot be read or written.
    """
    entries = _read_withdrawals()
    entry = entries.get(source_sha256)
    if entry is not None and record.sha256 not in entry["given_since"]:
        entry["given_since"].append(record.sha256)
        _write_withdrawals(entries)


def withdrawn_on(consent_sha256: str, source_sha256: str) -> str | None:
    """Return the date on which consent to the footage was withdrawn; None if it was not, or if this record is newer.

    Raises:
        UserError: the list is damaged.
    """
    entry = _read_withdrawals().get(source_sha256)
    return None if entry is None or consent_sha256 in entry["given_since"] else str(entry["withdrawn"])


def _read_withdrawals() -> dict[str, dict[str, Any]]:
    path = data_dir("withdrawn.json")
    try:
        entries = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise ConsentError(
            f"the list of withdrawn consents {path} cannot be read; restore it, or remove it to start an empty one."
        ) from error
    if not isinstance(entries, dict) or not all(map(_is_withdrawal, entries.values())):
        raise ConsentError(f"the list of withdrawn consents {path} is damaged; restore it, or remove it to start an empty one.")
    return entries


def _is_withdrawal(value: object) -> bool:
    if not isinstance(value, dict) or set(value) != {"withdrawn", "given_since"}:
        return False
    return isinstance(value["withdrawn"], str) and isinstance(value["given_since"], list)


def _write_withdrawals(entries: Mapping[str, Mapping[str, Any]]) -> None:
    with complete_or_absent(data_dir("withdrawn.json")) as temporary:
        temporary.write_text(json.dumps(entries, indent=1) + "\n", "utf-8")


def _document_sha256(path: Path) -> str:
    try:
        return sha256_of(path)
    except OSError as error:
        raise ConsentError(f"the document of the consent, {path}, cannot be read: {error.strerror}.") from error


def _parse_date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise ConsentError(f"{text!r} is not a date; write it as 2026-03-31.") from error


def _parse_given_date(text: str | None) -> str:
    """Return the date on which a record is given, by default today; checked only here, because time zones differ."""
    if text is not None and _parse_date(text) > datetime.now(UTC).astimezone().date():
        raise ConsentError(f"the consent date {text} is in the future; give the date of the consent.")
    return text or _today()


def _today() -> str:
    return datetime.now(UTC).astimezone().date().isoformat()
