"""What every generated video carries: the invisible mark in its pixels, and signed Content Credentials in its file.

The mark says which model, and survives what platforms do to videos; the credentials say everything, and survive copying.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from dancenow.checkpoint import CheckpointInfo, read_info
from dancenow.consent import withdrawn_on
from dancenow.errors import UserError
from dancenow.files import sha256_of
from dancenow.provenance import Facts, VideoSigner
from dancenow.types import ImageRGB
from dancenow.watermark import Payload, Watermarker


@dataclass(frozen=True, eq=False)
class Marking:
    """The marks of one video: hand every frame to `mark`, in order, and `finish` to the `VideoWriter`."""

    mark: Callable[[ImageRGB], ImageRGB]
    finish: Callable[[Path], None] | None
    notes: tuple[str, ...]

    @classmethod
    def of(cls, model: Path, source: Path) -> Self:
        """Of a video that `model` makes from `source`; made before the long work, which it would be a pity to lose.

        Raises:
            UserError: as `require_consented`; a file cannot be read, or the user's certificate cannot sign.
        """
        info = read_info(model)
        require_consented(info, model)
        subject, model_sha256 = info.subject, sha256_of(model)
        facts = Facts(model_sha256, sha256_of(source), subject["source_sha256"], subject["consent_sha256"])
        signer = VideoSigner.prepare(facts, source)
        marker = Watermarker(Payload(model_sha256[:4]))
        notes = () if signer else ("There is no c2pa library here: the video carries its mark, but no Content Credentials.",)
        return cls(marker.apply, signer.sign if signer else None, notes)


def require_consented(info: CheckpointInfo, model: Path) -> None:
    """A model may be used as long as the consent stands that it was trained under.

    Raises:
        UserError: the model carries no consent, or that consent was withdrawn.
    """
    consent_sha256, source_sha256 = info.subject.get("consent_sha256"), info.subject.get("source_sha256", "")
    if consent_sha256 is None:
        raise UserError(f"the model {model} carries no consent of the person it shows; train it again from a subject with one.")
    when = withdrawn_on(consent_sha256, source_sha256)
    if when is not None:
        raise UserError(f"the consent of the person in the model {model} was withdrawn on {when}; remove the model.")
