"""The live transfer of a model: everything is put together and checked before anything starts."""

from pathlib import Path

from dancenow.execution import Execution
from dancenow.generators.registry import load_model, renderer_of
from dancenow.live.causal_poses import LAG_FRAMES, CausalPoses
from dancenow.live.player import LivePlayer
from dancenow.pose.detectors.registry import create_detector
from dancenow.provenance.content_marking import require_consented
from dancenow.provenance.watermark import Payload
from dancenow.storage.atomic_io import sha256_of


def create_player(model: Path, execution: Execution, lag_frames: int = LAG_FRAMES) -> LivePlayer:
    """The player of a model; every image that it makes is marked.

    Raises:
        UserError: the model cannot be read, or the consent of its person is missing or withdrawn.
    """
    checkpoint = load_model(model)
    require_consented(checkpoint.info, model)
    renderer = renderer_of(checkpoint, execution)
    poses = CausalPoses(create_detector(), renderer.target.track, lag_frames)
    return LivePlayer(renderer, poses, Payload(sha256_of(model)[:4]), execution.cancel)
