"""The compared methods: how each one is trained or generated, and its description."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal

from dancenow.generators.base import FamilyConfig
from dancenow.generators.crop.config import CropConfig
from dancenow.generators.crop.discriminator import DiscriminatorConfig
from dancenow.generators.crop.network import GeneratorConfig
from dancenow.generators.crop.presets import PRESETS
from dancenow.generators.edn.config import EdnConfig
from dancenow.generators.edn.network import Conditioning
from dancenow.generators.references import config as references
from dancenow.media.sink import VideoWriter
from dancenow.media.source import probe, read_frames
from dancenow.pose.retargeting.registry import RetargetingKind
from dancenow.progress import ProgressCallback
from dancenow.research.bench.nearest_frame import show_nearest_frames
from dancenow.research.bench.sizes import Networks, OurNetwork
from dancenow.subject.subject import Subject

Protocol = Literal["held-out time", "transfer"]
PROTOCOLS: Final[tuple[Protocol, ...]] = ("held-out time", "transfer")


@dataclass(frozen=True)
class TransferTask:
    """One clip to generate, and its ground truth. dance: its name, `own` for held-out time."""

    protocol: Protocol
    dance: str
    source: Path
    truth: Path
    normalize: RetargetingKind


@dataclass(frozen=True)
class Method:
    """A method: trains `config`, or writes the clip by `show` without training. start: initialization of the training.
    normalize: retargeting of source people's poses, which is a part of the system.
    """

    name: str
    what: str
    config: Callable[[Networks], FamilyConfig] | None = None
    show: Callable[[TransferTask, Subject, Path, ProgressCallback], None] | None = None
    start: str = "from nothing"
    normalize: RetargetingKind = "auto"


TINY: Final = CropConfig(
    generator=GeneratorConfig(canvas_px=64, width=8, blocks=1),
    spatial=DiscriminatorConfig(width=4, scales=1),
    temporal=DiscriminatorConfig(frames=2, width=4, scales=1),
)


def our_config(name: OurNetwork) -> CropConfig:
    """Our configuration: `tiny` or a preset."""
    return TINY if name == "tiny" else {**PRESETS, **references.PRESETS}[name]


def paper_config(longer_px: int, width: float, *, temporal: bool = True, conditioning: Conditioning = "stick") -> EdnConfig:
    """The paper's recipe at a given size."""
    return EdnConfig(conditioning=conditioning, temporal=temporal, longer_px=longer_px, width=width)


def _show_truth(test: TransferTask, _subject: Subject, out: Path, _on_progress: ProgressCallback) -> None:
    info = probe(test.truth)
    with VideoWriter(out, info.width_px, info.height_px, fps=info.fps) as writer:
        for frame in read_frames(test.truth):
            writer.write(frame.image_rgb, frame.time_s)


def _show_nearest(test: TransferTask, subject: Subject, out: Path, on_progress: ProgressCallback) -> None:
    show_nearest_frames(test.source, subject, out, test.normalize, on_progress)


def _from_nothing(size: Networks) -> CropConfig:
    return replace(our_config(size.ours), start="nothing")


_METHODS: Final = (
    Method("truth, encoded again", "the ground truth in our encoding: an upper bound", show=_show_truth),
    Method("nearest frame", "the unchanged footage frame with the nearest pose; no training", show=_show_nearest),
    Method(
        "pix2pixHD",
        "the paper's networks frame by frame: stick figure in, whole frame out, no previous frame",
        lambda size: paper_config(size.paper_px, size.paper_width, temporal=False),
        normalize="paper",
    ),
    Method(
        "+ temporal smoothing",
        "the paper's body system: the previous frame as input, and a discriminator of two consecutive frames",
        lambda size: paper_config(size.paper_px, size.paper_width),
        normalize="paper",
    ),
    Method(
        "heatmaps",
        "the same networks, conditioned on Gaussian heatmaps of two consecutive poses instead of a stick figure",
        lambda size: paper_config(size.paper_px, size.paper_width, conditioning="heatmaps"),
        normalize="paper",
    ),
    Method("ours, from nothing", "our default without its pretrained weights", _from_nothing),
    Method("ours", "our default", lambda size: our_config(size.ours), start="from the base model"),
)
METHODS: Final[dict[str, Method]] = {method.name: method for method in _METHODS}
"""In the order of the table."""


def describe(methods: Sequence[Method]) -> dict[str, dict[str, str]]:
    """For the settings of a result: each method's description and retargeting."""
    return {"methods": {each.name: each.what for each in methods}, "normalize": {each.name: each.normalize for each in methods}}


def budget_methods() -> tuple[Method, ...]:
    """Methods compared at several budgets: ours with and without pretrained weights, and the paper's."""
    return METHODS["ours"], METHODS["ours, from nothing"], replace(METHODS["+ temporal smoothing"], name="paper")
