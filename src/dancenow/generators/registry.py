"""The generator families by name, found by a configuration or by the kind of a checkpoint."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from dancenow.errors import ModelError
from dancenow.execution import Execution
from dancenow.generators.base import FamilyConfig, GeneratorFamily
from dancenow.rendering.renderer import Renderer
from dancenow.storage.checkpoint import Checkpoint, load_checkpoint, read_info


def _crop() -> GeneratorFamily[Any]:
    from dancenow.generators.crop.family import CropFamily

    return CropFamily()


def _edn() -> GeneratorFamily[Any]:
    from dancenow.generators.edn.family import EdnFamily

    return EdnFamily()


def _references() -> GeneratorFamily[Any]:
    from dancenow.generators.references.family import ReferenceFamily

    return ReferenceFamily()


FAMILIES: Final[dict[str, Callable[[], GeneratorFamily[Any]]]] = {"references": _references, "crop": _crop, "edn": _edn}
"""Name -> family, that of the default preset first. A family is imported when it is looked up."""


def family_of(config: FamilyConfig) -> GeneratorFamily[Any]:
    """The family that a configuration belongs to."""
    return FAMILIES[config.family]()


def find_family(kind: str) -> GeneratorFamily[Any] | None:
    """The family whose checkpoints have this kind; None if there is none."""
    return next((family for create in FAMILIES.values() if (family := create()).kind == kind), None)


def load_model(model: Path) -> Checkpoint:
    """Read the model of any family.

    Raises:
        UserError: the file is missing, damaged, or holds no model that can be rendered.
    """
    kind = read_info(model).kind
    if find_family(kind) is None:
        raise ModelError(f"{model} holds a {kind} model, but one that `dancenow train` made is needed here.")
    return load_checkpoint(model, kind)


def family_of_model(checkpoint: Checkpoint) -> GeneratorFamily[Any]:
    """The family that made a model, which `load_model` read."""
    family = find_family(checkpoint.info.kind)
    assert family is not None
    return family


def renderer_of(checkpoint: Checkpoint, execution: Execution) -> Renderer:
    """The renderer of a model that is in memory.

    Raises:
        UserError: another version of dancenow wrote it, with other networks.
    """
    return family_of_model(checkpoint).load_renderer(checkpoint, execution)


def load_renderer(model: Path, execution: Execution) -> Renderer:
    """The renderer of a model file, of any family.

    Raises:
        UserError: the file is missing, damaged, or holds no model that can be rendered.
    """
    return renderer_of(load_model(model), execution)
