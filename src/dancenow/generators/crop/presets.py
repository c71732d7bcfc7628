"""The presets of the crop family: `draft-fast` (256 px, minutes on a laptop), `standard` (512 px, tens of minutes on a GPU) and
`hd` (1024 px, coarse to fine, for 1080p video)."""

from typing import Final

from dancenow.face.config import LARGE_FACE_CONFIG
from dancenow.generators.crop.config import CropConfig, LossWeights
from dancenow.generators.crop.discriminator import DiscriminatorConfig
from dancenow.generators.crop.network import GeneratorConfig

PRESETS: Final[dict[str, CropConfig]] = {
    "draft-fast": CropConfig(
        generator=GeneratorConfig(canvas_px=256, width=24, blocks=3, shade=True),
        spatial=DiscriminatorConfig(width=16),
        temporal=DiscriminatorConfig(frames=2, width=16),
        weights=LossWeights(structure=0.3),
        start="base",
        clips_per_step=4,
        clip_frames=2,
        mirror=0.3,
        precision="bfloat16",
    ),
    "standard": CropConfig(
        generator=GeneratorConfig(canvas_px=512, width=64, blocks=6, shade=True),
        spatial=DiscriminatorConfig(width=48, scales=3),
        temporal=DiscriminatorConfig(frames=2, width=48, scales=3),
        clips_per_step=4,
        clip_frames=2,
        learning_rate=5e-4,
        adversarial_from=0.3,
        patch_px=320,
        max_frames=4000,
        face=LARGE_FACE_CONFIG,
        precision="bfloat16",
    ),
    "hd": CropConfig(
        generator=GeneratorConfig(canvas_px=1024, width=64, blocks=6, fine=True, shade=True),
        spatial=DiscriminatorConfig(width=48, scales=3),
        temporal=DiscriminatorConfig(frames=2, width=48, scales=3),
        clips_per_step=2,
        clip_frames=2,
        learning_rate=5e-4,
        fine_from=0.4,
        adversarial_from=0.5,
        patch_px=512,
        max_frames=800,
        face=LARGE_FACE_CONFIG,
        precision="bfloat16",
    ),
}
