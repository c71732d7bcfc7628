"""Who is in a video, and on what terms it may be learnt from: the record, where it comes from, and its withdrawal.

A record is kept in the subject's manifest, and its hash in every model that is trained from it. Footage that was withdrawn
stands on a list in the user's data folder for good, with the records that were given for it afterwards: only these count.
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
    """Somebody's agreement that a model of them be trained.

    kind: `self`, who filmed themselves; `rendered`, nobody real; `licensed`, somebody else's terms. person: who is in the
    video. scope: what they agreed to. date: when, YYYY-MM-DD. licence: SPDX expression (CC licences are among them), needed
    for `licensed` unless there is a document. document_sha256: of the signed paper. withdrawn: when it was, or None. number:
    random, so that what is given again after a withdrawal is another record than what was withdrawn.
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
            raise ConsentError(f"there is no consent of the kind {self.kind!r}; say {', '.join(KINDS)}.")
        if not self.person.strip():
            raise ConsentError("a consent needs the name of the person in the video; give it with --person-name.")
        if self.kind == "licensed" and self.licence is None and self.document_sha256 is None:
            raise ConsentError("a licensed video needs its licence; give it with --licence, for example CC-BY-4.0.")
        if _day(self.date).isoformat() != self.date:
            raise ConsentError(f"{self.date!r} is not a date; write it as 2026-03-31.")

    @property
    def sha256(self) -> str:
        """Of the record as it was given: withdrawing it does not change it."""
        fields = {name: value for name, value in asdict(self).items() if name != "withdrawn"}
        return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()

    def has_terms_of(self, other: "Consent") -> bool:
        """Whether both say the same, whenever each was given."""
        terms = ("kind", "person", "scope", "licence", "document_sha256")
        return all(getattr(self, name) == getattr(other, name) for name in terms)

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Self:
        """The inverse of `dataclasses.asdict`. Raises TypeError or ValueError for anything else."""
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
    """The record that flags and answers make; `self` and `rendered` need nothing else.

    given: YYYY-MM-DD, today by default. document: the signed paper, of which name and hash are kept.

    Raises:
        UserError: a kind, licence or date that there is not, or something needed that is missing.
    """
    if kind not in KINDS:
        raise ConsentError(f"there is no consent of the kind {kind!r}; say {', '.join(KINDS)}.")
    return Consent(
        kind=kind,  # type: ignore[arg-type]  # it was looked up above
        person=person or _NAMES.get(kind, ""),
        scope=scope or _SCOPES[kind],
        date=_past(given),
        licence=None if licence is None else licence_id(licence),
        document=None if document is None else document.name,
        document_sha256=None if document is None else _document_sha256(document),
    )


def read_consent(path: Path) -> Consent:
    """The record in a JSON or TOML file with `kind`, `person`, and as needed `scope`, `date`, `licence` and `document`.

    `document` names a file, such as the signed paper, from the folder of the record; its hash is kept, not the file.

    Raises:
        UserError: the file or the document cannot be read, or says something that a consent cannot.
    """
    path = Path(path)
    try:
        text = path.read_text("utf-8")
        fields = tomllib.loads(text) if path.suffix.lower() == ".toml" else json.loads(text)
    except OSError as error:
        raise ConsentError(f"the consent file {path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise ConsentError(f"the consent file {path} is neither JSON nor TOML that can be read ({error}).") from error
    known = ("kind", "person", "scope", "date", "licence", "document")
    if not isinstance(fields, dict) or (strange := sorted(set(fields) - set(known))):
        said = f"{strange[0]!r}" if isinstance(fields, dict) else "no fields"
        raise ConsentError(f"the consent file {path} holds {said}; it may hold {', '.join(known)}.")
    told = {name: value.isoformat() if isinstance(value, date) else value for name, value in fields.items()}
    if wrong := [name for name, value in told.items() if not isinstance(value, str)]:
        raise ConsentError(f"{wrong[0]} in the consent file {path} must be text.")
    kind, licence, document = told.get("kind", "licensed"), told.get("licence"), told.get("document")
    return Consent(
        kind=kind,  # type: ignore[arg-type]  # Consent says it if there is no such kind
        person=told.get("person") or _NAMES.get(kind, ""),
        scope=told.get("scope") or _SCOPES.get(kind, ""),
        date=_past(told.get("date")),
        licence=None if licence is None else licence_id(licence),
        document=document and Path(document).name,
        document_sha256=None if document is None else _document_sha256(path.parent / document),
    )


def licence_id(text: str) -> str:
    """The licence as SPDX writes it.

    Raises:
        UserError: SPDX has none of that name, or it forbids changed versions, which every transfer is.
    """
    try:
        known = str(canonicalize_license_expression(text))
    except InvalidLicenseExpression as error:
        raise ConsentError(
            f"{text!r} is not a licence that SPDX knows; give an identifier such as CC0-1.0, CC-BY-4.0 or LicenseRef-Ours."
        ) from error
    if "-ND-" in known:
        raise ConsentError(f"{known} forbids changed versions, and a transfer is one; take other footage or ask for consent.")
    return known


def require_consent(record: Consent | None, source_sha256: str, what: str, how: str) -> Consent:
    """The record, if it stands. what: "the subject me/"; how: the command that takes the options of a record.

    Raises:
        UserError: there is none, or it was withdrawn.
    """
    if record is None:
        raise ConsentError(
            f"{what} has no consent on record; add it with `{how} --consent self` if it shows yourself, `--consent rendered` if"
            " nobody real, else `--consent-file FILE`."
        )
    when = record.withdrawn or withdrawn_on(record.sha256, source_sha256)
    if when is not None:
        raise ConsentError(
            f"the consent of {record.person} to {what} was withdrawn on {when}; remove it, and take other footage."
        )
    return record


def withdraw(source_sha256: str) -> str:
    """Put the footage on the list: no record that was given for it until now counts any more. The day, YYYY-MM-DD, comes back.

    Raises:
        UserError: the list cannot be read or written.
    """
    entries = _withdrawn()
    entries[source_sha256] = {"withdrawn": _today(), "given_since": []}
    _write(entries)
    return _today()


def grant(record: Consent, source_sha256: str) -> None:
    """Let a new record count for footage that was withdrawn; models trained under earlier ones stay refused.

    Raises:
        UserError: the list cannot be read or written.
    """
    entries = _withdrawn()
    entry = entries.get(source_sha256)
    if entry is not None and record.sha256 not in entry["given_since"]:
        entry["given_since"].append(record.sha256)
        _write(entries)


def withdrawn_on(consent_sha256: str, source_sha256: str) -> str | None:
    """The day on which consent to this footage was withdrawn, or None if this record came later or there was no such day.

    Raises:
        UserError: the list is damaged.
    """
    entry = _withdrawn().get(source_sha256)
    return None if entry is None or consent_sha256 in entry["given_since"] else str(entry["withdrawn"])


def _withdrawn() -> dict[str, dict[str, Any]]:
    path = data_dir("withdrawn.json")
    try:
        entries = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise ConsentError(
            f"the list of withdrawn consents {path} cannot be read; restore it, or remove it to start anew."
        ) from error
    if not isinstance(entries, dict) or not all(map(_is_entry, entries.values())):
        raise ConsentError(f"the list of withdrawn consents {path} is damaged; restore it, or remove it to start anew.")
    return entries


def _is_entry(value: object) -> bool:
    if not isinstance(value, dict) or set(value) != {"withdrawn", "given_since"}:
        return False
    return isinstance(value["withdrawn"], str) and isinstance(value["given_since"], list)


def _write(entries: Mapping[str, Mapping[str, Any]]) -> None:
    with complete_or_absent(data_dir("withdrawn.json")) as temporary:
        temporary.write_text(json.dumps(entries, indent=1) + "\n", "utf-8")


def _document_sha256(path: Path) -> str:
    try:
        return sha256_of(path)
    except OSError as error:
        raise ConsentError(f"the document of the consent, {path}, cannot be read: {error.strerror}.") from error


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise ConsentError(f"{text!r} is not a date; write it as 2026-03-31.") from error


def _past(text: str | None) -> str:
    """The day on which a record is given, by default today; looked at here, and not when it is read in another zone."""
    if text is not None and _day(text) > datetime.now(UTC).astimezone().date():
        raise ConsentError(f"a consent of {text} lies in the future; give the day on which it was given.")
    return text or _today()


def _today() -> str:
    return datetime.now(UTC).astimezone().date().isoformat()
