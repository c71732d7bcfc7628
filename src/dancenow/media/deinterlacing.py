"""Deinterlace decoded frames: both fields of an interlaced frame show different moments, which combs whatever moves.

Used by `container.decoded` alone. One frame comes out for each frame that goes in, at its own time.
"""

from collections.abc import Iterator
from fractions import Fraction

import av.error
from av.filter import Graph
from av.video.frame import VideoFrame


def deinterlace(frames: Iterator[VideoFrame]) -> Iterator[VideoFrame]:
    """Yield the frames, interlaced ones deinterlaced by bwdif; frames before the first interlaced one are not touched."""
    graph: Graph | None = None
    form: tuple[str, int, int] | None = None
    for frame in frames:
        if graph is None and not frame.interlaced_frame:
            yield frame
            continue
        if graph is not None and form != _form(frame):
            yield from _push(graph, None)
            graph = None
        if graph is None:
            graph, form = _graph(frame), _form(frame)
        yield from _push(graph, frame)
    if graph is not None:
        yield from _push(graph, None)


def _form(frame: VideoFrame) -> tuple[str, int, int]:
    return frame.format.name, frame.width, frame.height


def _graph(frame: VideoFrame) -> Graph:
    """bwdif looks at three frames in a row, in which a still scene keeps its full resolution."""
    graph = Graph()
    source = graph.add_buffer(
        width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base or Fraction(1, 90_000)
    )
    graph.link_nodes(source, graph.add("bwdif", "mode=send_frame:parity=auto:deint=interlaced"), graph.add("buffersink"))
    graph.configure()
    return graph


def _push(graph: Graph, frame: VideoFrame | None) -> Iterator[VideoFrame]:
    """Give the filter a frame, or the end (None), and take what it returns."""
    graph.push(frame)
    while True:
        try:
            result = graph.pull()
        except (av.error.BlockingIOError, av.error.EOFError):
            return
        assert isinstance(result, VideoFrame)
        yield result
