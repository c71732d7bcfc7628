"""What one frame is made of: a background and the layers in front of it."""

from dataclasses import dataclass

from dancenow.rendering.layer import Layer
from dancenow.subject.background.base import Background


@dataclass(frozen=True, eq=False)
class Scene:
    """A background and any number of layers, in any order: the compositor sorts them by depth."""

    background: Background
    layers: tuple[Layer, ...] = ()
