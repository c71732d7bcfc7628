"""A transfer in two steps, which several processes can share: all that is known before the first frame, then the frames.

    open_transfer ──► OpenedTransfer ──► plan ──► PlannedTransfer ──► images(start, stop) ──► write
    (files, model, marks: what can be wrong is said)   (poses on the target's body, faces)

The images of a range of frames are the same whatever range they are rendered in, so parts that several processes rendered join
without a seam.
"""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from dancenow.execution import Execution
from dancenow.face.refinement import FaceMode, FaceModel, FaceRefiner, select_face_model
from dancenow.generators.registry import family_of_model, load_model, renderer_of
from dancenow.media.integrity import require_complete
from dancenow.media.source import VideoSource
from dancenow.pose.retargeting.registry import RetargetingKind
from dancenow.prefetch import prefetch
from dancenow.progress import ProgressCallback, warn_each
from dancenow.provenance.content_marking import ContentMarker
from dancenow.rendering.planned_dance import PlannedDance, plan_dance
from dancenow.rendering.renderer import Renderer, render_video
from dancenow.rendering.scene_choice import SceneChoice
from dancenow.rendering.scenes import open_scene
from dancenow.rendering.transfer_video import require_frame_range, write_transfer
from dancenow.rendering.transfer_warnings import model_warnings, transfer_warnings
from dancenow.subject.target_view import CameraMode
from dancenow.types import ImageRGB, PoseTrack, TransferResult


@dataclass(frozen=True)
class TransferOptions:
    """How a dance is transferred; each as `pipeline.transfer` says."""

    normalize: RetargetingKind = "auto"
    face: FaceMode = "auto"
    camera: CameraMode = "still"
    scene: str = "target"
    person: int | None = None


@dataclass(frozen=True, eq=False)
class OpenedTransfer:
    """What is read and checked before the source's poses are detected. notes: what the user should know, one sentence each."""

    source: VideoSource
    out: Path
    options: TransferOptions
    execution: Execution
    scene: SceneChoice
    renderer: Renderer
    face: FaceModel | None
    marker: ContentMarker
    notes: tuple[str, ...]

    def plan(self, source_track: PoseTrack, on_progress: ProgressCallback) -> "PlannedTransfer":
        """Retarget the dance and find its faces. source_track: as `detect_poses` gives it for the person of the options.

        Raises:
            UserError: the source cannot be read, or a network is missing.
        """
        options, target = self.options, self.renderer.target
        dance = plan_dance(
            self.source, source_track, target, normalize=options.normalize, camera=options.camera, scene=self.scene,
            on_progress=on_progress,
        )  # fmt: skip
        refiner = FaceRefiner.from_tracks(
            self.face, source_track, dance.shown_track, self.source, dance.view, self.execution, on_progress
        )
        warnings = transfer_warnings(self.source, options.person, source_track, dance.shown_track, target)
        return PlannedTransfer(self, dance, refiner, (*self.notes, *warnings, *dance.warnings))


@dataclass(frozen=True, eq=False)
class PlannedTransfer:
    """A dance that is ready to be rendered, in any part."""

    opened: OpenedTransfer
    dance: PlannedDance
    refiner: FaceRefiner | None
    notes: tuple[str, ...]

    @contextmanager
    def images(self, start: int, stop: int) -> Iterator[Iterator[ImageRGB]]:
        """Inside it, the frames [start, stop) one by one, with refined faces and without marks: uint8 [H,W,3], or [H,W,4] with
        alpha."""
        dance = self.dance
        with closing(render_video(self.opened.renderer, dance.view, dance.world_track, start, stop)) as images:
            if self.refiner is None:
                yield images
                return
            with prefetch(self.refiner.refine(images, start, stop)) as refined:
                yield refined

    def write(self, images: Iterator[ImageRGB], start: int, stop: int, on_progress: ProgressCallback) -> TransferResult:
        """Write the images of the frames [start, stop), marked as synthetic, with the timing and sound of the source.

        Raises:
            UserError: the file cannot be written.
        """
        opened, shown = self.opened, self.dance.shown_track
        lost = write_transfer(opened.out, images, shown, start, stop, opened.source, opened.marker, on_progress)
        on_faces = () if self.refiner is None else self.refiner.notes(start, stop)
        notes = (*self.notes, *on_faces, *opened.marker.notes, *lost)
        return TransferResult(opened.out, stop - start, self.dance.normalization, notes, shown.part(start, stop))


def open_transfer(
    source: VideoSource,
    model: Path,
    out: Path,
    options: TransferOptions,
    frames: tuple[int, int | None],
    execution: Execution,
    warn: Callable[[str], None],
    on_progress: ProgressCallback,
) -> OpenedTransfer:
    """Open everything that a transfer reads, and check what can be wrong with it. frames: the wanted part.

    Raises:
        UserError: as `pipeline.transfer`.
    """
    scene = open_scene(options.scene, options.camera, out, None, source.path, model)
    require_frame_range(frames, source.info.num_frames)
    require_complete(source, on_progress)
    checkpoint = load_model(model)
    unfinished = warn_each(model_warnings(model, checkpoint.info), warn)
    renderer = renderer_of(checkpoint, execution)
    scene.require_suits(renderer.target.track, family_of_model(checkpoint).generates_background)
    face = select_face_model(FaceModel.load(checkpoint, execution.torch_device), options.face, model, source.sha256)
    marker = ContentMarker.of(model, source, out, scene.files)
    return OpenedTransfer(source, out, options, execution, scene, renderer, face, marker, tuple(unfinished))
