"""Mark every generated video: an invisible watermark in its pixels and signed Content Credentials in its file.

The watermark names the model and survives re-encoding by platforms. The credentials hold all facts and survive copying.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import av
import av.error
import numpy as np

from dancenow.errors import ConsentError
from dancenow.media.alpha import change_color
from dancenow.media.source import VideoInput, VideoSource, open_video
from dancenow.progress import ProgressCallback, ignore_progress
from dancenow.provenance.consent import withdrawn_on
from dancenow.provenance.content_credentials import (
    SIGNED_TYPES,
    Credentials,
    DancerFacts,
    TransferFacts,
    VideoSigner,
    read_credentials,
)
from dancenow.provenance.watermark import (
    Payload,
    Watermarker,
    WatermarkReading,
    read_watermark,
    read_watermark_in_images,
    shrink_for_reading,
)
from dancenow.storage.atomic_io import sha256_of
from dancenow.storage.checkpoint import CheckpointInfo, read_info
from dancenow.storage.file_names import as_text
from dancenow.types import FloatArray, Frame, ImageRGB


@dataclass(frozen=True, eq=False)
class ContentMarker:
    """Marks one video: pass every frame to `mark`, in order, and `finish` to the `VideoWriter`. suffix: of its name."""

    mark: Callable[[ImageRGB], ImageRGB]
    signer: VideoSigner | None
    suffix: str = ".mp4"

    @classmethod
    def of(cls, models: Sequence[Path], source: VideoInput, out: Path = Path("out.mp4"), scene: tuple[Path, ...] = ()) -> Self:
        """Create the marker of a video that `models` generate from `source`, before the long work, so that errors come early.

        models: one for each dancer. out: the video; its name says whether it can hold Content Credentials. scene: files of the
        scene.

        Raises:
            UserError: as `require_consented`; a file cannot be read; the user's certificate cannot sign.
        """
        video, dancers = open_video(source), []
        for model in models:
            info = read_info(model)
            require_consented(info, model)
            dancers.append(DancerFacts(sha256_of(model), info.subject["source_sha256"], info.subject["consent_sha256"]))
        facts = TransferFacts.of(dancers, video.sha256, sha256_of(scene[0]) if scene else None)
        signer = VideoSigner.prepare(facts, video.path, scene[0] if scene else None)
        marker = Watermarker(Payload(facts.model_sha256[:4]))
        return cls(lambda image: change_color(image, marker.apply), signer, out.suffix.lower())

    @property
    def finish(self) -> Callable[[Path], None] | None:
        """Signs the finished file; None without the c2pa library, and for files that hold no Content Credentials."""
        return self.signer.sign if self.signer and self.suffix in SIGNED_TYPES else None

    @property
    def notes(self) -> tuple[str, ...]:
        """What is missing from the marks, known once the video is finished."""
        if self.suffix not in SIGNED_TYPES:
            kind = f"A {self.suffix} file" if self.suffix else "A folder of images"
            return (f"{kind} holds no Content Credentials: the watermark alone marks it as synthetic.",)
        if self.signer is None:
            return ("The c2pa library is not installed: the video has a watermark, but no Content Credentials.",)
        return (self.signer.problem,) if self.signer.problem else ()


def require_consented(info: CheckpointInfo, model: Path) -> None:
    """Check that the consent under which a model was trained is still valid.

    Raises:
        UserError: the model carries no consent, or that consent was withdrawn.
    """
    consent_sha256, source_sha256 = info.subject.get("consent_sha256"), info.subject.get("source_sha256", "")
    if consent_sha256 is None:
        raise ConsentError(
            f"the model {model} carries no consent of the person it shows; train it again from a subject with consent."
        )
    when = withdrawn_on(consent_sha256, source_sha256)
    if when is not None:
        raise ConsentError(f"the consent of the person in the model {model} was withdrawn on {when}; remove the model.")


@dataclass(frozen=True)
class FileTags:
    """Text tags of a file. writer: the program that wrote the file last. comment: as it is."""

    writer: str | None = None
    comment: str | None = None

    @classmethod
    def read(cls, path: Path) -> Self:
        """Of a video; without tags, or where they cannot be read, all are None."""
        try:
            with av.open(f"file:{path}", "r", metadata_errors="ignore") as container:
                tags = {name.lower(): as_text(value) for name, value in container.metadata.items()}
        except (OSError, av.error.FFmpegError):
            return cls()
        return cls(tags.get("encoder"), tags.get("comment"))

    @property
    def says_synthetic(self) -> bool:
        """Whether the comment says that the video is synthetic."""
        return "synthetic" in (self.comment or "").lower()

    def sentence(self) -> str:
        """What the tags of a video without credentials tell, after a space; empty without tags."""
        writer = f" The file was last written by {self.writer}." if self.writer else ""
        return writer + (" Its comment still says that it is synthetic." if self.says_synthetic else "")


@dataclass(frozen=True)
class ProvenanceReport:
    """Provenance of a video: its Content Credentials, the watermark in its pixels, and the tags of the file, which anybody can
    change."""

    video: Path
    credentials: Credentials
    watermark: WatermarkReading
    tags: FileTags = FileTags()

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON values."""
        return {"video": str(self.video), "credentials": self.credentials.to_json(), "watermark": asdict(self.watermark),
                "tags": asdict(self.tags)}  # fmt: skip

    def sentences(self) -> tuple[str, ...]:
        """Return one sentence on the credentials and one on the watermark."""
        mark, facts = self.watermark.payload, self.credentials.facts or {}
        if mark is None:
            return (
                f"Content Credentials: {self.credentials.sentence()}",
                f"Watermark: none found.{self.tags.sentence() if self.tags.says_synthetic else ''}",
            )
        count = len(facts.get("dancers", ()))
        of_what = f"the SHA-256 of {count} dancers' models" if count else "its SHA-256"
        text = f"Watermark: made by dancenow with the model {mark.model} (the first digits of {of_what})."
        model = str(facts.get("model_sha256", mark.model))
        if not model.startswith(mark.model):
            text += f" The credentials name another model, {model[:4]}: the images and the credentials do not belong together."
        elif self.credentials.state == "none":
            text += " Its credentials are missing: removed, or lost when it was cut, copied into another file or encoded again."
            text += self.tags.sentence()
        return (f"Content Credentials: {self.credentials.sentence()}", text)


class SyntheticFootageCheck:
    """Finds Content Credentials or our watermark that say that footage was generated; `VideoSource.feed` gives the frames."""

    def __init__(self, source: VideoSource, num_frames: int) -> None:
        self._source = source
        self.indices: Collection[int] = np.unique(np.linspace(0, max(0, num_frames - 1), 32).round().astype(int)).tolist()
        self._images: list[FloatArray] = []

    def take(self, frame: Frame) -> None:
        """Keep a small copy of a frame."""
        self._images.append(shrink_for_reading(frame.image_rgb))

    def warnings(self) -> Iterator[str]:
        """One sentence if the footage says that it is synthetic, once all frames were taken."""
        credentials = read_credentials(self._source.path)
        payload = read_watermark_in_images(self._images, may_be_cropped=False).payload
        if credentials.synthetic:
            proof = "its Content Credentials say so" + (f", made with {credentials.tool}" if credentials.tool else "")
        elif payload is not None:
            proof = f"it carries the watermark of dancenow and of the model {payload.model}"
        else:
            return
        yield (
            f"the footage is synthetic ({proof}): a model learns the errors of the one that generated it, and the person's"
            " consent must cover this use; use original footage."
        )


def read_provenance(video: VideoInput, on_progress: ProgressCallback = ignore_progress) -> ProvenanceReport:
    """Read and verify the credentials of a video, then read its watermark.

    Raises:
        UserError: the video cannot be read.
    """
    source = open_video(video)
    return ProvenanceReport(
        source.path, read_credentials(source.path), read_watermark(source, on_progress), FileTags.read(source.path)
    )
