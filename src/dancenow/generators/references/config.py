"""Configuration of the references family. Experimental: it is measured beside the crop family, see the log."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, Self

from dancenow.generators.crop.config import CropConfig, LossWeights
from dancenow.generators.crop.discriminator import DiscriminatorConfig
from dancenow.generators.crop.network import GeneratorConfig
from dancenow.generators.references.reference_selection import ReferenceOptions

REFERENCES_KIND: Final = "references"
"""Kind of the checkpoints of this family."""


@dataclass(frozen=True)
class ReferenceConfig(CropConfig):
    """A crop configuration and its references. `mirror` must be 0: references are not mirrored."""

    family: ClassVar[str] = "references"

    references: ReferenceOptions = field(default_factory=ReferenceOptions)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.mirror or self.generator.fine:
            raise ValueError("a generator with references neither mirrors clips nor has a fine stage")

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The inverse of `to_json`."""
        return super().from_json({**data, "references": ReferenceOptions(**data["references"])})


PRESETS: Final[dict[str, ReferenceConfig]] = {
    "draft-references": ReferenceConfig(
        generator=GeneratorConfig(canvas_px=256, width=24, blocks=3, shade=True),
        spatial=DiscriminatorConfig(width=16),
        temporal=DiscriminatorConfig(frames=2, width=16),
        weights=LossWeights(structure=0.3),
        start="base",
        clips_per_step=4,
        clip_frames=2,
        precision="bfloat16",
    ),
}
"""`draft` with references, without clips that are mirrored. Experimental."""
