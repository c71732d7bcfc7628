"""A transfer in two steps, which several processes can share: all that is known before the first frame, then the frames.

    open_transfer ──► OpenedTransfer ──► plan ──► PlannedTransfer ──► images(start, stop) ──► write
    (files, model, marks: what can be wrong is said)   (poses on the target's body, faces)

The images of a range of frames are the same whatever range they are rendered in, so parts that several processes rendered join
without a seam.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from dancenow.execution import Execution
from dancenow.face.refinement import FaceMode, FaceRefiner
from dancenow.freed_memory import release_freed_memory
from dancenow.generators.performer import Cast, Performer, label_by_person, require_group
from dancenow.media.integrity import require_complete
from dancenow.media.source import VideoSource
from dancenow.pose.retargeting.kept_half import KeptHalf
from dancenow.pose.retargeting.registry import RetargetingKind
from dancenow.prefetch import prefetch
from dancenow.progress import ProgressCallback, warn_each
from dancenow.provenance.content_marking import ContentMarker
from dancenow.rendering.planned_dance import Part, PlannedDance, plan_dances
from dancenow.rendering.renderer import Dancer, render_dancers
from dancenow.rendering.scene_choice import SceneChoice
from dancenow.rendering.scenes import open_scene
from dancenow.rendering.transfer_video import require_frame_range, write_transfer
from dancenow.rendering.transfer_warnings import transfer_warnings
from dancenow.subject.target_view import CameraMode
from dancenow.types import ImageRGB, PoseTrack, TransferResult


@dataclass(frozen=True)
class TransferOptions:
    """How a dance is transferred; each as `pipeline.transfer` says."""

    normalize: RetargetingKind = "auto"
    face: FaceMode = "auto"
    camera: CameraMode = "still"
    scene: str = "target"
    keep: KeptHalf = "none"


@dataclass(frozen=True, eq=False)
class OpenedTransfer:
    """What is read and checked before the source's poses are detected. notes: what the user should know, one sentence each."""

    source: VideoSource
    out: Path
    options: TransferOptions
    execution: Execution
    scene: SceneChoice
    performers: Cast[Performer]
    marker: ContentMarker
    notes: tuple[str, ...]

    def plan(
        self,
        tracks: Cast[PoseTrack],
        on_progress: ProgressCallback,
        others: Mapping[int, PoseTrack] = MappingProxyType({}),
    ) -> "PlannedTransfer":
        """Retarget the dances and find their faces. tracks: as `detect_poses` gives them for everyone who is danced. others: of
        those who stay in the scene, by number.

        Raises:
            UserError: the source cannot be read, or a network is missing.
        """
        options = self.options
        parts = [Part(number, tracks[number], each.renderer.target) for number, each in self.performers.items()]
        dances, remarks = plan_dances(
            self.source, parts, options.normalize, options.keep, options.camera, self.scene, on_progress, others
        )
        refiners, told = list[FaceRefiner | None](), dict[int | None, Sequence[str]]()
        for part, dance in zip(parts, dances, strict=True):
            face, shown = self.performers[part.person].face, dance.shown_track
            refiners.append(
                FaceRefiner.from_tracks(face, part.track, shown, self.source, dance.view, self.execution, on_progress)
            )
            told[part.person] = transfer_warnings(self.source, part.person, part.track, shown, part.target)
        return PlannedTransfer(self, tuple(dances), tuple(refiners), (*self.notes, *label_by_person(told), *remarks))


@dataclass(frozen=True, eq=False)
class PlannedTransfer:
    """Dances that are ready to be rendered, in any part; one dance and refiner for each performer."""

    opened: OpenedTransfer
    dances: tuple[PlannedDance, ...]
    refiners: tuple[FaceRefiner | None, ...]
    notes: tuple[str, ...]

    @property
    def num_frames(self) -> int:
        """Of the whole dance."""
        return len(self.dances[0].shown_track)

    @contextmanager
    def images(self, start: int, stop: int) -> Iterator[Iterator[ImageRGB]]:
        """Inside it, the frames [start, stop) one by one, with refined faces and without marks: uint8 [H,W,3], or [H,W,4] with
        alpha."""
        release_freed_memory()
        with ExitStack() as stack:
            entered = stack.enter_context
            retouches = [None if each is None else entered(each.frame_by_frame(start, stop)) for each in self.refiners]
            dancers = [
                Dancer(performer.renderer, dance.view, dance.world_track, retouch)
                for performer, dance, retouch in zip(self.opened.performers.values(), self.dances, retouches, strict=True)
            ]
            yield stack.enter_context(prefetch(render_dancers(dancers, start, stop)))

    def write(self, images: Iterator[ImageRGB], start: int, stop: int, on_progress: ProgressCallback) -> TransferResult:
        """Write the images of the frames [start, stop), marked as synthetic, with the timing and sound of the source.

        Raises:
            UserError: the file cannot be written.
        """
        opened, first = self.opened, self.dances[0].shown_track
        lost = write_transfer(opened.out, images, first, start, stop, opened.source, opened.marker, on_progress)
        people = tuple(opened.performers)
        told = {
            n: () if each is None else tuple(each.notes(start, stop)) for n, each in zip(people, self.refiners, strict=True)
        }
        fitted = label_by_person({n: [dance.normalization] for n, dance in zip(people, self.dances, strict=True)})
        notes = (*self.notes, *label_by_person(told), *opened.marker.notes, *lost)
        shown = tuple(dance.shown_track.part(start, stop) for dance in self.dances)
        return TransferResult(opened.out, stop - start, "; ".join(fitted), notes, shown)


def open_transfer(
    source: VideoSource,
    cast: Cast[Path],
    out: Path,
    options: TransferOptions,
    frames: tuple[int, int | None],
    execution: Execution,
    warn: Callable[[str], None],
    on_progress: ProgressCallback,
) -> OpenedTransfer:
    """Open everything that a transfer reads, and check what can be wrong with it. cast: the model of everyone who is danced.
    frames: the wanted part.

    Raises:
        UserError: as `pipeline.transfer`.
    """
    scene = open_scene(options.scene, options.camera, out, None, source.path, *cast.values())
    require_frame_range(frames, source.info.num_frames)
    require_complete(source, on_progress)
    performers = {number: Performer.load(model, options.face, source, execution) for number, model in cast.items()}
    unfinished = warn_each(require_group(list(performers.values()), scene), warn)
    marker = ContentMarker.of(list(cast.values()), source, out, scene.files)
    return OpenedTransfer(source, out, options, execution, scene, performers, marker, tuple(unfinished))
