"""Making a dataset: plan and protocols, resuming, growing, and invalid requests."""

import dataclasses
import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from dancenow.cli import main as cli
from dancenow.errors import UserError
from dancenow.pose.track_io import load_track
from dancenow.research.dataset import make
from dancenow.research.dataset.index import CLIPS, INDEX, read_index
from dancenow.research.dataset.make import make_dataset
from dancenow.research.dataset.plan import DatasetConfig, assign_rooms, plan_clips, sample_dance
from dancenow.research.dataset.protocol import PARTS, assign_parts, split_spans
from dancenow.research.dataset.source import open_source
from helpers.drawn_dataset import SMALL, draw_instead_of_rendering


def test_parts_have_their_fractions_and_growing_moves_nobody() -> None:
    split_fractions = (0.6, 0.2, 0.2)
    many = assign_parts(100, split_fractions)
    assert [many.count(part) for part in PARTS] == [60, 20, 20]
    assert assign_parts(37, split_fractions) == many[:37]
    assert set(assign_parts(4, (0.5, 0.25, 0.25))) == set(assign_parts(3, (0.5, 0.25, 0.25))) == set(PARTS)
    assert assign_parts(1, split_fractions) == ("train",)


def test_no_room_is_seen_in_two_parts_and_some_are_shared() -> None:
    config = DatasetConfig(identities=30, dances=1)
    people, rooms = assign_parts(30, config.split_fractions), assign_rooms(config)
    assert all(len({people[i] for i, other in enumerate(rooms) if other == room}) == 1 for room in rooms)
    assert max(rooms.count(room) for room in rooms) == 2
    assert len(set(rooms)) < 20


@pytest.mark.parametrize("seconds", [0.5, 6.0, 600.0])
def test_time_spans_of_two_parts_have_a_gap(seconds: float) -> None:
    spans = split_spans(seconds, (0.6, 0.2, 0.2))
    assert [*spans] == [*PARTS]
    for (_, stop), (start, _) in pairwise(spans.values()):
        assert start - stop == pytest.approx(min(1.0, 0.05 * seconds), abs=1e-5)
    assert spans["test"][1] == pytest.approx(seconds)


def test_dances_do_not_repeat_within_a_clip() -> None:
    config = DatasetConfig(dances=40, seconds=20.0)
    assert all(sample_dance(config, number).seconds > config.seconds for number in range(40))


def test_everybody_performs_every_dance_and_the_index_lists_parts(drawn_dataset: Path) -> None:
    dataset = read_index(drawn_dataset / INDEX)
    assert len(dataset.entries) == 12
    assert {(entry.identity, entry.info["dance"]) for entry in dataset.entries} == {
        (f"id000{i}", f"dance000{d}") for i in range(4) for d in range(3)
    }
    for protocol in ("person", "dance", "both"):
        assert {entry.part(protocol) for entry in dataset.entries} >= set(PARTS)
    assert sum(entry.part("both") is None for entry in dataset.entries) == 8
    assert dataset.about["licence"] == "CC0-1.0"
    # The same dance on two bodies has the same moves: the ground truth of a transfer.
    one, two = (load_track(drawn_dataset / CLIPS / key / f"{key}.npz") for key in ("id0000-dance0001", "id0003-dance0001"))
    assert not np.allclose(one.pose.xy, two.pose.xy, atol=2)
    straight = np.corrcoef(one.pose.xy[:, 4].ravel(), two.pose.xy[:, 4].ravel())[0, 1]
    assert straight > 0.98


def test_an_interrupted_make_resumes_and_leaves_no_incomplete_clip(
    drawn_dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rendered = draw_instead_of_rendering(monkeypatch)
    draw = vars(make)["render_performance"]

    def interrupted(*arguments: object, **options: object) -> object:
        dataset = draw(*arguments, **options)
        if len(rendered) == 5:
            raise KeyboardInterrupt
        return dataset

    monkeypatch.setattr(make, "render_performance", interrupted)
    out = tmp_path / "dataset"
    with pytest.raises(KeyboardInterrupt):
        make_dataset(out, SMALL)
    assert len([*(out / CLIPS).iterdir()]) == 4, "the fifth was not complete"
    with pytest.raises(UserError, match="not complete; continue"):
        open_source(out)
    monkeypatch.setattr(make, "render_performance", draw)
    make_dataset(out, SMALL)
    assert len(rendered) == 5 + 8, "finished clips are not rendered again"
    assert (out / INDEX).read_bytes() == (drawn_dataset / INDEX).read_bytes()


def test_a_truncated_clip_is_rendered_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rendered = draw_instead_of_rendering(monkeypatch)
    config = dataclasses.replace(SMALL, identities=1)
    make_dataset(tmp_path / "d", config)
    clip = rendered[1].parent.name
    video = tmp_path / "d" / CLIPS / "id0000-dance0001" / "id0000-dance0001.mp4"
    assert clip == "id0000-dance0001"
    video.write_bytes(video.read_bytes()[:-1])
    before = (tmp_path / "d" / INDEX).read_bytes()
    make_dataset(tmp_path / "d", config)
    assert len(rendered) == 4
    assert (tmp_path / "d" / INDEX).read_bytes() == before


def test_a_dataset_grows_and_does_not_shrink(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rendered = draw_instead_of_rendering(monkeypatch)
    out, small = tmp_path / "d", dataclasses.replace(SMALL, identities=2, dances=1)
    before = make_dataset(out, small)
    after = make_dataset(out, dataclasses.replace(small, dances=2))
    assert len(rendered) == 4
    kept = {entry.key: entry.files for entry in after.entries}
    assert all(kept[entry.key] == entry.files for entry in before.entries)
    with pytest.raises(UserError, match="also holds id0000-dance0001"):
        make_dataset(out, small)
    with pytest.raises(UserError, match="whose seed is 2, not 3"):
        make_dataset(out, dataclasses.replace(small, dances=2, seed=3))
    assert len(read_index(out / INDEX).entries) == 4


def test_bad_input_is_refused_and_nothing_is_lost(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("content")
    given = [
        ("mine", "--identities", "2", "--dances", "1"),
        ("new", "--identities", "0", "--dances", "1"),
        ("new", "--identities", "2", "--dances", "1", "--fps", "fast"),
        ("new", "--identities", "2", "--dances", "1", "--size", "129"),
        ("new", "--identities", "2", "--dances", "1", "--split", "1:2"),
        ("new", "--identities", "2", "--dances", "1", "--split", "0:1:1"),
        ("new", "--identities", "2", "--dances", "1", "--split", "nan:1:1"),
        ("new", "--identities", "2", "--dances", "1", "--processes", "0"),
        ("new", "--identities", "2", "--dances", "1", "--seconds", "nan"),
        ("new", "--identities", "2", "--dances", "1", "--seed", "-1"),
        ("mine/thesis.txt", "--identities", "2", "--dances", "1"),
    ]
    for name, *options in given:
        with pytest.raises(SystemExit) as stopped:
            cli.main(["dataset", "make", str(tmp_path / name), *options])
        error = capsys.readouterr().err
        assert stopped.value.code == 2, options
        assert error.startswith("dancenow: "), (options, error)
        assert error.count("\n") == 1, (options, error)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "content"


@pytest.mark.slow
def test_the_same_seed_gives_the_same_dataset_by_one_process_or_two(tmp_path: Path) -> None:
    """Renders with the studio: same index and files; keypoints on the person; the empty room is the background."""
    pytest.importorskip("anny")
    pytest.importorskip("warp")
    config = DatasetConfig(identities=2, dances=1, seconds=0.5, size_px=96, fps="12", seed=5)
    one = make_dataset(tmp_path / "one", config)
    make_dataset(tmp_path / "two", config, processes=2)
    assert (tmp_path / "one" / INDEX).read_bytes() == (tmp_path / "two" / INDEX).read_bytes()
    for entry in one.entries:
        for suffix in entry.files:
            name = f"{CLIPS}/{entry.key}/{entry.key}.{suffix}"
            assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes(), suffix
    assert len(plan_clips(config)) == len(one.entries) == 2
    assert json.loads((tmp_path / "one" / INDEX).read_text())["totals"]["frames"] == 12
