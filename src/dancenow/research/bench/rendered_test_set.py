"""The rendered test set of the benchmarks: each subject's footage, and other people's dances with their ground truth.

A clip is rendered once per machine and cached. The ground truth of a transfer is the same dance rendered on the subject's own
body in the subject's own room, which no camera can film.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Final

from dancenow.errors import InputError, UserError
from dancenow.media.sink import VideoWriter
from dancenow.media.source import probe, read_frames
from dancenow.progress import ProgressCallback, ignore_progress
from dancenow.provenance.consent import consent
from dancenow.research.studio.clip import Clip, render_clip
from dancenow.storage.atomic_io import cache_dir, sha256_of
from dancenow.subject.prepare import prepare
from dancenow.subject.subject import Subject
from dancenow.subject.subject_cache import subject_key

CLIPS: Final = "bench/clips"
"""Cache folder of the rendered clips."""
RECIPE: Final = 1
"""Raise it when the studio renders something else for the same settings: cached clips are then rendered again."""


@dataclass(frozen=True)
class ClipSpec:
    """Identity, dance, room, start in the dance, and duration."""

    identity: str
    dance: str
    room: str
    start_s: float
    seconds: float


@dataclass(frozen=True)
class SubjectCase:
    """One subject: its footage, and dances of other people with other bodies in another room."""

    footage: ClipSpec
    dances: tuple[ClipSpec, ...]

    @property
    def name(self) -> str:
        """Name of the subject."""
        return self.footage.identity

    def truth(self, dance: ClipSpec) -> ClipSpec:
        """The clip that a perfect transfer of `dance` would show."""
        return replace(dance, identity=self.footage.identity, room=self.footage.room)


@dataclass(frozen=True)
class VideoFormat:
    """Square frames of size_px, and frames per second."""

    size_px: int
    fps: int


@dataclass(frozen=True)
class RenderedTestSet:
    """The subjects and their video format."""

    video_format: VideoFormat
    cases: tuple[SubjectCase, ...]

    def clip_specs(self) -> Iterator[ClipSpec]:
        """Every clip to render."""
        for case in self.cases:
            yield case.footage
            for dance in case.dances:
                yield from (dance, case.truth(dance))

    def clip(self, spec: ClipSpec, on_progress: ProgressCallback = ignore_progress) -> Clip:
        """Return the rendered clip, from the cache if it exists.

        Raises:
            UserError: the studio's packages are missing, or the cache cannot be written to.
        """
        of = f"{spec.identity}-{spec.dance}-{spec.room}-{spec.start_s:g}s-{spec.seconds:g}s"
        path = cache_dir(CLIPS) / f"{of}-{self.video_format.size_px}px-{self.video_format.fps}fps-{RECIPE}.mp4"
        clip = Clip(path)
        if clip.background.is_file():  # the last file to be written
            return clip
        side, fps = self.video_format.size_px, Fraction(self.video_format.fps)
        return render_clip(
            spec.identity, spec.dance, spec.room, path, fps=fps, width_px=side, height_px=side,
            seconds=spec.seconds, start_s=spec.start_s, sound=False, on_progress=on_progress,
        )  # fmt: skip

    def subject(self, case: SubjectCase, on_progress: ProgressCallback = ignore_progress) -> Subject:
        """Return the prepared footage with its last tenth held out, from the cache if it is valid."""
        video = self.clip(case.footage, on_progress).video
        folder = cache_dir("bench/subjects") / f"{video.stem}-{subject_key([sha256_of(video)])}"
        try:
            return Subject.open(folder)
        except UserError:
            return prepare(video, folder, consent=consent("rendered"), hold_out=True, on_progress=on_progress)

    def held_out(self, subject: Subject) -> Path:
        """The held-out part of a subject's footage as a separate video."""
        path = subject.folder.parent / f"{subject.folder.name}-held-out.mp4"
        if path.is_file():
            return path
        frames = subject.manifest.in_split("val", subject.track.time_s).nonzero()[0]
        if not len(frames):
            raise InputError(f"{subject.video} is too short to hold out a part of it; test footage lasts 20 s or more.")
        info = probe(subject.video)
        with VideoWriter(path, info.width_px, info.height_px, fps=info.fps, crf=12) as writer:
            for frame in read_frames(subject.video, int(frames[0]), int(frames[-1]) + 1):
                writer.write(frame.image_rgb, frame.time_s)
        return path

    def build(self, on_progress: ProgressCallback = ignore_progress) -> None:
        """Render and prepare everything in advance, outside of any measurement."""
        for spec in self.clip_specs():
            self.clip(spec, on_progress)
        for case in self.cases:
            self.held_out(self.subject(case, on_progress))


def rendered_test_set(size_px: int, fps: int, dance_s: float, subjects: int = 3, dances: int = 2) -> RenderedTestSet:
    """The first subjects, each with dances of `dance_s` seconds; the footage lasts 20.25 s and shows another dance."""

    def create_case(
        identity: str, dance: str, room: str, start_s: float, others: tuple[tuple[str, str, str, float], ...]
    ) -> SubjectCase:
        dance_specs = tuple(ClipSpec(who, what, where, since_s, dance_s) for who, what, where, since_s in others[:dances])
        return SubjectCase(ClipSpec(identity, dance, room, start_s, 20.25), dance_specs)

    cases = (
        create_case("dov", "spark", "loft", 0.0, (("ada", "pulse", "bright", 3.0), ("fin", "drift", "bright", 4.0))),
        create_case("eve", "drift", "bright", 0.0, (("ben", "pulse", "loft", 3.0), ("fin", "spark", "loft", 2.0))),
        create_case("chi", "spark", "loft", 19.75, (("ben", "pulse", "bright", 3.0), ("ada", "drift", "bright", 4.0))),
    )
    return RenderedTestSet(VideoFormat(size_px, fps), cases[:subjects])


def with_singing_dance(test_set: RenderedTestSet, dance_s: float) -> RenderedTestSet:
    """Add one dance per subject with a singing source person."""
    singers = {"dov": ("fin", "bright"), "eve": ("ada", "loft"), "chi": ("ben", "bright")}

    def sung(case: SubjectCase) -> SubjectCase:
        who, where = singers[case.name]
        return replace(case, dances=(*case.dances, ClipSpec(who, "chorus", where, 1.0, dance_s)))

    return replace(test_set, cases=tuple(sung(case) for case in test_set.cases))
