"""What every renderer checks of a track and of a checkpoint."""

from dancenow.errors import ModelError
from dancenow.storage.checkpoint import Checkpoint
from dancenow.subject.target_appearance import Target
from dancenow.types import PoseTrack


def require_target_frame(track: PoseTrack, target: Target) -> None:
    """Raises ValueError if the track is not in the target's frame."""
    size, wanted = (track.width_px, track.height_px), (target.track.width_px, target.track.height_px)
    if size != wanted:
        raise ValueError(f"the dance is in a frame of {size} px, but the target's is {wanted}: normalize it first")


def error_of_version(checkpoint: Checkpoint) -> ModelError:
    """For a model whose networks this version does not know."""
    version = checkpoint.info.version
    return ModelError(f"this model was made by dancenow {version}, which used other networks; train it again.")
