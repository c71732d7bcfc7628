"""What every generated video carries: the invisible mark in its pixels, and signed Content Credentials in its file.

The mark says which model, and survives what platforms do to videos; the credentials say everything, and survive copying.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from dancenow.errors import ConsentError
from dancenow.media.source import VideoInput, open_video, probe
from dancenow.progress import ProgressCallback, ignore_progress
from dancenow.provenance.consent import withdrawn_on
from dancenow.provenance.content_credentials import Credentials, Facts, VideoSigner, read_credentials
from dancenow.provenance.watermark import Payload, Reading, Watermarker, read_watermark
from dancenow.storage.atomic_io import sha256_of
from dancenow.storage.checkpoint import CheckpointInfo, read_info
from dancenow.types import ImageRGB


@dataclass(frozen=True, eq=False)
class ContentMarker:
    """The marks of one video: hand every frame to `mark`, in order, and `finish` to the `VideoWriter`."""

    mark: Callable[[ImageRGB], ImageRGB]
    finish: Callable[[Path], None] | None
    notes: tuple[str, ...]

    @classmethod
    def of(cls, model: Path, source: VideoInput) -> Self:
        """Of a video that `model` makes from `source`; made before the long work, which it would be a pity to lose.

        Raises:
            UserError: as `require_consented`; a file cannot be read, or the user's certificate cannot sign.
        """
        info, video = read_info(model), open_video(source)
        require_consented(info, model)
        subject, model_sha256 = info.subject, sha256_of(model)
        facts = Facts(model_sha256, video.sha256, subject["source_sha256"], subject["consent_sha256"])
        signer = VideoSigner.prepare(facts, video.path)
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
        raise ConsentError(
            f"the model {model} carries no consent of the person it shows; train it again from a subject with one."
        )
    when = withdrawn_on(consent_sha256, source_sha256)
    if when is not None:
        raise ConsentError(f"the consent of the person in the model {model} was withdrawn on {when}; remove the model.")


@dataclass(frozen=True)
class ProvenanceMarks:
    """What a video says of its origin: its Content Credentials, and the mark in its pixels."""

    video: Path
    credentials: Credentials
    watermark: Reading

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"video": str(self.video), "credentials": self.credentials.to_json(), "watermark": asdict(self.watermark)}

    def sentences(self) -> tuple[str, ...]:
        """The findings for a person, one each."""
        mark, facts = self.watermark.payload, self.credentials.facts or {}
        if mark is None:
            return (f"Content Credentials: {self.credentials.sentence()}", "Watermark: none found.")
        said = f"Watermark: made by dancenow with the model {mark.model} (the first digits of its SHA-256)."
        model = str(facts.get("model_sha256", mark.model))
        if not model.startswith(mark.model):
            said += f" The credentials name another model, {model[:4]}: pictures and credentials do not belong together."
        elif self.credentials.state == "none":
            said += " Its credentials were removed, or lost when it was encoded again."
        return (f"Content Credentials: {self.credentials.sentence()}", said)


def read_marks(video: Path, on_progress: ProgressCallback = ignore_progress) -> ProvenanceMarks:
    """Read the credentials of a video and verify them, then look for the mark.

    Raises:
        UserError: the video cannot be read.
    """
    probe(video)
    return ProvenanceMarks(Path(video), read_credentials(video), read_watermark(video, on_progress))
