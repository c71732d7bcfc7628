"""Shards: tar files in the WebDataset layout (a clip is a run of members CLIP.suffix), their index, and streaming.

Any tar reader can read a shard. Here clips are found by the offsets in the index; member names are only compared, never used as
paths, and every file is checked against its hash.
"""

import hashlib
import json
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import numpy as np

from dancenow.errors import InputError, OptionError
from dancenow.research.dataset.consents import require_usable
from dancenow.research.dataset.index import Dataset, Entry, digest_of
from dancenow.storage.atomic_io import sha256_of

SHARDS_INDEX: Final = "shards.json"
SCHEMA: Final = 1
INFO: Final = "json"
"""Suffix of the member with the index entry of a clip, for readers that have only the tar."""


@dataclass(frozen=True)
class Shard:
    """One tar file. offsets: key -> byte offset of the first header of the clip, in file order."""

    name: str
    bytes: int
    sha256: str
    offsets: Mapping[str, int]

    def to_json(self) -> dict[str, Any]:
        """Return JSON values."""
        return {"name": self.name, "bytes": self.bytes, "sha256": self.sha256, "offsets": dict(self.offsets)}


@dataclass(frozen=True)
class Sample:
    """A clip from a shard. files: suffix -> content."""

    entry: Entry
    files: Mapping[str, bytes]


@dataclass(frozen=True, eq=False)
class Shards:
    """A folder of shards and its index. digest: of the index, which covers every byte of the shards."""

    folder: Path
    dataset: Dataset
    shards: tuple[Shard, ...]
    digest: str

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Read and check the index; shards are checked as they are read.

        Raises:
            UserError: the index is missing or damaged, or a shard is missing or has another size.
        """
        path = Path(folder) / SHARDS_INDEX
        try:
            fields = json.loads(path.read_text("utf-8"))
            if fields["schema"] != SCHEMA:
                raise ValueError(f"schema {fields['schema']} instead of {SCHEMA}")
            digest = str(fields.pop("digest"))
            if digest != digest_of(fields):
                raise ValueError("its fields do not match its digest")
            dataset = Dataset.from_json(fields["dataset"])
            shards = tuple(
                Shard(
                    str(each["name"]), int(each["bytes"]), str(each["sha256"]), {k: int(v) for k, v in each["offsets"].items()}
                )
                for each in fields["shards"]
            )
            keys = [key for shard in shards for key in shard.offsets]
            if sorted(keys) != sorted(entry.key for entry in dataset.entries):
                raise ValueError("shards and clips are not consistent")
            if any(Path(shard.name).name != shard.name or not shard.name.endswith(".tar") for shard in shards):
                raise ValueError("a shard is named by a path")
        except OSError as error:
            raise InputError(f"the shard index {path} cannot be read: {error.strerror}.") from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(f"the shard index {path} is damaged ({error}); download or make it again.") from error
        for shard in shards:
            file = Path(folder) / shard.name
            if not file.is_file() or file.stat().st_size != shard.bytes:
                raise InputError(f"the shard {file} is missing or not complete; download or make it again.")
        return cls(Path(folder), dataset, shards, digest)

    def read(self, entry: Entry) -> Sample:
        """Read a clip with all its files and check each.

        Raises:
            UserError: the shard is damaged.
        """
        return Sample(entry, dict(self._members(entry)))

    def unpack(self, entry: Entry, folder: Path, *suffixes: str) -> dict[str, Path]:
        """Write the files of a clip (all, or those with these suffixes) to a folder as CLIP.suffix; return suffix -> path."""
        paths = {}
        for suffix, content in self._members(entry):
            if not suffixes or suffix in suffixes:
                paths[suffix] = folder / f"{entry.key}.{suffix}"
                paths[suffix].write_bytes(content)
        return paths

    def verify(self) -> list[str]:
        """Return one sentence per shard whose bytes have changed."""
        return [
            f"the shard {shard.name} has changed since it was packed"
            for shard in self.shards
            if sha256_of(self.folder / shard.name) != shard.sha256
        ]

    def _members(self, entry: Entry) -> Iterator[tuple[str, bytes]]:
        shard = next(each for each in self.shards if entry.key in each.offsets)
        path = self.folder / shard.name
        missing = set(entry.files)
        try:
            with path.open("rb") as file:
                file.seek(shard.offsets[entry.key])
                with tarfile.open(fileobj=file, mode="r:") as tar:
                    while missing:
                        suffix, content = _member(tar, entry)
                        if suffix in missing:
                            missing.remove(suffix)
                            yield suffix, content
        except (OSError, tarfile.TarError, ValueError) as error:
            raise InputError(f"the shard {path} is damaged at {entry.key} ({error}); download or make it again.") from error


def _member(tar: tarfile.TarFile, entry: Entry) -> tuple[str, bytes]:
    """Read the next member, which must belong to the entry. Raises ValueError otherwise."""
    info = tar.next()
    if info is None:
        raise ValueError("it ends too early")
    suffix = info.name.removeprefix(f"{entry.key}.")
    if not info.isreg() or info.name != f"{entry.key}.{suffix}":
        raise ValueError(f"{info.name!r} does not belong there")
    if suffix == INFO and suffix not in entry.files:
        return suffix, b""
    record = entry.files.get(suffix)
    if record is None or info.size != record.bytes:
        raise ValueError(f"{info.name} is not what the index says")
    content_file = tar.extractfile(info)
    content = b"" if content_file is None else content_file.read()
    if hashlib.sha256(content).hexdigest() != record.sha256:
        raise ValueError(f"{info.name} has changed since it was packed")
    return suffix, content


class ShardedClips:
    """Streams shuffled clips from shards, endlessly or for some epochs, and resumes exactly from a saved state.

    Shards come in random order, each is read sequentially, and the next clip is drawn from a buffer of `buffer` clips (as in
    WebDataset): memory is bounded and reads are sequential. An epoch contains every clip once.
    """

    def __init__(
        self,
        shards: Shards,
        *,
        entries: Sequence[Entry] | None = None,
        seed: int = 0,
        buffer: int = 64,
        epochs: int | None = None,
    ) -> None:
        """entries: draw from these only, such as those of one part of a protocol.

        Raises:
            UserError: there are no clips to draw from, the buffer is empty, or a consent is missing.
        """
        chosen = {entry.key: entry for entry in (shards.dataset.entries if entries is None else entries)}
        if not chosen:
            raise InputError(f"there are no clips to draw from in {shards.folder}.")
        if buffer < 1:
            raise OptionError(f"the buffer must hold at least one clip, got {buffer}.")
        for entry in chosen.values():
            require_usable(shards.dataset, entry)
        self._shards, self._seed, self._size, self._epochs = shards, seed, buffer, epochs
        self._runs = [run for shard in shards.shards if (run := [chosen[key] for key in shard.offsets if key in chosen])]
        self._digest = digest_of({"shards": shards.digest, "keys": sorted(chosen), "seed": seed, "buffer": buffer})
        self._entries = chosen
        self._buffer: list[tuple[str, Sample | None]] = []
        self._start_epoch(0)
        self._rng = np.random.default_rng((seed, 0))

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Sample:
        """Return the next clip. Raises StopIteration after the last epoch, and UserError for a damaged shard."""
        if self._epochs is not None and self._epoch >= self._epochs:
            raise StopIteration
        while len(self._buffer) < self._size and self._position < len(self._order):
            entry = self._order[self._position]
            self._buffer.append((entry.key, self._shards.read(entry)))
            self._position += 1
        number = int(self._rng.integers(len(self._buffer)))
        key, sample = self._buffer[number]
        self._buffer[number] = self._buffer[-1]
        self._buffer.pop()
        if not self._buffer and self._position == len(self._order):
            self._start_epoch(self._epoch + 1)
        return sample if sample is not None else self._shards.read(self._entries[key])

    def state_dict(self) -> dict[str, Any]:
        """Return the state as JSON values: epoch, shard and offset of the next read, buffer content, and RNG."""
        shard, offset = "", 0
        if self._position < len(self._order):
            key = self._order[self._position].key
            shard, offset = next((each.name, each.offsets[key]) for each in self._shards.shards if key in each.offsets)
        return {
            "of": self._digest,
            "epoch": self._epoch,
            "position": self._position,
            "shard": shard,
            "offset": offset,
            "buffer": [key for key, _ in self._buffer],
            "rng": self._rng.bit_generator.state,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Resume from a state: the same clips follow as without the interruption.

        Raises:
            UserError: the state belongs to other shards, clips, seed or buffer size, or is damaged.
        """
        if state.get("of") != self._digest:
            raise InputError(
                f"this state belongs to other shards than {self._shards.folder}, or to other clips, seed or buffer size; start"
                " without a state."
            )
        try:
            self._start_epoch(int(state["epoch"]))
            self._position = int(state["position"])
            # Read when they are drawn, not now, to bound memory.
            self._buffer = [(str(key), None) for key in state["buffer"]]
            if not all(key in self._entries for key, _ in self._buffer) or not 0 <= self._position <= len(self._order):
                raise ValueError("unknown clip or position")
            self._rng.bit_generator.state = state["rng"]
        except (KeyError, ValueError, TypeError) as error:
            raise InputError(f"the state of the stream is damaged ({error}); start without a state.") from error

    def _start_epoch(self, epoch: int) -> None:
        """Set the clip order of an epoch, which depends on seed and epoch only."""
        self._epoch, self._position = epoch, 0
        order = np.random.default_rng((self._seed, 1, epoch)).permutation(len(self._runs))
        self._order = [entry for number in order for entry in self._runs[number]]
        self._buffer = []
