"""HDR video looks as the same scene in SDR: levels, hues and white are kept, highlights are rolled off."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from dancenow.media.hdr import HLG, PQ, WHITE_NITS, tone_map
from dancenow.media.source import read_frames

BT709_TO_BT2020 = np.linalg.inv(
    np.array([[1.660491, -0.587641, -0.072850], [-0.124550, 1.132900, -0.008349], [-0.018151, -0.100579, 1.118730]])
)


def to_hdr(sdr: NDArray[np.uint8], transfer: int) -> NDArray[np.uint16]:
    """An SDR image as an HDR camera would code it, with SDR white at 203 cd/m2 (ITU-R BT.2100, written the other way round)."""
    nits = WHITE_NITS * np.maximum((sdr / 255) ** 2.4 @ BT709_TO_BT2020.T, 0)
    if transfer == PQ:
        y = (nits / 10_000) ** (2610 / 16384)
        code = ((3424 / 4096 + 2413 / 128 * y) / (1 + 2392 / 128 * y)) ** (2523 / 32)
    else:
        display = nits / 1000
        luma = np.maximum(display @ [0.2627, 0.6780, 0.0593], 1e-9)[..., None]
        scene = display * luma ** (1 / 1.2 - 1)
        high = 0.17883277 * np.log(np.maximum(12 * scene - 0.28466892, 1e-9)) + 0.55991073
        code = np.where(scene <= 1 / 12, np.sqrt(3 * scene), high)
    return np.round(code.clip(0, 1) * 65535).astype(np.uint16)


def colors() -> NDArray[np.uint8]:
    """Grays and saturated colors, uint8 [8,48,3], none brighter than the knee."""
    grays = np.repeat(np.linspace(0, 230, 48).astype(np.uint8)[None, :, None], 3, axis=2)
    hues = np.random.default_rng(0).integers(0, 230, (7, 48, 3), np.uint8)
    return np.concatenate([grays, hues])


@pytest.mark.parametrize("transfer", [PQ, HLG])
def test_what_was_sdr_comes_back(transfer: int) -> None:
    back = tone_map(to_hdr(colors(), transfer), transfer)
    assert np.abs(back.astype(int) - colors()).max() <= 3


@pytest.mark.parametrize("transfer", [PQ, HLG])
def test_white_stays_bright_and_highlights_do_not_clip_to_another_hue(transfer: int) -> None:
    white = np.full((4, 4, 3), 255, np.uint8)
    assert tone_map(to_hdr(white, transfer), transfer).min() > 240
    codes = np.full((4, 4, 3), 65535, np.uint16)
    codes[..., 2] = 40_000
    bright = tone_map(codes, transfer)
    assert bright[..., 0].min() == 255
    assert bright[..., 2].max() < 200


@pytest.mark.slow
@pytest.mark.parametrize(("transfer", "codec"), [(PQ, "libx265"), (HLG, "libx265"), (HLG, "libx264")])
def test_a_phone_video_is_read_as_sdr(tmp_path: Path, transfer: int, codec: str) -> None:
    path = tmp_path / "phone.mov"
    image = np.repeat(np.repeat(colors()[:, ::6], 16, axis=0), 16, axis=1)
    coded = to_hdr(image, transfer)
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(codec, rate=30, options={"crf": "8"})
        stream.width, stream.height, stream.pix_fmt = image.shape[1], image.shape[0], "yuv420p10le"
        stream.colorspace, stream.color_primaries, stream.color_trc, stream.color_range = 9, 9, transfer, 1
        for index in range(4):
            frame = VideoFrame.from_ndarray(coded, format="rgb48le").reformat(
                format="yuv420p10le", dst_colorspace=9, src_color_range=2, dst_color_range=1
            )
            frame.pts, frame.time_base = index, Fraction(1, 30)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    shown = [frame.image_rgb for frame in read_frames(path)]
    assert len(shown) == 4
    # In the middle of each patch, away from the subsampled chroma of its rim.
    error = np.abs(shown[0].astype(int) - image).reshape(8, 16, 8, 16, 3)[:, 6:10, :, 6:10]
    assert np.median(error) <= 2
    assert error.mean() < 4
