"""Several dancers, from end to end: who dances which part and who is in front, how the video is marked, what is refused."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import c2pa
import cv2
import numpy as np
import pytest
import torch

from dancenow import pipeline
from dancenow.cli import main as cli
from dancenow.cli.options import parse_dancers
from dancenow.errors import ConsentError, OptionError, UserError
from dancenow.generators.cast_member import given_to
from dancenow.generators.registry import FAMILIES
from dancenow.media.sink import MaskWriter
from dancenow.media.source import VideoInput, open_video, read_frames
from dancenow.pose.people_beside import PeopleBeside
from dancenow.provenance.consent import consent, withdraw
from dancenow.provenance.content_credentials import read_credentials
from dancenow.provenance.content_marking import read_provenance
from dancenow.rendering import source_scene
from dancenow.skeleton import INDEX
from dancenow.storage.atomic_io import sha256_of
from dancenow.storage.checkpoint import load_checkpoint, save_checkpoint
from dancenow.subject.subject import Subject
from dancenow.types import ImageRGB, Pose, PoseTrack
from helpers.drawn_world import dancer_track, film, film_two, people_detector, person, room, stand_in_for_the_detector
from helpers.toy_family import KIND, ToyFamily

FRAMES = 24
RED, BLUE = (250.0, 10.0, 10.0), (10.0, 10.0, 250.0)
NECK = INDEX["neck"]


def crossing(number: int | None, num_frames: int) -> PoseTrack:
    """Two people who cross: 1 walks to the right, 2, who is nearer to the camera, to the left."""
    track = dancer_track(num_frames, body_px=60.0 if number == 1 else 66.0)
    reach_px = 16 if num_frames <= FRAMES else 30  # they stay in another frame, or are far from each other at both ends
    share = np.linspace(-1, 1, num_frames, dtype=np.float32)[:, None]
    xy = track.pose.xy.copy()
    xy[..., 0] += 64 - xy[:, NECK, 0:1] + (reach_px if number == 1 else -reach_px) * share
    xy[..., 1] += -12 if number == 1 else 0
    return replace(track, pose=Pose(xy, track.pose.confidence))


def detect_crossing(video: VideoInput, *, person: int | None = None, masks: Path | None = None, **_: object) -> PoseTrack:
    """Stands in for `detect_poses`, and knows two people."""
    if person == 3:
        raise OptionError("source.mp4 has no person 3: at most 2 people are seen at once; give a number from 1 to 2.")
    source = open_video(video)
    track = crossing(person or 1, source.info.num_frames or 0)
    if masks is not None:
        with MaskWriter(masks, track.width_px, track.height_px) as writer:
            for index in range(len(track)):
                writer.write(drawn(track.pose[index])[1])
    return replace(track, source_sha256=source.sha256)


def drawn(pose: Pose) -> tuple[ImageRGB, np.ndarray]:
    return person(pose)


def film_crossing(path: Path, num_frames: int = FRAMES) -> Path:
    """The room with both people in it."""
    return film_two(path, crossing(1, num_frames), crossing(2, num_frames))


@pytest.fixture(scope="module")
def models(drawn_subject: Subject, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Path]]:
    """Two models, which render a red and a blue disc."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setitem(FAMILIES, "toy", ToyFamily)
        monkeypatch.setattr("dancenow.generators.train_model.PerceptualDistance", lambda **_: None)
        folder = tmp_path_factory.mktemp("models")
        trained = pipeline.train(drawn_subject.folder, folder / "any.safetensors", preset="disc", budget="4images", face="none")
        made = []
        for name, rgb in (("red", RED), ("blue", BLUE)):
            checkpoint = load_checkpoint(trained, KIND)
            path = folder / f"{name}.safetensors"
            info = checkpoint.info
            if name == "blue":  # another person
                info = replace(info, subject={**info.subject, "source_sha256": "b" * 64})
            save_checkpoint(
                path, replace(checkpoint, info=info, tensors={**checkpoint.tensors, "generator.rgb": torch.tensor(rgb)})
            )
            made.append(path)
        yield made[0], made[1]


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DANCENOW_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("DANCENOW_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(pipeline, "detect_poses", detect_crossing)
    monkeypatch.setattr(pipeline, "detect_people", people_detector(detect_crossing))
    monkeypatch.setattr(source_scene, "find_beside", lambda _, people, *__: PeopleBeside.nobody(people))
    return film_crossing(tmp_path / "source.mp4")


def is_color(image: ImageRGB, xy: np.ndarray, rgb: tuple[float, float, float]) -> bool:
    x, y = (round(float(each)) for each in xy)
    return bool(np.abs(image[y, x].astype(int) - rgb).max() < 60)


def test_everyone_dances_their_part_and_the_nearer_one_is_in_front(
    source: Path, models: tuple[Path, Path], tmp_path: Path
) -> None:
    red, blue = models
    for cast, colors in (({1: red, 2: blue}, (RED, BLUE)), ({2: red, 1: blue}, (BLUE, RED)), ({1: red, 2: red}, (RED, RED))):
        done = pipeline.transfer(source, cast, tmp_path / "out.mp4", scene="white")
        tracks = dict(zip(cast, done.target_tracks, strict=True))
        first, second = tracks[1].pose.xy[:, NECK], tracks[2].pose.xy[:, NECK]
        apart = np.linalg.norm(first - second, axis=1)
        assert apart.min() < 14 < 24 < apart[0]  # the discs overlap when they cross
        assert first[-1, 0] > first[0, 0]
        assert second[-1, 0] < second[0, 0]
        for frame, one, two, gap in zip(read_frames(done.video), first, second, apart, strict=True):
            assert is_color(frame.image_rgb, two, colors[1])
            if gap > 14:
                assert is_color(frame.image_rgb, one, colors[0])


def test_dancers_stand_beside_each_other_as_in_the_source(source: Path, models: tuple[Path, Path], tmp_path: Path) -> None:
    done = pipeline.transfer(source, {1: models[0], 2: models[1]}, tmp_path / "out.mp4")
    apart = np.array([track.pose.xy[:, NECK, 0] for track in done.target_tracks])
    assert (apart[0] - apart[1])[0] < -20 < 20 < (apart[0] - apart[1])[-1]
    feet = [track.pose.xy[:, INDEX["left_heel"], 1].mean() for track in done.target_tracks]
    assert feet[1] > feet[0] + 5  # the second is nearer
    alone = pipeline.transfer(source, {2: models[1]}, tmp_path / "alone.mp4")
    np.testing.assert_allclose(
        alone.target_track.pose.xy, pipeline.transfer(source, models[1], tmp_path / "two.mp4", person=2).target_track.pose.xy
    )


def test_the_marks_name_every_subject(source: Path, models: tuple[Path, Path], tmp_path: Path) -> None:
    done = pipeline.transfer(source, {1: models[0], 2: models[1]}, tmp_path / "out.mp4")
    facts = read_credentials(done.video).facts or {}
    assert [each["model_sha256"] for each in facts["dancers"]] == [sha256_of(model) for model in models]
    assert {each["subject_sha256"] for each in facts["dancers"]} == {facts["dancers"][0]["subject_sha256"], "b" * 64}
    with c2pa.Reader(done.video) as reader:
        titles = [each["title"] for each in reader.get_active_manifest()["ingredients"]]
    assert sum("the subject of the footage" in title for title in titles) == 2
    provenance = read_provenance(done.video)
    assert provenance.watermark.payload is not None
    assert facts["model_sha256"].startswith(provenance.watermark.payload.model)
    assert "2 dancers' models" in provenance.sentences()[1]
    twice = pipeline.transfer(source, {1: models[0], 2: models[0]}, tmp_path / "twice.mp4")
    with c2pa.Reader(twice.video) as reader:
        titles = [each["title"] for each in reader.get_active_manifest()["ingredients"]]
    assert sum("the subject of the footage" in title for title in titles) == 1


def test_the_consent_of_every_dancer_is_needed(
    source: Path, models: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    withdraw("b" * 64)
    monkeypatch.setattr(pipeline, "detect_people", lambda *_, **__: pytest.fail("nothing should be detected"))
    for make in (pipeline.transfer, pipeline.run):
        with pytest.raises(ConsentError, match=r"in the model .*blue\.safetensors was withdrawn"):
            make(source, {1: models[0], 2: models[1]}, tmp_path / "out.mp4")


def test_who_is_not_danced_stays_in_the_source(models: tuple[Path, Path], tmp_path: Path, source: Path) -> None:
    longer = film_crossing(tmp_path / "longer.mp4", 32)
    both = pipeline.transfer(longer, {1: models[0], 2: models[1]}, tmp_path / "both.mp4", scene="source")
    one = pipeline.transfer(longer, {2: models[1]}, tmp_path / "one.mp4", scene="source")
    other = crossing(1, 32)
    del source
    for first, second in ((both, False), (one, True)):
        for frame in read_frames(first.video):
            if not 8 < frame.index < 24:
                shown = np.abs(frame.image_rgb.astype(int) - room()).max(axis=2) > 40
                legs = other.pose.xy[frame.index, [INDEX["left_knee"], INDEX["right_knee"]]].round().astype(int)
                assert bool(shown[legs[:, 1], legs[:, 0]].any()) == second, frame.index


def test_who_stays_is_whole_and_in_the_right_order(
    models: tuple[Path, Path], tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    longer = film_crossing(tmp_path / "longer.mp4", 32)
    del source
    for danced, stays in ((1, 2), (2, 1)):
        beside = PeopleBeside({danced: danced}, (stays,))
        monkeypatch.setattr(source_scene, "find_beside", lambda *_, beside=beside: beside)
        done = pipeline.transfer(longer, {danced: models[0]}, tmp_path / f"{danced}.mp4", scene="source")
        disc_px, met = done.target_track.pose.xy[:, NECK], 0
        nearer, farther = (crossing(number, 32) for number in (2, 1))
        for frame, true in zip(read_frames(done.video), read_frames(longer), strict=True):
            seen = drawn((nearer if stays == 2 else farther).pose[frame.index])[1] > 0
            if stays == 1:  # the nearer one hid parts of them, and the disc does now
                y, x = np.mgrid[: seen.shape[0], : seen.shape[1]]
                disc = np.hypot(x - disc_px[frame.index, 0], y - disc_px[frame.index, 1]) < 16
                met += bool((seen & disc).any())
                seen &= ~disc & ~(cv2.dilate(drawn(nearer.pose[frame.index])[1], np.ones((7, 7), np.uint8)) > 0)
            error = np.abs(frame.image_rgb.astype(int) - true.image_rgb).max(axis=2)[seen]
            assert (error > 60).mean() < 0.1, (stays, frame.index)
        assert met > 5 or stays == 2


def test_run_takes_videos_folders_and_models(
    source: Path, models: tuple[Path, Path], drawn_subject: Subject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in_for_the_detector(monkeypatch)
    target = film(tmp_path / "target.mp4", dancer_track(60))
    options = {"preset": "disc", "budget": "4images", "face": "none", "scene": "#808080"}
    done = pipeline.run(source, {2: target, 1: models[0]}, tmp_path / "out.mp4", consent=consent("rendered"), **options)  # type: ignore[arg-type]
    assert len(done.models) == len(done.transfer.target_tracks) == 2
    assert done.models[1] == models[0]
    assert done.report is not None
    page = done.report.read_text("utf-8")
    for text in (
        "Networks trained on target.mp4 and red.safetensors",
        "Pose of person 1",
        "person 2: consent",
        "Model of person 2",
    ):
        assert text in page
    again = pipeline.run(source, {1: drawn_subject.folder, 2: drawn_subject.folder}, tmp_path / "again.mp4", **options)  # type: ignore[arg-type]
    assert again.models[0] == again.models[1]
    assert pipeline.run(source, drawn_subject.folder, tmp_path / "third.mp4", **options).model == again.model  # type: ignore[arg-type]
    with pytest.raises(ConsentError, match="has no consent on record"):
        pipeline.run(source, {1: models[0], 2: film(tmp_path / "new.mp4", dancer_track(50))}, tmp_path / "no.mp4")


def test_what_is_wrong_with_a_cast_is_one_sentence(source: Path, models: tuple[Path, Path], tmp_path: Path) -> None:
    out = tmp_path / "out.mp4"
    for cast, message in (
        ({1: models[0], 3: models[1]}, "has no person 3: at most 2 people"),
        ({1: models[0], 2: tmp_path / "absent.safetensors"}, "there is no checkpoint at"),
        ({0: models[0]}, "counted from 1"),
        ({}, "numbers of the people"),
    ):
        with pytest.raises(UserError, match=message):
            pipeline.transfer(source, cast, out)
    with pytest.raises(OptionError, match="their own numbers"):
        pipeline.transfer(source, {1: models[0]}, out, person=1)
    assert not out.exists()


@pytest.mark.parametrize(
    ("texts", "one", "message"),
    [
        (("me.mp4",), None, "cannot read --dancer me.mp4; write it as 1=me.mp4"),
        (("one=me.mp4",), None, "cannot read --dancer one=me.mp4"),
        (("0=me.mp4",), None, "cannot read --dancer 0=me.mp4"),
        (("1=",), None, "cannot read --dancer 1="),
        (("1=a.mp4", "01=b.mp4"), None, "gives person 1 twice"),
        (("1=a.mp4",), Path("b.mp4"), "cannot be combined"),
        ((), None, "nobody dances yet: give TARGET"),
    ],
)
def test_a_malformed_dancer_is_one_sentence(texts: tuple[str, ...], one: Path | None, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        parse_dancers(texts, one, "TARGET")
    assert parse_dancers(("2=b=c.mp4", "1=a.mp4"), None, "TARGET") == {2: Path("b=c.mp4"), 1: Path("a.mp4")}


def test_the_command_line_takes_several_dancers(
    source: Path, models: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.mp4"
    cli.main(["transfer", str(source), "-o", str(out), "--dancer", f"1={models[0]}", "--dancer", f"2={models[1]}"])
    assert len(list(read_frames(out))) == FRAMES
    with pytest.raises(SystemExit) as stopped:
        cli.main(["run", str(source), "-o", str(out), "--dancer", f"1={models[0]}", "--dancer", f"1={models[1]}"])
    assert stopped.value.code == 2
    assert "gives person 1 twice" in capsys.readouterr().err


@pytest.mark.parametrize(("number", "expected"), [(1, None), (2, "me"), (3, None), (None, None)])
@pytest.mark.parametrize("given", ["you", {2: "me", 3: None}])
def test_what_is_given_is_for_everybody_or_by_number(
    given: str | Mapping[int, str | None] | None, number: int | None, expected: str | None
) -> None:
    assert given_to(number, given) == ("you" if given == "you" else expected)
