"""The live transfer: three threads, each of which takes the newest and drops what it cannot keep up with.

source ──► newest frame ──► poses ──► newest poses ──► generate, composite, mark ──► on_image
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from dancenow.live.causal_poses import CausalPoses
from dancenow.live.newest import Newest
from dancenow.live.sources import LiveFrame
from dancenow.progress import CancelToken
from dancenow.provenance.watermark import Payload, Watermarker
from dancenow.rendering.layer import Layer
from dancenow.rendering.renderer import Renderer, composite_view
from dancenow.types import ImageRGB, PoseTrack

RECENT: Final = 60
_LABEL: Final = "SYNTHETIC"


@dataclass(frozen=True, eq=False)
class LiveImage:
    """What is shown: uint8 [H,W,3], marked as synthetic. latency_s: since the camera saw the newest frame that it depends on.

    is_person: whether the person is in it.
    """

    image_rgb: ImageRGB
    latency_s: float
    is_person: bool


class LiveMeter:
    """Frame rate and latency of the last images."""

    def __init__(self) -> None:
        self._shown_s: deque[float] = deque(maxlen=RECENT)
        self._latency_s: deque[float] = deque(maxlen=RECENT)

    def note(self, latency_s: float) -> None:
        """An image is shown now."""
        self._shown_s.append(time.monotonic())
        self._latency_s.append(latency_s)

    @property
    def fps(self) -> float:
        """Images a second; 0 before the second one."""
        span_s = self._shown_s[-1] - self._shown_s[0] if len(self._shown_s) > 1 else 0.0
        return (len(self._shown_s) - 1) / span_s if span_s > 0 else 0.0

    @property
    def latency_ms(self) -> tuple[float, float]:
        """Median and 95th percentile."""
        if not self._latency_s:
            return 0.0, 0.0
        median, worst = np.percentile(list(self._latency_s), [50, 95])
        return 1000 * float(median), 1000 * float(worst)


class LivePlayer:
    """Makes the person of a renderer do what a live source shows."""

    def __init__(self, renderer: Renderer, poses: CausalPoses, payload: Payload, token: CancelToken) -> None:
        self._renderer, self._poses, self._token = renderer, poses, token
        self._view, self._watermarker = renderer.target.view("still"), Watermarker(payload)
        self._frames, self._tracks = Newest[LiveFrame](), Newest[tuple[LiveFrame, PoseTrack | None]]()
        self._error: BaseException | None = None
        self.meter = LiveMeter()

    @property
    def dropped(self) -> int:
        """Frames of the source that were too many."""
        return self._frames.dropped + self._tracks.dropped

    def play(self, source: Iterator[LiveFrame], on_image: Callable[[LiveImage], None]) -> None:
        """Show every image until the source ends or the token is cancelled.

        Raises:
            UserError: of the source or of the detector.
        """
        threads = [
            threading.Thread(target=self._guarded, args=(work, after), daemon=True)
            for work, after in ((lambda: self._read(source), self._frames), (self._measure, self._tracks))
        ]
        for thread in threads:
            thread.start()
        while (item := self._tracks.take()) is not None:
            live, track = item
            image = self._draw(live, track)
            latency_s = time.monotonic() - live.seen_s
            self.meter.note(latency_s)
            on_image(LiveImage(image, latency_s, track is not None))
        for thread in threads:
            thread.join()
        if self._error is not None:
            raise self._error

    def _guarded(self, work: Callable[[], None], after: Newest[object]) -> None:
        try:
            work()
        except BaseException as error:
            self._error = self._error or error
        finally:
            after.close()

    def _read(self, source: Iterator[LiveFrame]) -> None:
        for live in source:
            self._frames.put(live)
            if self._token.is_cancelled or self._error is not None:
                return

    def _measure(self) -> None:
        while (live := self._frames.take()) is not None:
            self._tracks.put((live, self._poses.step(live.frame)))

    def _draw(self, live: LiveFrame, track: PoseTrack | None) -> ImageRGB:
        layer = None if track is None else self._layer(track)
        image = self._watermarker.apply(composite_view(self._view, layer, float(live.frame.time_s)))
        return _labeled(image, self.meter)

    def _layer(self, track: PoseTrack) -> Layer | None:
        """The last pose of a track."""
        last = len(track) - 1
        frames = np.arange(max(0, last - self._renderer.run_up_frames), last + 1)
        with closing(self._renderer.render(track, frames)) as layers:
            *_, layer = layers
        return layer


def _labeled(image: ImageRGB, meter: LiveMeter) -> ImageRGB:
    """With a strip below that says that it is synthetic, how fast it comes and how late."""
    width_px = image.shape[1]
    scale = max(0.35, width_px / 900)
    strip = np.full((round(34 * scale) + 8, width_px, 3), 24, np.uint8)
    median_ms, _ = meter.latency_ms
    at = (6, strip.shape[0] - round(12 * scale))
    facts = f"{_LABEL}   {meter.fps:.0f} fps   {median_ms:.0f} ms late"
    cv2.putText(strip, facts, at, cv2.FONT_HERSHEY_SIMPLEX, scale, (255, 235, 120), max(1, round(1.5 * scale)), cv2.LINE_AA)
    return np.concatenate([image, strip])
