"""Configuration of the references family."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, Self

from dancenow.generators.crop import presets
from dancenow.generators.crop.config import CropConfig
from dancenow.generators.references.reference_selection import ReferenceOptions

REFERENCES_KIND: Final = "references"
"""Kind of the checkpoints of this family."""


@dataclass(frozen=True)
class ReferenceConfig(CropConfig):
    """A crop configuration and its references. `mirror` must be 0: references are not mirrored.

    rehearsed: poses in each step of which the pretrained weights know more than the footage, see `rehearsal`.
    """

    family: ClassVar[str] = "references"

    references: ReferenceOptions = field(default_factory=ReferenceOptions)
    rehearsed: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.mirror or self.generator.fine:
            raise ValueError("a generator with references neither mirrors clips nor has a fine stage")

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The inverse of `to_json`."""
        return super().from_json({**data, "references": ReferenceOptions(**data["references"])})


PRESETS: Final[dict[str, ReferenceConfig]] = {
    "draft": ReferenceConfig(**{**vars(presets.PRESETS["draft-fast"]), "mirror": 0.0}),
}
"""The default: `draft-fast` with references and without mirrored clips."""
