"""Shards: reproducible bytes, readable by any tar, checked when opened, streamed shuffled, and resumed exactly."""

import hashlib
import io
import json
import shutil
import subprocess
import sys
import tarfile
from itertools import islice
from pathlib import Path

import pytest

from dancenow.cli import main as cli
from dancenow.errors import UserError
from dancenow.provenance.consent import consent
from dancenow.research.dataset.index import INDEX, clip_file, digest_of
from dancenow.research.dataset.package import SUMS, package, unpack
from dancenow.research.dataset.shards import SHARDS_INDEX, ShardedClips, Shards
from dancenow.subject.subject import Subject, record_consent, withdraw_consent


def test_the_same_dataset_gives_the_same_bytes(drawn_dataset: Path, shards: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(drawn_dataset, tmp_path / "elsewhere")
    for path in copy.rglob("*"):
        path.chmod(0o700)  # other permissions and another change time
    package(copy, tmp_path / "again", shard_mb=0.2)
    names = sorted(path.name for path in shards.iterdir())
    assert names == sorted(path.name for path in (tmp_path / "again").iterdir())
    assert len([name for name in names if name.endswith(".tar")]) > 2
    for name in names:
        assert (shards / name).read_bytes() == (tmp_path / "again" / name).read_bytes(), name


def test_checksums_are_those_of_every_file(shards: Path) -> None:
    lines = [line.split("  ") for line in (shards / SUMS).read_text().splitlines()]
    assert {name for _, name in lines} == {path.name for path in shards.iterdir()} - {SUMS}
    assert all(hashlib.sha256((shards / name).read_bytes()).hexdigest() == digest for digest, name in lines)


def test_any_tar_reads_a_shard_and_a_clips_members_follow_each_other(shards: Path, drawn_dataset: Path) -> None:
    keys: list[str] = []
    for path in sorted(shards.glob("*.tar")):
        with tarfile.open(path) as tar:
            for member in tar:
                key, _, suffix = member.name.partition(".")
                assert (member.mtime, member.uid, member.uname, member.isreg()) == (0, 0, "", True)
                if not keys or keys[-1] != key:
                    keys.append(key)
                if suffix == "mp4":
                    held = tar.extractfile(member)
                    assert held is not None
                    assert held.read() == clip_file(drawn_dataset, key, "mp4").read_bytes()
    assert len(keys) == len(set(keys)) == 12


def test_an_invalid_dataset_is_not_packed(drawn_dataset: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(drawn_dataset, tmp_path / "damaged")
    clip_file(copy, "id0002-dance0001", "npz").unlink()
    with pytest.raises(UserError, match=r"not valid: .*npz is missing"):
        package(copy, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_is_unpacked_is_what_was_packed(shards: Path, drawn_dataset: Path, tmp_path: Path) -> None:
    unpack(shards, tmp_path / "all")
    assert (tmp_path / "all" / INDEX).read_bytes() == (drawn_dataset / INDEX).read_bytes()
    for path in (tmp_path / "all" / "clips").rglob("*.*"):
        assert path.read_bytes() == (drawn_dataset / path.relative_to(tmp_path / "all")).read_bytes()
    paths = unpack(shards, tmp_path / "two", ["id0003-dance0002", "id0001-dance0000"])
    assert [path.name for path in paths] == ["id0003-dance0002", "id0001-dance0000"]
    assert sorted(path.name for path in (tmp_path / "two" / "clips").iterdir()) == ["id0001-dance0000", "id0003-dance0002"]


def test_a_damaged_shard_is_noticed_wherever_it_is_read(shards: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(shards, tmp_path / "copy")
    opened = Shards.open(copy)
    shard = copy / opened.shards[0].name
    content = bytearray(shard.read_bytes())
    content[5000] ^= 1
    shard.write_bytes(content)
    assert len(opened.verify()) == 1
    with pytest.raises(UserError, match="is damaged at"):
        [opened.read(entry) for entry in opened.dataset.entries]
    with pytest.raises(UserError, match="is damaged at"):
        unpack(copy, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    shard.write_bytes(content[:-512])
    with pytest.raises(UserError, match="missing or not complete"):
        Shards.open(copy)


def test_no_path_in_a_tar_is_followed(shards: Path, tmp_path: Path) -> None:
    """A shard with a matching index and members that are links or point outside the folder."""
    copy = shutil.copytree(shards, tmp_path / "copy")
    fields = json.loads((copy / SHARDS_INDEX).read_text())
    first = fields["shards"][0]
    for name, kind in (("../../evil.mp4", tarfile.REGTYPE), ("id0000-dance0000.mp4", tarfile.SYMTYPE)):
        with (copy / first["name"]).open("wb") as file, tarfile.TarFile(fileobj=file, mode="w") as tar:
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, "/etc/passwd" if kind == tarfile.SYMTYPE else ""
            member.size = 4 if kind == tarfile.REGTYPE else 0
            tar.addfile(member, io.BytesIO(b"evil"))
        fields.pop("digest", None)
        first["bytes"], first["offsets"] = (copy / first["name"]).stat().st_size, dict.fromkeys(first["offsets"], 0)
        (copy / SHARDS_INDEX).write_text(json.dumps(fields | {"digest": digest_of(fields)}))
        with pytest.raises(UserError, match="does not belong there"):
            unpack(copy, tmp_path / "out")
        assert not [path for path in tmp_path.rglob("*") if "evil" in path.name]


def test_an_epoch_has_every_clip_once_in_another_order(shards: Path) -> None:
    opened = Shards.open(shards)
    keys = [sample.entry.key for sample in ShardedClips(opened, seed=1, buffer=4, epochs=3)]
    epochs = [keys[:12], keys[12:24], keys[24:]]
    assert all(sorted(epoch) == sorted(entry.key for entry in opened.dataset.entries) for epoch in epochs)
    assert epochs[0] != epochs[1] != epochs[2]
    assert keys == [sample.entry.key for sample in ShardedClips(opened, seed=1, buffer=4, epochs=3)]
    assert keys != [sample.entry.key for sample in ShardedClips(opened, seed=2, buffer=4, epochs=3)]


@pytest.mark.parametrize("stop", [0, 1, 7, 12, 17, 23])
def test_a_stream_resumes_exactly(shards: Path, stop: int) -> None:
    opened = Shards.open(shards)
    unbroken = ShardedClips(opened, seed=3, buffer=5)
    list(islice(unbroken, stop))
    state = json.loads(json.dumps(unbroken.state_dict()))
    expected = [(sample.entry.key, sample.files) for sample in islice(unbroken, 20)]
    resumed = ShardedClips(Shards.open(shards), seed=3, buffer=5)
    resumed.load_state_dict(state)
    assert [(sample.entry.key, sample.files) for sample in islice(resumed, 20)] == expected
    assert state["shard"] in {shard.name for shard in opened.shards} | {""}


def test_a_state_of_something_else_is_refused(shards: Path) -> None:
    opened = Shards.open(shards)
    state = ShardedClips(opened, seed=3).state_dict()
    for other in (ShardedClips(opened, seed=4), ShardedClips(opened, seed=3, entries=opened.dataset.entries[:3])):
        with pytest.raises(UserError, match="belongs to other shards"):
            other.load_state_dict(state)
    with pytest.raises(UserError, match="damaged"):
        ShardedClips(opened, seed=3).load_state_dict(state | {"buffer": ["nobody"]})
    with pytest.raises(UserError, match="no clips to draw from"):
        ShardedClips(opened, entries=[])


def test_filmed_subjects_are_packed_with_their_consent_and_refused_without(
    drawn_subject: Subject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DANCENOW_HOME", str(tmp_path / "home"))
    folder = tmp_path / "subjects" / "ada"
    shutil.copytree(drawn_subject.folder, folder)
    record_consent(folder, consent("licensed", person="Ada", licence="CC-BY-4.0"))
    package(folder.parent, tmp_path / "packed")
    unpack(tmp_path / "packed", tmp_path / "out")
    opened = Subject.open(tmp_path / "out" / "ada")
    assert opened.manifest.consent == Subject.open(folder).manifest.consent
    withdraw_consent(folder)
    with pytest.raises(UserError, match="was withdrawn on"):
        unpack(tmp_path / "packed", tmp_path / "later")
    with pytest.raises(UserError, match="was withdrawn on"):
        ShardedClips(Shards.open(tmp_path / "packed"))
    with pytest.raises(UserError, match="not valid"):
        package(folder.parent, tmp_path / "again")


def test_bad_input_is_one_sentence_and_status_2(
    shards: Path, drawn_dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    full = tmp_path / "full"
    full.mkdir()
    (full / "mine.txt").write_text("mine")
    commands: list[tuple[str | Path, ...]] = [
        ("package", shards, "-o", tmp_path / "out"),
        ("package", drawn_dataset, "-o", full),
        ("package", drawn_dataset, "-o", tmp_path / "out", "--shard-mb", "0"),
        ("package", tmp_path / "absent", "-o", tmp_path / "out"),
        ("open", drawn_dataset, "-o", tmp_path / "out"),
        ("open", shards),
        ("open", shards, "-o", full),
        ("open", shards, "-o", tmp_path / "out", "--clips", "nobody"),
        ("open", shards, "-o", tmp_path / "out", "--identity", "nobody"),
        ("open", shards, "-o", tmp_path / "out", "--identity", "id0000", "--clips", "id0000-dance0000"),
        ("card", shards),
        ("card", full),
    ]
    for arguments in commands:
        with pytest.raises(SystemExit) as stopped:
            cli.main(["dataset", *map(str, arguments)])
        error = capsys.readouterr().err
        assert stopped.value.code == 2, arguments
        assert error.startswith("dancenow: "), (arguments, error)
        assert error.count("\n") == 1, (arguments, error)
    assert [path.name for path in tmp_path.iterdir() if path.name != "cache"] == ["full"]
    assert (full / "mine.txt").read_text() == "mine"


def test_the_list_is_a_table(shards: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["dataset", "open", str(shards), "--list"])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 13
    assert lines[0].startswith("key,identity,dance")
    assert lines[1].startswith("id0000-dance0000,id0000,dance0000,room0000,48,24,128,128,2.0,train,train,train,")


@pytest.mark.slow
def test_the_example_resumes(shards: Path, tmp_path: Path) -> None:
    script = Path(__file__).parents[3] / "examples" / "04_stream_a_dataset.py"
    command = [sys.executable, str(script), str(shards), str(tmp_path / "state.json")]
    runs = [subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines() for _ in range(3)]
    keys = [line.split(":")[0] for lines in runs for line in lines]
    assert len(keys) == 12
    # Six clips are for training: two epochs, each with every one of them once.
    assert sorted(keys[:6]) == sorted(keys[6:])
    assert len(set(keys)) == 6
