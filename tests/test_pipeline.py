"""From two videos to one: timing, size, sound, caching and refusals, with drawn videos and a small generator."""

import dataclasses
import os
import signal
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from dancenow import pipeline
from dancenow.errors import ConsentError, UserError
from dancenow.generators.references.config import PRESETS
from dancenow.media.source import probe, read_frames
from dancenow.metrics.perceptual import EfficientNetTrunk, PerceptualDistance
from dancenow.progress import Progress
from dancenow.provenance.consent import consent, withdraw
from dancenow.provenance.content_marking import read_provenance
from dancenow.report.side_by_side import side_by_side
from dancenow.skeleton import INDEX
from dancenow.storage import cache_pruning
from dancenow.storage.atomic_io import sha256_of
from dancenow.storage.checkpoint import read_info
from dancenow.subject.prepare import prepare
from dancenow.types import FrameStatus, Pose, PoseTrack, RunResult
from helpers.drawn_world import dancer_track, drawn_detector, film, room, stand_in_for_the_detector
from helpers.tiny_model import TINY, smaller_dancer

pytestmark = pytest.mark.slow  # end-to-end runs of a few seconds each

RENDERED = consent("rendered")


@pytest.fixture(autouse=True)
def drawn_world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DANCENOW_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("DANCENOW_HOME", str(tmp_path / "cache" / "home"))
    stand_in_for_the_detector(monkeypatch)
    monkeypatch.setattr(pipeline, "detect_poses", drawn_detector(smaller_dancer))
    monkeypatch.setitem(PRESETS, "draft", TINY)
    monkeypatch.setattr("dancenow.storage.pretrained.path", lambda *_: tmp_path)  # no trained weights are needed here
    trunk = PerceptualDistance(EfficientNetTrunk(), depth=1)
    monkeypatch.setattr("dancenow.generators.train_model.PerceptualDistance", lambda **_: trunk)


@pytest.fixture
def videos(tmp_path: Path) -> tuple[Path, Path]:
    return film(tmp_path / "source.mp4", smaller_dancer(36)), film(tmp_path / "target.mp4", dancer_track(60))


def test_run_writes_a_video_of_the_target_with_the_timing_of_the_source(videos: tuple[Path, Path], tmp_path: Path) -> None:
    # Names are bytes that need not be text, here in Latin-1.
    folder = tmp_path / os.fsdecode("nouveau d\xe9fil\xe9".encode("latin-1"))
    out = folder / folder.with_suffix(".mp4").name
    videos = (videos[0].rename(videos[0].with_stem(folder.name)), videos[1])
    result = pipeline.run(*videos, out, consent=RENDERED, budget="40images")
    info, target = probe(out), probe(videos[1])
    assert (info.width_px, info.height_px) == (target.width_px, target.height_px)
    assert info.fps == Fraction(24)
    assert result.transfer.num_frames == len(list(read_frames(out))) == 36
    # Above the person every frame shows the empty room.
    for frame in read_frames(out):
        assert np.abs(frame.image_rgb[:12].astype(int) - room()[:12]).mean() < 4
    assert "scale 1." in result.transfer.normalization
    assert sorted(p.name for p in folder.iterdir()) == [out.name, f"{out.stem}.report.html"]
    assert read_provenance(out).credentials.state == "signed"


def test_a_second_run_trains_nothing(videos: tuple[Path, Path], tmp_path: Path) -> None:
    pipeline.run(*videos, tmp_path / "one.mp4", consent=RENDERED, budget="20images")
    stages: set[str] = set()
    pipeline.run(
        *videos, tmp_path / "two.mp4", consent=RENDERED, budget="20images", on_progress=lambda event: stages.add(event.stage)
    )
    assert "training" not in stages
    assert "background" not in stages
    for one, two in zip(read_frames(tmp_path / "one.mp4"), read_frames(tmp_path / "two.mp4"), strict=True):
        assert np.array_equal(one.image_rgb, two.image_rgb)


def test_damaged_cache_entries_are_computed_again(videos: tuple[Path, Path], tmp_path: Path) -> None:
    stages: list[str] = []

    def run(name: str) -> RunResult:
        stages.clear()
        return pipeline.run(
            *videos,
            tmp_path / name,
            consent=RENDERED,
            budget="4images",
            report=False,
            on_progress=lambda e: stages.append(e.stage),
        )

    model = run("one.mp4").model
    run("two.mp4")
    assert not {"background", "training"} & set(stages)
    model.write_bytes(model.read_bytes()[:100])
    run("three.mp4")
    assert "training" in stages
    assert "background" not in stages
    (subject,) = (tmp_path / "cache" / "subjects").iterdir()
    (subject / "plate.png").write_bytes(b"damaged")
    run("four.mp4")
    assert "background" in stages


def test_a_pruned_subject_is_prepared_again_and_its_consent_is_kept(videos: tuple[Path, Path], tmp_path: Path) -> None:
    pipeline.run(*videos, tmp_path / "one.mp4", consent=RENDERED, budget="4images", report=False)
    assert len(cache_pruning.prune(cache_pruning.list_entries())) >= 2
    assert not list((tmp_path / "cache" / "subjects").iterdir())
    pipeline.run(*videos, tmp_path / "two.mp4", budget="4images", report=False)
    withdraw(sha256_of(videos[1]))
    cache_pruning.prune(cache_pruning.list_entries())
    with pytest.raises(ConsentError, match="no consent on record"):
        pipeline.run(*videos, tmp_path / "three.mp4", budget="4images", report=False)


def test_a_model_in_training_is_not_pruned(videos: tuple[Path, Path], tmp_path: Path) -> None:
    removed: list[str] = []

    def prune(event: Progress) -> None:
        if event.stage == "training":
            removed.extend(each.entry.stage for each in cache_pruning.prune(cache_pruning.list_entries(["models", "subjects"])))

    pipeline.run(*videos, tmp_path / "out.mp4", consent=RENDERED, budget="8images", report=False, on_progress=prune)
    assert removed == []


def test_an_interrupted_run_can_be_resumed(videos: tuple[Path, Path], tmp_path: Path) -> None:
    shares: list[float] = []

    def interrupt(event: Progress) -> None:
        if event.stage == "training" and event.done >= 0.5 and not shares:
            shares.append(event.done)
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        pipeline.run(*videos, tmp_path / "out.mp4", consent=RENDERED, budget="40images", on_progress=interrupt)
    assert not (tmp_path / "out.mp4").exists()
    shares.clear()

    def watch(event: Progress) -> None:
        if event.stage == "training" and event.total:
            shares.append(event.done)

    result = pipeline.run(*videos, tmp_path / "out.mp4", consent=RENDERED, budget="40images", on_progress=watch)
    assert shares[0] > 0.5
    assert read_info(result.model).images_seen == 40


def test_an_interrupted_transfer_leaves_no_files(videos: tuple[Path, Path], tmp_path: Path) -> None:
    model = pipeline.run(*videos, tmp_path / "out.mp4", consent=RENDERED, budget="4images").model

    def interrupt(event: Progress) -> None:
        if event.stage == "generating" and event.done >= 5:
            raise KeyboardInterrupt

    before = sorted(p.name for p in tmp_path.iterdir())
    with pytest.raises(KeyboardInterrupt):
        pipeline.transfer(videos[0], model, tmp_path / "again.mp4", on_progress=interrupt)
    assert sorted(p.name for p in tmp_path.iterdir()) == before


def test_a_part_of_the_source_can_be_transferred(videos: tuple[Path, Path], tmp_path: Path) -> None:
    model = pipeline.run(*videos, tmp_path / "out.mp4", consent=RENDERED, budget="4images").model
    result = pipeline.transfer(videos[0], model, tmp_path / "part.mp4", frames=(10, 22))
    assert result.num_frames == len(list(read_frames(tmp_path / "part.mp4"))) == 12
    with pytest.raises(UserError, match="not in the source, which has 36 frames"):
        pipeline.transfer(videos[0], model, tmp_path / "none.mp4", frames=(36, None))


def test_an_empty_part_is_refused_before_the_detection(
    videos: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "detect_poses", lambda *_, **__: pytest.fail("nothing should be detected"))
    for part, sentence in (
        ((0, 0), r"the frame range 0:0 is empty"),
        ((9, 5), r"the frame range 9:5 is empty"),
        ((36, None), r"frames 36: are not in the source, which has 36 frames"),
    ):
        with pytest.raises(UserError, match=sentence):
            pipeline.transfer(videos[0], tmp_path / "model.safetensors", tmp_path / "none.mp4", frames=part)


def test_several_people_in_the_source_are_reported(
    videos: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dancenow.pose.pipeline.PosePipeline.people_counts", lambda *_: [1, 2, 2, 2])
    warnings = list[str]()
    ran = pipeline.run(
        *videos, tmp_path / "out.mp4", budget="4images", face="none", consent=RENDERED, warn=warnings.append
    )  # fmt: skip
    for sentences in (warnings, ran.transfer.notes):
        assert any(
            "In the source several people are in the frame (2 at once, in 3 of 4 sampled frames)" in each
            and "--source-person" in each
            for each in sentences
        )
    chosen = pipeline.transfer(videos[0], ran.model, tmp_path / "one.mp4", face="none", person=1)
    assert not any("several people" in each for each in chosen.notes)


def test_a_damaged_video_is_refused_before_the_detection(
    videos: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = videos
    half = tmp_path / "half.mp4"
    half.write_bytes(source.read_bytes()[: source.stat().st_size // 2])
    with monkeypatch.context() as patch:
        patch.setattr(pipeline, "detect_poses", lambda *_, **__: pytest.fail("nothing should be detected"))
        with pytest.raises(UserError, match=r"half\.mp4 is cut off: its header declares 36 frames, .*--accept-damaged"):
            pipeline.transfer(half, tmp_path / "model.safetensors", tmp_path / "out.mp4")
        for pair in ((half, target), (source, half)):
            with pytest.raises(UserError, match=r"half\.mp4 is cut off"):
                pipeline.run(*pair, tmp_path / "out.mp4", consent=RENDERED)
    model = pipeline.run(source, target, tmp_path / "out.mp4", budget="4images", face="none", consent=RENDERED).model
    notes = pipeline.transfer(half, model, tmp_path / "half out.mp4", accept_damaged=True).notes
    assert any("half.mp4 is cut off" in note and "only what can be read is used" in note for note in notes)


def test_frames_without_the_person_show_the_empty_room(
    videos: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone_for_a_while(num_frames: int) -> PoseTrack:
        track = smaller_dancer(num_frames)
        status, confidence = track.status.copy(), track.pose.confidence.copy()
        status[10:20], confidence[10:20] = FrameStatus.MISSING, 0.0
        pose = Pose(track.pose.xy, confidence, track.pose.depth)
        return dataclasses.replace(track, status=status, pose=pose)

    monkeypatch.setattr(pipeline, "detect_poses", drawn_detector(gone_for_a_while))
    result = pipeline.run(*videos, tmp_path / "out.mp4", consent=RENDERED, budget="4images")
    empty = list(read_frames(tmp_path / "out.mp4"))[15].image_rgb
    assert np.abs(empty.astype(int) - room()).mean() < 4
    assert any("28%" in note for note in result.transfer.notes)


def test_bad_input_is_refused_before_any_stage_starts(videos: tuple[Path, Path], tmp_path: Path) -> None:
    source, target = videos
    text = tmp_path / "notes.mp4"
    text.write_text("not a video")
    cases = [
        ((source, target, source), {}, "is also an input"),
        ((source, target, tmp_path / "out.avi"), {}, "ends in .mp4"),
        ((source, target, tmp_path / "out.mp4"), {"budget": "soon"}, "budget"),
        ((source, target, tmp_path / "out.mp4"), {"preset": "deluxe"}, "no preset 'deluxe'"),
        ((tmp_path / "absent.mp4", target, tmp_path / "out.mp4"), {}, "absent.mp4"),
        ((source, text, tmp_path / "out.mp4"), {}, "notes.mp4"),
        ((source, target, text / "out.mp4"), {}, "cannot write"),
    ]
    for arguments, options, message in cases:
        stages: set[str] = set()
        with pytest.raises(UserError, match=message):
            pipeline.run(*arguments, consent=RENDERED, on_progress=lambda event: stages.add(event.stage), **options)  # type: ignore[arg-type]  # noqa: B023
        assert not stages
    assert not (tmp_path / "out.mp4").exists()


def test_side_by_side_shows_both(videos: tuple[Path, Path], tmp_path: Path) -> None:
    side_by_side(list(videos), tmp_path / "both.mp4")
    info = probe(tmp_path / "both.mp4")
    assert (info.width_px, info.height_px) == (256, 128)
    both = next(read_frames(tmp_path / "both.mp4")).image_rgb.astype(int)
    for part, video in zip((both[:, :128], both[:, 128:]), videos, strict=True):
        assert np.abs(part - next(read_frames(video)).image_rgb).mean() < 4


def test_an_unfinished_training_is_not_lost_by_repeating_the_command(videos: tuple[Path, Path], tmp_path: Path) -> None:
    subject, model = prepare(videos[1], tmp_path / "subject", consent=RENDERED).folder, tmp_path / "model.safetensors"

    def interrupt(event: Progress) -> None:
        if event.stage == "training" and event.done >= 0.5:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        pipeline.train(subject, model, budget="20images", on_progress=interrupt)
    with pytest.raises(UserError, match="--resume"):
        pipeline.train(subject, model, budget="20images")
    pipeline.train(subject, model, budget="20images", resume=True)
    assert read_info(model).images_seen == 20


def test_a_run_reports_missing_poses_in_the_footage_before_training(
    videos: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def arms_up(num_frames: int) -> PoseTrack:
        track, xy = smaller_dancer(num_frames), smaller_dancer(num_frames).pose.xy.copy()
        arms = [i for name, i in INDEX.items() if name.endswith(("elbow", "wrist", "thumb", "index", "pinky"))]
        xy[:, arms, 1] = xy[:, [INDEX["nose"]], 1] - 20
        return dataclasses.replace(track, pose=Pose(xy, track.pose.confidence))

    monkeypatch.setattr(pipeline, "detect_poses", drawn_detector(arms_up))
    heard: list[str] = []
    result = pipeline.run(
        *videos,
        tmp_path / "out.mp4",
        budget="4images",
        consent=consent("rendered"),
        report=False,
        warn=heard.append,
        on_progress=lambda event: heard.append(event.stage),
    )
    warned_at = next(i for i, line in enumerate(heard) if "both arms overhead" in line)
    assert warned_at < heard.index("training")
    assert any("raise both arms overhead" in line for line in result.warnings)


def test_a_result_is_labeled_as_generated(videos: tuple[Path, Path], tmp_path: Path) -> None:
    result = pipeline.run(*videos, tmp_path / "out.mp4", consent=RENDERED, budget="4images", report=False)
    marks = read_provenance(tmp_path / "out.mp4")
    assert (marks.credentials.state, marks.credentials.synthetic) == ("signed", True)
    facts = marks.credentials.facts or {}
    assert facts["model_sha256"] == sha256_of(result.model)
    assert facts["source_sha256"] == sha256_of(videos[0])
    assert facts["subject_sha256"] == sha256_of(videos[1])
    assert facts["consent_sha256"] == RENDERED.sha256


def test_run_needs_consent_the_first_time_only(videos: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no consent on record"):
        pipeline.run(*videos, tmp_path / "out.mp4", budget="4images", report=False)
    assert not (tmp_path / "cache" / "subjects").exists() or not any((tmp_path / "cache" / "subjects").iterdir())
    pipeline.run(*videos, tmp_path / "out.mp4", consent=RENDERED, budget="4images", report=False)
    pipeline.run(*videos, tmp_path / "out.mp4", budget="4images", report=False)
