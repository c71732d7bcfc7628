"""The methods that are compared: what each trains or shows, and the sentence that says what it is."""

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
    """One clip to make, and what it should show. dance: its name, `own` for held-out time."""

    protocol: Protocol
    dance: str
    source: Path
    truth: Path
    normalize: RetargetingKind


@dataclass(frozen=True)
class Method:
    """A way to make a clip: by training `config`, or without any training by `show`. start: what training begins with.
    normalize: how another dancer's poses are brought to the subject, which is a part of the system.
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
    """`tiny` or a preset of ours."""
    return TINY if name == "tiny" else PRESETS[name]


def paper_config(longer_px: int, width: float, *, temporal: bool = True, conditioning: Conditioning = "stick") -> EdnConfig:
    """The paper's recipe at a size."""
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
    Method("truth, encoded again", "the reference itself in our encoding: nothing can be better", show=_show_truth),
    Method("nearest frame", "the footage's frame with the nearest pose, as it is; no training", show=_show_nearest),
    Method(
        "pix2pixHD",
        "the paper's networks frame by frame: stick figure in, whole frame out, no picture before",
        lambda size: paper_config(size.paper_px, size.paper_width, temporal=False),
        normalize="paper",
    ),
    Method(
        "+ temporal smoothing",
        "the paper's body system: the picture before as input, and a discriminator of two consecutive frames",
        lambda size: paper_config(size.paper_px, size.paper_width),
        normalize="paper",
    ),
    Method(
        "heatmaps",
        "the same networks, shown Gaussian heatmaps of two consecutive poses instead of a stick figure",
        lambda size: paper_config(size.paper_px, size.paper_width, conditioning="heatmaps"),
        normalize="paper",
    ),
    Method("ours, from nothing", "our default without the base model that it starts from", _from_nothing),
    Method("ours", "our default", lambda size: our_config(size.ours), start="from the base model"),
)
METHODS: Final[dict[str, Method]] = {method.name: method for method in _METHODS}
"""In the order of the table."""


def describe(methods: Sequence[Method]) -> dict[str, dict[str, str]]:
    """For the settings of a result: what each method is, and how it brings other dancers' poses to its subject."""
    return {"methods": {each.name: each.what for each in methods}, "normalize": {each.name: each.normalize for each in methods}}


def budget_methods() -> tuple[Method, ...]:
    """Those that are compared at several budgets: ours from the base model and from nothing, and the paper's."""
    return METHODS["ours"], METHODS["ours, from nothing"], replace(METHODS["+ temporal smoothing"], name="paper")
