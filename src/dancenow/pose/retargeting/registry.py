"""How a source dancer's poses are brought to the target's body, place and camera: the choice among the maps in `pose.maps`.

Every map is fitted to two whole tracks; `auto` is the one that was measured to be best for what the two tracks show.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, Literal

from dancenow.errors import UserError
from dancenow.pose.retargeting.auto import fit_auto
from dancenow.pose.retargeting.base import Dancer, Identity, PoseMap
from dancenow.pose.retargeting.global_scale import PaperMap, View, fit_paper
from dancenow.pose.retargeting.skeletal import BonesMap, fit_bones
from dancenow.pose.retargeting.spatial_transformer import TransformerMap, fit_transformer
from dancenow.types import PoseTrack

__all__ = [
    "BonesMap",
    "Dancer",
    "Identity",
    "Kind",
    "PaperMap",
    "PoseMap",
    "TransformerMap",
    "View",
    "fit",
    "fit_paper",
    "load_map",
]

Kind = Literal["auto", "none", "paper", "stn", "bones"]
"""auto: bones where the body is seen, else paper. none: poses as they are. paper: one scale, which goes from near to far.
stn: scale, rotation and place as a spatial transformer predicts them. bones: part by part."""


BY_CAMERA: Final[tuple[Kind, ...]] = ("auto", "bones")
"""Those that ask whether one camera filmed both."""


def fit(kind: Kind, source: Dancer, target: Dancer, same_camera: bool | None = None) -> PoseMap:
    """The map of the named kind from the source dancer to the target; `none` looks at neither.

    Only `paper` can do with statistics in place of a track. same_camera: whether one camera that stood still filmed both, as
    `subject.same_camera.films_there` finds out; where it did, `bones` keeps places in the picture and turns nothing.

    Raises:
        UserError: a track shows too little of the body for a map that needs to know it.
    """
    return FITS[kind](source, target, same_camera)


def load_map(saved: Mapping[str, Any]) -> PoseMap:
    """The map whose `to_json` is given.

    Raises:
        UserError: it is of no known kind, or damaged.
    """
    try:
        return LOADERS[saved["kind"]](saved)
    except (KeyError, TypeError, ValueError) as error:
        raise UserError("the saved normalization is damaged or of a newer version; fit it again.") from error


Fit = Callable[[Dancer, Dancer, bool | None], PoseMap]


def _of_tracks(fit_tracks: Callable[[PoseTrack, PoseTrack, bool | None], PoseMap]) -> Fit:
    """The same fit, for dancers that must be tracks."""

    def fitted(source: Dancer, target: Dancer, same_camera: bool | None) -> PoseMap:
        if not (isinstance(source, PoseTrack) and isinstance(target, PoseTrack)):
            raise TypeError("this map measures whole tracks; statistics do for `paper` alone")
        return fit_tracks(source, target, same_camera)

    return fitted


FITS: Final[dict[Kind, Fit]] = {
    "auto": _of_tracks(fit_auto),
    "none": lambda _source, _target, _same: Identity(),
    "paper": lambda source, target, _same: fit_paper(source, target),
    "stn": _of_tracks(lambda source, target, _same: fit_transformer(source, target)),
    "bones": _of_tracks(fit_bones),
}
LOADERS: Final[dict[str, Callable[[Mapping[str, Any]], PoseMap]]] = {
    "none": Identity.from_json,
    "paper": PaperMap.from_json,
    "stn": TransformerMap.from_json,
    "bones": BonesMap.from_json,
}
