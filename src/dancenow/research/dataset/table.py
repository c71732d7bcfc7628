"""Table of clips of a dataset card: CSV with one row per clip, for people and for Croissant."""

import csv
import io
from collections.abc import Iterator, Mapping
from typing import Any, Final

from dancenow.research.dataset.index import Entry
from dancenow.research.dataset.source import FolderSource, ShardSource

TABLE: Final = "clips.csv"
COLUMNS: Final[Mapping[str, tuple[str, str]]] = {
    "key": ("sc:Text", "Name of the clip; its files begin with it."),
    "identity": ("sc:Text", "Name of the person."),
    "dance": ("sc:Text", "Name of the dance; clips of one dance show the same moves in every frame. Empty for footage."),
    "room": ("sc:Text", "Name of the room with its camera. Empty for footage."),
    "frames": ("sc:Integer", "Number of frames."),
    "fps": ("sc:Text", "Frames per second, as a fraction."),
    "width_px": ("sc:Integer", "Width of the image."),
    "height_px": ("sc:Integer", "Height of the image."),
    "seconds": ("sc:Float", "Length of the video."),
    "part_person": ("sc:Text", "Part under the protocol `person`: train, val, test, or empty."),
    "part_dance": ("sc:Text", "Part under the protocol `dance`: train, val, test, or empty."),
    "part_both": ("sc:Text", "Part under the protocol `both`: train, val, test, or empty if the clip mixes parts."),
    "train_s": ("sc:Text", "Protocol `time`: time span for training in seconds, start-stop."),
    "val_s": ("sc:Text", "Protocol `time`: time span for validation."),
    "test_s": ("sc:Text", "Protocol `time`: time span for testing."),
    "licence": ("sc:Text", "SPDX identifier."),
    "bytes": ("sc:Integer", "Size of all files of the clip."),
    "sha256": ("sc:Text", "SHA-256 of the video."),
    "shard": ("sc:Text", "Name of the tar file; empty if not packed."),
}
"""Column -> type in Croissant, and description."""


def table_text(source: FolderSource | ShardSource) -> str:
    """Return the table; the same dataset gives the same text."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(COLUMNS), lineterminator="\n")
    writer.writeheader()
    writer.writerows(_rows(source))
    return text.getvalue()


def _rows(source: FolderSource | ShardSource) -> Iterator[dict[str, Any]]:
    shards = source.shards.shards if isinstance(source, ShardSource) else ()
    where = {key: shard.name for shard in shards for key in shard.offsets}
    for entry in source.dataset.entries:
        fields = {
            name: entry.info.get(name, "") for name in ("identity", "dance", "room", "fps", "width_px", "height_px", "seconds")
        }
        spans = entry.info.get("spans_s", {})
        yield {
            "key": entry.key,
            **fields,
            "frames": entry.num_frames,
            **{f"part_{protocol}": entry.part(protocol) or "" for protocol in ("person", "dance", "both")},
            **{f"{part}_s": "-".join(f"{second:g}" for second in spans.get(part, ())) for part in ("train", "val", "test")},
            "licence": entry.info.get("licence") or source.dataset.about.get("licence") or "",
            "bytes": entry.bytes,
            "sha256": _video_sha256(entry),
            "shard": where.get(entry.key, ""),
        }


def _video_sha256(entry: Entry) -> str:
    return next(record.sha256 for suffix, record in entry.files.items() if suffix == "mp4" or suffix.startswith("video."))
