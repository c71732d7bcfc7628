"""Benchmarks resume, the page shows the results, and bad input gives one sentence."""

import ast
import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dancenow.cli import main as cli
from dancenow.errors import UserError
from dancenow.progress import Progress, ProgressCallback, ignore_progress
from dancenow.research.bench import drift, jobs, nearest_frame, normalization, normalized_images, page, registry
from dancenow.research.bench.ablation import summarize
from dancenow.research.bench.jobs import Job, Record, import_records, run_jobs
from dancenow.research.bench.results import Result
from dancenow.research.bench.tables import mean_and_spread
from dancenow.storage import code_digest
from dancenow.types import Pose, PoseTrack
from helpers.bodies import swaying_track


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DANCENOW_CACHE", str(tmp_path / "cache"))


def counting_jobs(calls: list[int], stops_at: int | None = None) -> list[Job]:
    def measure(number: int, folder: Path, on_progress: ProgressCallback) -> Record:
        (folder / "half-made").write_text("")
        on_progress(Progress("working", 1, 2))
        if number == stops_at:
            raise KeyboardInterrupt
        calls.append(number)
        return {"square": number**2}

    return [Job("count", {"number": n}, partial(measure, n), 1.0) for n in range(4)]


def test_an_interrupted_bench_resumes_and_measures_nothing_twice(tmp_path: Path) -> None:
    calls: list[int] = []
    with pytest.raises(KeyboardInterrupt):
        run_jobs("count", counting_jobs(calls, stops_at=2), ignore_progress)
    assert calls == [0, 1]
    events: list[Progress] = []
    records = run_jobs("count", counting_jobs(calls), events.append)
    assert calls == [0, 1, 2, 3]
    assert [(each["number"], each["square"]) for each in records] == [(n, n**2) for n in range(4)]
    assert events[-1].done == events[-1].total == 2.0  # cached records do not count towards the remaining time
    assert [event.done for event in events] == sorted(event.done for event in events)
    assert not list((tmp_path / "cache").rglob("half-made"))


def test_changed_code_is_measured_again(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    run_jobs("count", counting_jobs(calls), ignore_progress)
    monkeypatch.setattr(jobs, "code_digest", lambda _module: "another")
    run_jobs("count", counting_jobs(calls), ignore_progress)
    assert calls == [0, 1, 2, 3] * 2


def test_the_code_digest_ignores_formatting_comments_and_the_python_version() -> None:
    words = code_digest._words(ast.parse("def f(x: int = 2) -> int:\n    return x  # as it was\n"))
    assert words == code_digest._words(ast.parse("def f(x: int=2)->int: return x"))
    assert words != code_digest._words(ast.parse("def f(x: int = 3) -> int:\n    return x\n"))
    assert "type_params" not in words
    assert "type_ignores" not in words


def test_a_record_from_another_machine_counts_and_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DANCENOW_BENCH_CONDITIONS", "two cells at a time")
    run_jobs("count", counting_jobs([]), ignore_progress)
    kept = sorted((tmp_path / "cache").rglob("count-*.json"))
    for path in kept[1:]:  # as if three of four had been measured on another machine without a checkout
        found = json.loads(path.read_text())
        found["record"]["measured_on"]["machine"]["gpu"] = "Loom 3"
        found["record"]["measured_on"]["versions"]["commit"] = None
        path.write_text(json.dumps(found))
    calls: list[int] = []
    records = run_jobs("count", counting_jobs(calls), ignore_progress)
    assert not calls
    merged = Result.from_records("memory", "laptop", (0,), {}, records, {})
    assert merged.machine["gpu"] == "Loom 3"
    assert merged.machine["conditions"] == "two cells at a time"
    own = [each for each in merged.records if "measured_on" in each]
    assert len(own) == 1
    assert own[0]["measured_on"]["machine"]["gpu"] is None
    output = page._provenance(merged, tmp_path / "x" / "y.json")
    assert "Loom 3 (two cells at a time)" in output
    assert "; 1 of 4 records on " in output
    with pytest.raises(UserError, match="nothing of the bench memory was measured"):
        Result.from_records("memory", "laptop", (0,), {}, [], {})


def test_a_benchmark_continues_on_another_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    records = run_jobs("count", counting_jobs([])[:3], ignore_progress)
    partial_result = Result.from_records("memory", "laptop", (0,), {}, records, {})
    partial_result.write(tmp_path)
    monkeypatch.setenv("DANCENOW_CACHE", str(tmp_path / "other"))
    calls: list[int] = []
    import_records(Result.read(partial_result.write(tmp_path)))
    continued = run_jobs("count", counting_jobs(calls), ignore_progress)
    assert calls == [3]
    assert Result.from_records("memory", "laptop", (0,), {}, continued[:3], {}) == partial_result
    monkeypatch.setattr(jobs, "code_digest", lambda _module: "another")
    run_jobs("count", counting_jobs(calls), ignore_progress)
    assert calls == [3, 0, 1, 2, 3]
    import_records(replace(partial_result, records=[{"cell": "../count-0123456789abcdef0123"}, {"number": 5}]))
    assert not list(tmp_path.rglob("*0123456789abcdef0123*"))


def grid_jobs(calls: list[str]) -> list[Job]:
    def measure(name: str, _folder: Path, _on_progress: ProgressCallback) -> Record:
        calls.append(name)
        return {"measured": name}

    return [
        Job("grid", {"subject": who, "budget": budget, "seed": seed}, partial(measure, f"{who} {budget} {seed}"), 1.0)
        for who in ("ann", "bob")
        for budget in ("4m", "15m")
        for seed in (0, 1)
    ]


def test_a_part_is_measured_alone_and_joins_cached_records() -> None:
    calls: list[str] = []
    first = run_jobs("grid", grid_jobs(calls), ignore_progress, ["ann", "4m"])
    assert calls == ["ann 4m 0", "ann 4m 1"]
    assert [record["measured"] for record in first] == calls
    calls.clear()
    joined = run_jobs("grid", grid_jobs(calls), ignore_progress, ["ann", "bob", "4m", "1"])
    assert calls == ["bob 4m 1"]
    assert [record["measured"] for record in joined] == ["ann 4m 0", "ann 4m 1", "bob 4m 1"]
    with pytest.raises(UserError, match=r"no part of this bench is called 'eve'; choose from .*ann.*bob"):
        run_jobs("grid", grid_jobs(calls), ignore_progress, ["eve"])
    assert len(run_jobs("grid", grid_jobs(calls), ignore_progress)) == 8


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"record": 3}'])
def test_a_damaged_cached_record_is_named(tmp_path: Path, damage: str) -> None:
    run_jobs("count", counting_jobs([]), ignore_progress)
    kept = sorted((tmp_path / "cache").rglob("*.json"))[0]
    kept.write_text(damage)
    with pytest.raises(UserError, match=f"{kept.name} is damaged; remove it"):
        run_jobs("count", counting_jobs([]), ignore_progress)


def record(method: str, subject: str, seed: int, ssim: float, flicker: float) -> dict[str, Any]:
    scores = {
        "SSIM, person": {"value": ssim, "unit": "", "better": "higher"},
        "flicker, person": {"value": flicker, "unit": "x", "better": "lower"},
    }
    clips = [{"protocol": "transfer", "dance": dance, "frames": 8, "scores": scores} for dance in ("a", "b")]
    return {"method": method, "subject": subject, "seed": seed, "images_seen": 100, "clips": clips}


def records() -> list[dict[str, Any]]:
    return [
        *(record("truth, encoded again", who, 0, 0.99, 1.0) for who in ("ann", "bob")),
        *(record("blurred", who, seed, 0.7 + 0.02 * seed, 1.2) for who in ("ann", "bob") for seed in (0, 1)),
        *(record("sharp", who, seed, 0.8, 1.5 + (who == "bob")) for who in ("ann", "bob") for seed in (0, 1)),
    ]


def test_the_summary_separates_subjects_and_seeds() -> None:
    figures = summarize(records(), "transfer")
    blurred, sharp = figures["blurred"]["figures"], figures["sharp"]["figures"]
    assert blurred["SSIM, person"]["mean"] == pytest.approx(0.71)
    assert blurred["SSIM, person"]["spread"] == pytest.approx(0.0)
    assert blurred["SSIM, person"]["seed_spread"] == pytest.approx(0.02 / np.sqrt(2))
    assert sharp["flicker, person"]["spread"] == pytest.approx(1 / np.sqrt(2))
    assert sharp["flicker, person"]["seed_spread"] == 0
    assert figures["truth, encoded again"]["figures"]["SSIM, person"]["seed_spread"] is None


def result(size: Any = "laptop", date: str = "2030-01-02") -> Result:
    film = {"film": {"size_px": 64, "fps": 24}, "castings": [{"dances": [1, 2]}]}
    settings = {
        "world": film,
        "budget": "60s",
        "paper_width": 0.25,
        "paper_px": 256,
        "ours": "draft",
        "methods": {"sharp": "x"},
    }
    machine = {"cpu": "Abacus 9", "cores": 2, "ram_gb": 8.0, "gpu": None}
    versions = {"dancenow": "0", "commit": None, "torch": "2", "python": "3"}
    return Result(
        "ablation", size, date, machine, versions, (0, 1), settings, records(), {"transfer": summarize(records(), "transfer")}
    )


def test_the_page_shows_only_the_newest_results(tmp_path: Path) -> None:
    folder = tmp_path / "results"
    result(date="2029-12-31").write(folder)
    result().write(folder)
    result(size="smoke").write(folder)
    (folder / "2031-01-01-somebody-elses.json").write_text("{")
    text = page.write_page(folder).read_text("utf-8")
    assert "Abacus 9" in text
    assert "2029" not in text
    assert "(smoke)" not in text
    rows = {line.split("|")[1].strip(): line for line in text.splitlines() if line.startswith("| ")}
    assert "**0.800 ± 0 (0)**" in rows["sharp"]
    assert "**1.20 ± 0 (0)**" in rows["blurred"]
    assert "0.710 ± 0 (0.014)" in rows["blurred"]
    assert "**" not in rows["truth, encoded again"]


def test_reading_a_result_restores_it(tmp_path: Path) -> None:
    continued = Result.read(result().write(tmp_path))
    assert json.dumps(continued.summary) == json.dumps(result().summary)


def test_bad_input_is_one_sentence_and_status_2(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file, damaged = tmp_path / "file", tmp_path / "damaged"
    file.write_text("")
    result().write(damaged)
    (damaged / "2030-01-02-speed-laptop.json").write_text("{}")
    commands: list[tuple[str | Path, ...]] = [
        ("everything", "-o", tmp_path),
        ("memory", "--size", "smoke", "-o", file),
        ("memory", "--size", "smoke", "-o", file / "folder"),
        ("page", "memory", "-o", tmp_path),
        ("page", "-o", tmp_path / "absent"),
        ("page", "-o", damaged),
    ]
    for words in commands:
        with pytest.raises(SystemExit) as stopped:
            cli.main(["bench", *map(str, words)])
        output = capsys.readouterr().err
        assert stopped.value.code == 2, words
        assert output.startswith("dancenow: "), words
        assert output.count("\n") == 1, words


def test_a_ping_pong_dance_never_jumps_and_ends_as_it_starts() -> None:
    track = swaying_track()
    dance = drift.ping_pong(track, 3)
    np.testing.assert_array_equal(dance.pose.xy[: len(track)], track.pose.xy)
    np.testing.assert_array_equal(dance.pose.xy[-len(track) :], track.pose.xy)
    steps = np.abs(np.diff(dance.pose.xy, axis=0)).max()
    assert steps == np.abs(np.diff(track.pose.xy, axis=0)).max()
    assert dance.fps == pytest.approx(track.fps)
    with pytest.raises(ValueError, match="passes must be an odd number"):
        drift.measure_drift(Path("m"), Path("t"), track, 4, 1, ignore_progress)


def test_drift_is_the_change_from_first_to_last_pass() -> None:
    first = {"SSIM": 0.8, "perceptual": 0.5, "sharpness": 0.9, "flicker": None}
    last = {"SSIM": 0.76, "perceptual": 0.51, "sharpness": 0.9, "flicker": 1.2}
    change = drift.summarize({"seconds": 180.0, "first": first, "last": last})["change"]
    assert change == {"SSIM": -0.05, "perceptual": 0.02, "sharpness": 0.0}


def test_every_bench_has_a_section() -> None:
    assert set(page.BODIES) == set(page.TITLES) == {*registry.BENCHES, *page.SCRIPTS}


@pytest.mark.parametrize(
    ("mean", "spread", "text"), [(0.91234, 0.0123, "0.912 ± 0.012"), (1234.5, 210.0, "1234 ± 210"), (22.68, 0.5, "22.7 ± 0.5")]
)
def test_numbers_keep_significant_digits(mean: float, spread: float, text: str) -> None:
    assert mean_and_spread(mean, spread) == text


def test_retrieval_finds_the_frame_with_the_same_pose_and_position(swaying: Callable[..., PoseTrack]) -> None:
    known = swaying().pose
    order = np.random.default_rng(3).permutation(len(known))
    found = nearest_frame.nearest(known[order], known)
    np.testing.assert_allclose(known.xy[found], known.xy[order], atol=0.01)  # who sways comes by continued
    moved = Pose((known.xy + 400).astype(np.float32), known.confidence)
    joined = Pose(np.concatenate([moved.xy, known.xy]), np.concatenate([moved.confidence, known.confidence]))
    assert nearest_frame.nearest(known[:5], joined).min() >= len(known)


def test_retargeting_is_measured_by_the_distance_to_the_truth() -> None:
    track = swaying_track()
    shifted = PoseTrack(
        **{**vars(track), "pose": Pose((track.pose.xy + np.array([30, 0])).astype(np.float32), track.pose.confidence)}
    )
    same = normalization.measure_setup(normalization.Setup("same", track, track, track, None), "none")
    off = normalization.measure_setup(normalization.Setup("off", shifted, track, track, None), "none")
    retargeted = normalization.measure_setup(normalization.Setup("off", shifted, track, track, None), "paper")
    assert same["keypoint_error"] == same["ground_error"] == 0
    assert off["keypoint_error"] > 0.05
    assert retargeted["keypoint_error"] < 0.1 * off["keypoint_error"]


def test_image_gains_are_averaged_over_transfers() -> None:
    def row(setup: str, kind: str, ssim: float) -> dict[str, Any]:
        return {"setup": setup, "normalize": kind, "ssim_person": ssim, "psnr_person_db": 20.0, "perceptual_person": 0.5}

    records: list[dict[str, Any]] = [
        {
            "target": "dov",
            "rows": [row("a", "paper", 0.5), row("a", "bones", 0.6), row("b", "paper", 0.9), row("b", "bones", 0.9)],
        },
        {"target": "eve", "rows": [row("a", "paper", 0.7), row("a", "bones", 0.9)]},
        {"target": "chi"},  # not measured yet
    ]
    found = normalized_images.summarize_images(records)["bones"]["ssim_person"]
    assert found["mean"] == pytest.approx(0.8)
    assert found["over_paper"] == pytest.approx(0.1)
    assert found["spread_over_paper"] == pytest.approx(0.1)
