"""Read videos with alpha back, as a picture over a checkerboard."""

from collections.abc import Iterator
from typing import Any, Final

import av
import numpy as np
from av.video.reformatter import Interpolation

from dancenow.media.alpha import premultiply
from dancenow.media.container import opened
from dancenow.media.source import VideoSource, with_times
from dancenow.types import Frame, ImageRGB

_EXACT: Final = Interpolation.BILINEAR | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT
"""FFmpeg's fastest conversion leaves the last columns wrong where the width is no multiple of 8."""
_SQUARE_PX: Final = 16
_LEVELS: Final = (150, 190)


class AlphaVideo(VideoSource):
    """A .mov or .webm with alpha; its frames are shown over a checkerboard."""

    def frames(self, start: int = 0, stop: int | None = None, step: int = 1) -> Iterator[Frame]:
        """As `VideoSource.frames`."""
        with opened(self.path) as (container, stream):
            # FFmpeg's own decoder of VP9 leaves alpha out.
            is_vp9 = stream.codec_context.name.startswith("vp9")
            decoder: Any = av.CodecContext.create("libvpx-vp9", "r") if is_vp9 else stream.codec_context
            images = (image for packet in container.demux(stream) for image in decoder.decode(packet if packet.size else None))
            for index, (image, time_s) in enumerate(with_times(images, stream)):
                if stop is not None and index >= stop:
                    return
                if index >= start and (index - start) % step == 0:
                    rgba = image.reformat(format="rgba", interpolation=_EXACT, threads=1).to_ndarray()
                    yield Frame(_over_checkerboard(np.asarray(rgba, np.uint8)), index, time_s)


def _over_checkerboard(rgba: ImageRGB) -> ImageRGB:
    y, x = np.mgrid[: rgba.shape[0], : rgba.shape[1]]
    checkerboard = np.choose((y // _SQUARE_PX + x // _SQUARE_PX) % 2, _LEVELS)[..., None]
    part = premultiply(rgba)
    return np.asarray(np.rint(part[..., :3] + checkerboard * (1 - part[..., 3:])), np.uint8)
