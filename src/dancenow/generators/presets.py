"""What a preset means: the sizes of the networks and the recipe that trains them.

`draft` (256 px, minutes on a laptop), `standard` (512 px, tens of minutes on a GPU) and `hd` (1024 px, coarse to fine, for
1080p video) are ours; `paper` is Everybody Dance Now (Chan et al., 2019) on pix2pixHD (Wang et al., 2018) as published, and
`heatmaps` the same generator on Gaussian pose tensors of two consecutive poses with two discriminators.
"""

from dataclasses import replace
from typing import Any, Final, Literal

from dancenow.errors import OptionError
from dancenow.face.config import LARGE_FACE_CONFIG
from dancenow.generators.crop.config import CropConfig, LossWeights
from dancenow.generators.crop.discriminator import DiscriminatorConfig
from dancenow.generators.crop.network import GeneratorConfig
from dancenow.generators.edn.config import EdnConfig

Preset = Literal["draft", "standard", "hd", "paper", "heatmaps"]


Config = CropConfig | EdnConfig

PRESETS: Final[dict[Preset, CropConfig | EdnConfig]] = {
    "draft": CropConfig(
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
        judged_px=320,
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
        judged_px=512,
        max_frames=800,
        face=LARGE_FACE_CONFIG,
        precision="bfloat16",
    ),
    "paper": EdnConfig(),
    "heatmaps": EdnConfig(conditioning="heatmaps"),
}


def preset_config(
    preset: str, width: float | None = None, longer_px: int | None = None, enhance_from: float | None = None
) -> Config:
    """The recipe of a preset; whole-frame presets also in other sizes and with the local enhancer.

    Args:
        width: factor on every channel count. longer_px: longer side of the frame. enhance_from: see `EdnConfig`.

    Raises:
        UserError: there is no preset of that name, or it cannot have that size.
    """
    if preset not in PRESETS:
        raise OptionError(f"there is no preset {preset!r}; choose one of {', '.join(PRESETS)}.")
    config: Config = PRESETS[preset]
    wanted = {"width": width, "longer_px": longer_px, "enhance_from": enhance_from}
    changes: dict[str, Any] = {name: value for name, value in wanted.items() if value is not None}
    if not changes:
        return config
    if not isinstance(config, EdnConfig):
        raise OptionError(
            f"the preset {preset} has one size; width, longer side and enhancer are for the presets paper and heatmaps."
        )
    try:
        return replace(config, **changes)
    except ValueError as error:
        raise OptionError(f"the preset {preset} cannot have that size: {error}.") from error
