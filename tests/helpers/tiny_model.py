"""A model that trains in seconds, and the dancer of a source."""

from dancenow.generators.crop.config import CropConfig, LossWeights
from dancenow.generators.crop.discriminator import DiscriminatorConfig
from dancenow.generators.crop.network import GeneratorConfig
from dancenow.types import PoseTrack
from helpers.drawn_world import dancer_track

TINY = CropConfig(
    generator=GeneratorConfig(canvas_px=64, width=8, blocks=1),
    spatial=DiscriminatorConfig(width=4, scales=1),
    temporal=DiscriminatorConfig(frames=2, width=4, scales=1),
    weights=LossWeights(perceptual=0.0),
    clips_per_step=2,
)


def smaller_dancer(num_frames: int) -> PoseTrack:
    """The dancer of the source."""
    return dancer_track(num_frames, phase=1.0, body_px=60.0)
