"""Presets of all families: a configuration by the name that users give, also in other sizes."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from dancenow.errors import OptionError
from dancenow.generators.base import FamilyConfig
from dancenow.generators.registry import FAMILIES, family_of


def presets() -> Mapping[str, FamilyConfig]:
    """The configurations of all families by preset name."""
    return {name: config for create in FAMILIES.values() for name, config in create().presets.items()}


def preset_config(
    preset: str, width: float | None = None, longer_px: int | None = None, enhance_from: float | None = None
) -> FamilyConfig:
    """The configuration of a preset; some presets also come in other sizes and with the local enhancer.

    Args:
        width: factor on every channel count. longer_px: longer side of the frame. enhance_from: see `EdnConfig`.

    Raises:
        UserError: there is no preset of that name, or it cannot have that size.
    """
    known = presets()
    if preset not in known:
        raise OptionError(f"there is no preset {preset!r}; choose one of {', '.join(known)}.")
    config: Any = known[preset]
    wanted = {"width": width, "longer_px": longer_px, "enhance_from": enhance_from}
    changes: dict[str, Any] = {name: value for name, value in wanted.items() if value is not None}
    if not set(changes) <= set(family_of(config).adjustable):
        raise OptionError(
            f"the preset {preset} has one size; width, longer side and enhancer are for the presets paper and heatmaps."
        )
    try:
        resized: FamilyConfig = replace(config, **changes)
    except ValueError as error:
        raise OptionError(f"the preset {preset} cannot have that size: {error}.") from error
    return resized
