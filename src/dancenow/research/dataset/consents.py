"""Consent of the people in a dataset: the record of each filmed subject, and whether it is valid on this computer."""

from dancenow.errors import ConsentError
from dancenow.provenance.consent import Consent, require_consent
from dancenow.research.dataset.index import Dataset, Entry


def consent_of(entry: Entry) -> Consent | None:
    """Return the consent record of a subject; None if it has none.

    Raises:
        UserError: the record is damaged.
    """
    record = entry.info.get("consent")
    try:
        return None if record is None else Consent.from_json(record)
    except (ValueError, TypeError, AttributeError) as error:
        raise ConsentError(f"the consent record of {entry.key} is damaged ({error}); get the dataset again.") from error


def require_usable(dataset: Dataset, entry: Entry) -> None:
    """Raise UserError for a subject with missing or withdrawn consent; rendered people need none."""
    if dataset.kind == "subjects":
        folder, source_sha256 = entry.info["folder"], str(entry.info["source_sha256"])
        require_consent(consent_of(entry), source_sha256, f"the subject {entry.key}", f"dancenow consent {folder}")
