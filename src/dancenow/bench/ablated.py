"""The clips that the ablation and the budget bench left behind, as further tests of the classifier: longer trained, many more.

Their generated clips carry the invisible mark, so the others are given one here: it must not be what tells them apart.
"""

import re
from pathlib import Path
from typing import Final

from dancenow.bench.suspects import Exhibit
from dancenow.files import cache_dir, complete_or_absent
from dancenow.training.encodings import Encoding, write_encoded
from dancenow.training.forensic import REAL
from dancenow.types import ImageRGB
from dancenow.video import probe, read_frames
from dancenow.watermark import Payload, Watermarker

_NAME: Final = re.compile(r"([a-z]+)-([a-z]+)-draft-(\d+)(s|m)-0-(.+)\.mp4")
_FAMILIES: Final = {
    "truth-encoded-again": REAL,
    "nearest-frame": "nearest frame",
    "ours": "draft",
    "ours,-from-nothing": "draft, from nothing",
    "+-temporal-smoothing": "paper",
    "paper": "paper",
    "pix2pixHD": "pix2pixHD",
}
_MARKED: Final = ("draft", "draft, from nothing", "paper", "pix2pixHD")
ENCODINGS: Final = (Encoding(23), Encoding(28), Encoding(33))


def ablated() -> list[Exhibit]:
    """Those of the first seed, in each encoding; none where the benches were not run. `images` holds seconds of training."""
    found, folder = [], cache_dir("forensics/ablated")
    for video in sorted(cache_dir("bench/videos").glob("*.mp4")):
        match = _NAME.fullmatch(video.name)
        family = _FAMILIES.get(match[5]) if match else None
        if match is None or family is None:
            continue
        seconds = int(match[3]) * (60 if match[4] == "m" else 1)
        for encoding in ENCODINGS:
            path = folder / f"{video.stem}-crf{encoding.crf}.mp4"
            if not path.is_file():
                _encode(video, encoding, path, marked=family in _MARKED)
            found.append(Exhibit(path, match[1], "test", match[2], family, seconds, encoding.name))
    return found


def _encode(video: Path, encoding: Encoding, path: Path, *, marked: bool) -> None:
    marker = Watermarker(Payload("5eed"))
    frames: list[ImageRGB] = [frame.image_rgb if marked else marker.apply(frame.image_rgb) for frame in read_frames(video)]
    with complete_or_absent(path) as temporary:
        write_encoded(frames, probe(video).fps, encoding, temporary)
