"""End to end at smoke-test size: a rendered test set, the real detector, trainings of a methods images, and the page."""

import importlib.util
import json
from dataclasses import replace
from pathlib import Path

import pytest

from dancenow.errors import UserError
from dancenow.progress import Progress
from dancenow.research.bench import ablation, page, speed
from dancenow.research.bench.methods import METHODS
from dancenow.research.bench.registry import run_benches
from dancenow.research.bench.sizes import SPEED
from dancenow.storage.atomic_io import cache_dir

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        any(importlib.util.find_spec(name) is None for name in ("anny", "warp")), reason="truth is rendered by the studio extra"
    ),
]


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty cache with the pretrained files."""
    weights = cache_dir("weights")
    monkeypatch.setenv("DANCENOW_CACHE", str(tmp_path / "cache"))
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "weights").symlink_to(weights.absolute(), target_is_directory=True)
    # One crop per frame instead of four: what is tested here is the benchmark, not the steadiness of its poses.
    monkeypatch.setattr("dancenow.subject.prepare._DETECTOR", "blazepose")


@pytest.mark.usefixtures("own_cache")
def test_an_ablation_end_to_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    methods = {name: METHODS[name] for name in ("truth, encoded again", "+ temporal smoothing", "ours")}
    monkeypatch.setattr(ablation, "METHODS", methods)
    (written,) = run_benches(["ablation"], "smoke", tmp_path / "results")
    result = json.loads(written.read_text("utf-8"))
    assert [cell["method"] for cell in result["cells"]] == list(methods)
    for protocol in ("held-out time", "transfer"):
        truth, *others = (result["summary"][protocol][name]["figures"]["SSIM, person"]["mean"] for name in methods)
        assert truth > 0.9
        assert all(truth > other for other in others)
    assert [cell.get("images_seen") for cell in result["cells"]] == [None, 4, 4]

    events: list[Progress] = []
    (repeated,) = run_benches(["ablation"], "smoke", tmp_path / "results", events.append)
    assert not [event for event in events if event.stage == "ablation"]  # every record was cached
    assert json.loads(repeated.read_text("utf-8"))["cells"] == result["cells"]

    monkeypatch.setattr(page, "SHOWN_SIZES", ("smoke",))
    text = page.write_page(written.parent).read_text("utf-8")
    shown = f"{result['summary']['transfer']['ours']['figures']['SSIM, person']['mean']:.3f}"
    assert shown in next(line for line in text.split("Transfer across")[1].splitlines() if line.startswith("| ours "))


@pytest.mark.usefixtures("own_cache")
def test_budget_and_drift_run_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "results"
    (part,) = run_benches(["budget"], "smoke", folder, only=["ours", "2images"])
    cells = json.loads(part.read_text("utf-8"))["cells"]
    assert [(cell["method"], cell["budget"], cell["images_seen"]) for cell in cells] == [("ours", "2images", 2)]
    (more,) = run_benches(["budget"], "smoke", folder, only=["4images", "paper"])
    result = json.loads(more.read_text("utf-8"))
    assert [(cell["method"], cell["budget"]) for cell in result["cells"]] == [
        ("ours", "2images"),
        ("paper", "4images"),
    ]
    assert result["cells"][0] == cells[0]
    with pytest.raises(UserError, match="no part of this bench is called 'fred'"):
        list(run_benches(["budget"], "smoke", folder, only=["fred"]))
    with pytest.raises(
        UserError, match="only ablation, budget, face, drift, speed, engines, normalize, camera, real can be measured in parts"
    ):
        list(run_benches(["memory"], "smoke", folder, only=["dov"]))

    (drifted,) = run_benches(["drift"], "smoke", folder, only=["ours"])
    drift = json.loads(drifted.read_text("utf-8"))
    (cell,) = drift["cells"]
    assert cell["seconds"] == 3 * cell["pass_seconds"]
    assert 0 < cell["first"]["SSIM"] <= 1
    assert abs(drift["summary"]["ours"]["change"]["SSIM"]) < 0.2  # two training images cannot cause drift
    monkeypatch.setattr(page, "SHOWN_SIZES", ("smoke",))
    rows = [line for line in page.write_page(folder).read_text("utf-8").splitlines() if line.startswith("| ")]
    assert any("2images | ours | from nothing" in row for row in rows)
    assert any(row.startswith("| ours: flicker") for row in rows)


@pytest.mark.usefixtures("own_cache")
def test_face_modes_are_compared_with_the_body_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "results"
    (written,) = run_benches(["face"], "smoke", folder)
    result = json.loads(written.read_text("utf-8"))
    cells = {cell["method"]: cell for cell in result["cells"]}
    assert [cells[name]["canvas_px"] is None for name in ("none", "residual", "cyclegan")] == [True, False, False]
    assert {clip["protocol"] for clip in cells["cyclegan"]["clips"]} == {"transfer"}  # it is trained for one source person
    figures = result["summary"]["transfer"]["residual"]["figures"]
    assert figures["perceptual, face"]["mean"] > 0
    assert figures["perceptual, seen face"]["mean"] > 0
    assert figures["flicker, face"]["mean"] > 0
    monkeypatch.setattr(page, "SHOWN_SIZES", ("smoke",))
    text = page.write_page(folder).read_text("utf-8")
    assert sum(line.startswith("| residual ") for line in text.splitlines()) == 2


@pytest.mark.usefixtures("own_cache")
def test_speed_is_measured_on_upscaled_video(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = replace(SPEED["smoke"], repetitions=1, networks=(("tiny", (320, 180)),))
    monkeypatch.setattr(speed, "SPEED", {"smoke": small})
    (written,) = run_benches(["speed"], "smoke", tmp_path / "results")
    summary = json.loads(written.read_text("utf-8"))["summary"]
    for stage in ("generate", "whole way", "poses known", "training"):
        assert summary[stage]["tiny"]["median"] > 0
        assert summary[stage]["ratio"]["tiny"] > 0
    monkeypatch.setattr(page, "SHOWN_SIZES", ("smoke",))
    text = page.write_page(written.parent).read_text("utf-8")
    assert "`tiny` on video enlarged to 320x180 px" in text
    assert any(line.startswith("| end to end, poses cached |") for line in text.splitlines())


@pytest.mark.usefixtures("own_cache")
def test_moving_cameras_are_measured_against_the_truth(tmp_path: Path) -> None:
    (written,) = run_benches(["camera"], "smoke", tmp_path / "results", only=["pan", "target"])
    (cell,) = json.loads(written.read_text("utf-8"))["cells"]
    assert 0 < cell["scores"]["SSIM"] < 1
    # No motion at all would be off by 6 px. Renders differ a little from run to run, and with them the frame that becomes the
    # reference; its own error, up to 1.7 px in this small picture, counts for every frame.
    assert cell["scores"]["corner error px"] < 3
