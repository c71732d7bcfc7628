"""The protocol of a renderer, and how its layers become frames: temporal filter, then compositor."""

from collections import abc
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from itertools import islice
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from dancenow.freed_memory import release_freed_memory
from dancenow.prefetch import prefetch
from dancenow.rendering.compositor import composite
from dancenow.rendering.contact_shadow import contact_shadow
from dancenow.rendering.depth_order import depth_lines, usual_height_px
from dancenow.rendering.layer import Layer
from dancenow.rendering.light_match import NO_GAIN, relight
from dancenow.rendering.moving_camera import move_layer
from dancenow.rendering.scene import Scene
from dancenow.rendering.temporal_filter import filter_temporal
from dancenow.subject.target_appearance import Target
from dancenow.subject.target_view import StayingPerson, TargetView
from dancenow.types import ImageRGB, PoseTrack


class Renderer(Protocol):
    """Renders the person of a model in the poses of a track. It keeps nothing from one track to the next."""

    @property
    def target(self) -> Target:
        """The person of the model."""

    @property
    def has_temporal_filter(self) -> bool:
        """Whether `filter_temporal` applies to its layers: it does where each is generated from its own pose alone."""

    @property
    def run_up_frames(self) -> int:
        """Frames to generate before a single wanted one: 0 where no frame depends on those before it."""

    def render(self, track: PoseTrack, frames: NDArray[np.int64]) -> abc.Generator[Layer | None]:
        """The layers of some frames [N] of a track, increasing; None where nobody is there (MISSING).

        track: the whole dance in the target's frame px, from `PosePipeline.for_rendering`. frames: consecutive if
        `run_up_frames` is not 0; the first one, the first one of a shot, and the first one after nobody was there have no
        frame before them.

        Raises:
            ValueError: the track is not in the target's frame.
        """


@dataclass(frozen=True, eq=False)
class Dancer:
    """One person of a rendered video. track: their dance in the reference view of their target. view: how the frames see it.
    retouch: changes a frame, given with its number, once the person is in it, such as their face.
    """

    renderer: Renderer
    view: TargetView
    track: PoseTrack
    retouch: Callable[[ImageRGB, int], ImageRGB] | None = None


def render_video(
    renderer: Renderer, view: TargetView, track: PoseTrack, start: int = 0, stop: int | None = None
) -> abc.Generator[ImageRGB]:
    """Render the frames [start, stop) of a track in a view of the target, one by one, as `render_dancers`."""
    return render_dancers([Dancer(renderer, view, track)], start, stop)


def render_dancers(dancers: Sequence[Dancer], start: int = 0, stop: int | None = None) -> abc.Generator[ImageRGB]:
    """Render the frames [start, stop) of several dances at once, one by one, each uint8 [H,W,3].

    The views of all dancers have the same background, foreground and other people. In front of a background with alpha, frames
    have alpha, too: [H,W,4]. The layers of each dancer are generated in a thread of their own, a few frames ahead of the
    compositor.
    """
    view, times_s = dancers[0].view, dancers[0].track.time_s[start:stop]
    shown_tracks = [dancer.view.show(dancer.track) for dancer in dancers] + [other.track for other in view.others]
    lines_px = depth_lines(shown_tracks)[:, start:stop]
    heights_px = [max(1.0, usual_height_px(track)) for track in shown_tracks[: len(dancers)]]
    with ExitStack() as stack:
        streams = [
            stack.enter_context(prefetch(render_layers(dancer.renderer, dancer.track, start, stop))) for dancer in dancers
        ]
        # Lists of all numbers would be as large as the poses.
        frames = zip(map(float, times_s), map(np.ndarray.tolist, lines_px.T), zip(*streams, strict=True), strict=True)
        for number, (time_s, lines, layers) in enumerate(frames, start=start):
            if number == start:
                release_freed_memory()  # what was computed of the whole dance before its first frame
            shown = [_staged(*each, number, time_s) for each in zip(dancers, layers, lines[: len(dancers)], strict=True)]
            stay = [_filmed(*each, time_s) for each in zip(view.others, lines[len(dancers) :], strict=True)]
            # Before the dancers: of layers with the same ground, the first one is behind.
            feet = zip(shown_tracks, heights_px, shown, strict=False) if view.contact_darkness else ()
            shadows = [_shadow(*each, number, view.contact_darkness) for each in feet]
            yield _composite_layers(view, [*shadows, *shown, *stay], time_s)


def _shadow(track: PoseTrack, height_px: float, layer: Layer | None, number: int, darkness: float) -> Layer | None:
    """The shadow at the feet of a dancer whose layer is given. track: theirs, in px of the frame; height_px: as in it."""
    if layer is None:
        return None
    frame_px = (track.width_px, track.height_px)
    shadow = contact_shadow(track.pose[number], layer.feet_y_px, height_px, frame_px, darkness)
    return None if shadow is None else Layer(shadow, None, layer.feet_y_px)


def _filmed(person: StayingPerson, line_px: float, time_s: float) -> Layer | None:
    """Somebody of the scene as a layer; line_px as in `_staged`."""
    rgba = person.at(time_s)
    return None if rgba is None else Layer(rgba, None, line_px)


def _staged(dancer: Dancer, layer: Layer | None, line_px: float, number: int, time_s: float) -> Layer | None:
    """A layer of a dancer as the frame of a number shows it; line_px: how low they count as standing there."""
    shown, retouch = _in_frame(dancer.view, layer, time_s), dancer.retouch
    if shown is None:
        return None
    return replace(shown, feet_y_px=line_px, retouch=None if retouch is None else lambda image: retouch(image, number))


def render_frames(renderer: Renderer, view: TargetView, track: PoseTrack, frames: NDArray[np.int64]) -> abc.Generator[ImageRGB]:
    """Render some frames [N] of a track, increasing, as `render_video` does but without the temporal filter."""
    with prefetch(_single_layers(renderer, track, frames)) as layers:
        for time_s, layer in zip(track.time_s[frames].tolist(), layers, strict=True):
            yield composite_view(view, layer, time_s)


def composite_view(view: TargetView, layer: Layer | None, time_s: float) -> ImageRGB:
    """The frame of a view at a time: uint8 [H,W,3], with alpha [H,W,4] where the background has. layer: None for nobody."""
    return _composite_layers(view, [_in_frame(view, layer, time_s)], time_s)


def _in_frame(view: TargetView, layer: Layer | None, time_s: float) -> Layer | None:
    """A layer of the reference view in the light and the frame of a view."""
    if layer is not None and view.gain_rgb != NO_GAIN:
        layer = relight(layer, view.gain_rgb)
    if layer is not None and view.camera is not None:
        layer = move_layer(layer, view.camera.to_reference(time_s), view.camera.frame_px)
    return layer


def _composite_layers(view: TargetView, layers: Sequence[Layer | None], time_s: float) -> ImageRGB:
    front = None if view.front is None else view.front.at(time_s)
    return composite(Scene(view.background, tuple(layer for layer in layers if layer is not None), front), time_s)


def render_layers(renderer: Renderer, track: PoseTrack, start: int = 0, stop: int | None = None) -> abc.Generator[Layer | None]:
    """The layers of the frames [start, stop), with the temporal filter if it applies."""
    stop = len(track) if stop is None else min(stop, len(track))
    if not renderer.has_temporal_filter:
        with closing(renderer.render(track, np.arange(start, stop))) as layers:
            yield from layers
        return
    # The filter looks at the neighbors, so one more frame is generated on either side.
    first = max(start - 1, 0)
    rendered = renderer.render(track, np.arange(first, min(stop + 1, len(track))))
    with closing(filter_temporal(rendered, [cut - first for cut in track.cuts])) as layers:
        yield from islice(layers, start - first, stop - first)


def _single_layers(renderer: Renderer, track: PoseTrack, frames: NDArray[np.int64]) -> abc.Generator[Layer | None]:
    """Layers of single frames; where frames depend on those before, the last of a short run each."""
    if not renderer.run_up_frames:
        with closing(renderer.render(track, frames)) as layers:
            yield from layers
        return
    for index in frames.tolist():
        *_, layer = renderer.render(track, np.arange(max(index - renderer.run_up_frames, 0), index + 1))
        yield layer
