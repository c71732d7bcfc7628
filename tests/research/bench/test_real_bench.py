"""The bench on real clips: its metrics on drawn images, and a small run over rendered clips and one that is refused."""

import json
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from dancenow import assets
from dancenow.errors import UserError
from dancenow.media.sink import VideoWriter
from dancenow.media.source import probe, read_frames
from dancenow.metrics.perceptual import PerceptualDistance
from dancenow.metrics.st_lpips import StLpips
from dancenow.progress import Progress
from dancenow.research.bench import page
from dancenow.research.bench.contact_sheet import SheetRow, contact_sheet, mark_unknown
from dancenow.research.bench.real import find_clips
from dancenow.research.bench.real_metrics import ReconstructionMeter, background_pixels, region_boxes
from dancenow.research.bench.registry import run_benches
from dancenow.skeleton import INDEX, NUM_KEYPOINTS
from dancenow.storage.atomic_io import cache_dir
from dancenow.types import ImageRGB, Plate, Pose
from helpers.drawn_world import room

SIZE_PX = 160


def standing_pose() -> Pose:
    """A person 120 px high in the middle, the arms down."""
    level = {"nose": 10, "eye": 8, "ear": 10, "neck": 24, "shoulder": 25, "elbow": 42, "wrist": 58, "thumb": 62, "index": 66,
             "pinky": 65, "hip": 60, "knee": 90, "ankle": 115, "heel": 118, "toe": 120}  # fmt: skip
    xy = np.zeros((NUM_KEYPOINTS, 2), np.float32)
    for name, index in INDEX.items():
        side = -1 if name.startswith("right") else 1 if name.startswith("left") else 0
        out = {"eye": 4, "ear": 8, "wrist": 20, "thumb": 17, "index": 20, "pinky": 23}.get(name.split("_")[-1], 12)
        xy[index] = (SIZE_PX / 2 + side * out, 20 + level[name.split("_")[-1]])
    return Pose(xy, np.ones(NUM_KEYPOINTS, np.float32))


def textured(seed: int) -> ImageRGB:
    coarse = np.random.default_rng(seed).integers(0, 255, (40, 40, 3), np.uint8)
    return np.asarray(cv2.resize(coarse, (SIZE_PX, SIZE_PX), interpolation=cv2.INTER_CUBIC), np.uint8)


def person_mask() -> np.ndarray:
    mask = np.zeros((80, 80), np.uint8)
    mask[10:70, 28:52] = 255
    return mask


def test_boxes_hold_head_and_both_hands() -> None:
    boxes = {each.key: each.box for each in region_boxes(standing_pose(), SIZE_PX, SIZE_PX)}
    assert set(boxes) == {"person", "head", "right", "left"}
    for side in ("right", "left"):
        assert boxes[side].union(boxes["person"]) == boxes["person"]
    nose_x, nose_y = standing_pose().xy[INDEX["nose"]]
    assert boxes["head"].left < nose_x < boxes["head"].right
    assert boxes["head"].top < nose_y < boxes["head"].bottom < standing_pose().xy[INDEX["right_hip"], 1]
    wrist_x, wrist_y = standing_pose().xy[INDEX["right_wrist"]]
    right = boxes["right"]
    assert right.left < wrist_x < right.right < boxes["left"].left
    assert right.top < wrist_y < right.bottom


def test_background_leaves_a_margin_around_the_person() -> None:
    outside = background_pixels(person_mask(), SIZE_PX, SIZE_PX)
    assert not outside[18:142, 54:106].any()
    assert outside[:, :50].all()
    assert outside[:, 110:].all()


@pytest.mark.slow
def test_scores_tell_where_an_image_is_wrong() -> None:
    frames = [np.roll(textured(1), shift, axis=1) for shift in range(3)]
    pose, mask = standing_pose(), person_mask()

    def scores(damage: str) -> dict[str, float | None]:
        meter = ReconstructionMeter(PerceptualDistance(), StLpips.pretrained(), 1)
        for index, frame in enumerate(frames):
            image = frame.copy()
            if damage == "background":
                image[:, :45] = 128
            elif damage == "blur":
                image = np.asarray(cv2.GaussianBlur(image, (0, 0), 3.0), np.uint8)
            elif damage == "flicker":
                image = np.clip(image.astype(int) + 40 * (index % 2), 0, 255).astype(np.uint8)
            meter.measure(frame, pose, mask, image)
        return meter.scores()

    def value(damage: str, name: str) -> float:
        found = scores(damage)[name]
        assert found is not None
        return found

    same = scores("none")
    for region in ("person", "head", "hands"):
        assert same[f"SSIM, {region}"] == pytest.approx(1)
        assert same[f"ST-LPIPS, {region}"] == same[f"perceptual, {region}"] == 0
        assert same[f"sharpness, {region}"] == same[f"flicker, {region}"] == 1
    assert same["background PSNR"] == 100
    assert value("background", "background PSNR") < 20
    assert value("background", "SSIM, head") == pytest.approx(1)
    assert value("blur", "sharpness, person") < 0.3
    assert value("blur", "ST-LPIPS, head") > 0.02
    assert value("flicker", "flicker, person") > 1.5


def test_the_filmed_background_leaves_out_what_training_never_saw() -> None:
    truth = room(64)
    meter = ReconstructionMeter(PerceptualDistance(), StLpips.pretrained(), 1)
    nobody = Pose(np.zeros((NUM_KEYPOINTS, 2), np.float32), np.zeros(NUM_KEYPOINTS, np.float32))
    filmed = np.ones((64, 64), bool)
    filmed[:, :20] = False
    image = truth.copy()
    image[:, :20] = 0
    meter.measure(truth, nobody, np.zeros((64, 64), np.uint8), image, filmed)
    scores = meter.scores()
    assert scores["filmed background PSNR"] == 100
    assert scores["background PSNR"] is not None
    assert scores["background PSNR"] < 20


def test_a_sheet_has_every_row_and_marks_the_unknown_background() -> None:
    tall, wide = np.zeros((100, 50, 3), np.uint8), np.zeros((40, 120, 3), np.uint8)
    sheet = contact_sheet([SheetRow(("truth", "generated"), (tall, tall)), SheetRow(("source",), (wide,))])
    assert sheet.shape[0] > 2 * 360
    assert sheet.shape[1] > 1000
    known = np.ones((100, 50), np.bool_)
    known[40:60, 20:30] = False
    marked = mark_unknown(Plate(tall, known))
    assert (marked[40, 20:30] == (255, 0, 255)).all()
    assert not marked[:30].any()


def test_no_folder_of_clips_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DANCENOW_DATA", raising=False)
    with pytest.raises(
        UserError, match=r"^this benchmark needs clips of filmed people; set DANCENOW_DATA to a folder of videos\.$"
    ):
        list(run_benches(["real"], "smoke", tmp_path))
    monkeypatch.setenv("DANCENOW_DATA", str(tmp_path))
    with pytest.raises(UserError, match="there is no video in"):
        find_clips()
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "b.webm").touch()
    (tmp_path / "a.mp4").touch()
    assert [clip.name for clip in find_clips()] == ["b.webm"]


def shortened(video: Path, out: Path, frames: int) -> None:
    info = probe(video)
    with VideoWriter(out, info.width_px // 2, info.height_px // 2, fps=info.fps) as writer:
        for frame in read_frames(video, 0, frames):
            writer.write(
                np.asarray(cv2.resize(frame.image_rgb, (info.width_px // 2, info.height_px // 2)), np.uint8), frame.time_s
            )


@pytest.mark.slow
def test_clips_are_measured_refused_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights, clips, out = cache_dir("weights"), tmp_path / "clips", tmp_path / "results"
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "weights").symlink_to(weights.absolute(), target_is_directory=True)
    monkeypatch.setenv("DANCENOW_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("DANCENOW_DATA", str(clips))
    clips.mkdir()
    shortened(assets.TARGET, clips / "dancer.mp4", round(3.5 * probe(assets.TARGET).fps))
    with VideoWriter(clips / "empty.mp4", 96, 96, fps=Fraction(10)) as writer:
        for index in range(30):
            writer.write(np.full((96, 96, 3), 90, np.uint8), Fraction(index, 10))

    (part,) = run_benches(["real"], "smoke", out, only=["dancer"])
    (dancer,) = json.loads(part.read_text("utf-8"))["cells"]
    assert dancer["images_seen"] == 4
    scores = dancer["held_out"]["scores"]
    assert scores["background PSNR"] > 20
    assert scores["filmed background PSNR"] > 20
    assert 0 < scores["SSIM, person"] < 1
    assert {"ST-LPIPS, head", "flicker, person", "missed keypoints"} <= set(scores)
    (transfer,) = dancer["transfers"]  # the next clip's dance: nobody is in it
    assert transfer["dance"] == "empty"
    assert "no person was found in empty.mp4" in transfer["refused"]["reason"]
    sheets = part.with_name(f"{part.stem}-sheets")
    sheet = cv2.imread(str(sheets / dancer["sheet"]))
    assert sheet is not None
    assert sheet.shape[0] > 1000
    assert (sheets / ".gitignore").read_text() == "*\n"

    events: list[Progress] = []
    (whole,) = run_benches(["real"], "smoke", out, events.append)
    result = json.loads(whole.read_text("utf-8"))
    assert result["cells"][0] == dancer
    empty = result["cells"][1]
    assert empty["held_out"]["refused"]["step"] == "prepare"
    assert str(clips) not in whole.read_text("utf-8")
    assert set(result["summary"]["failed"]) == {"dancer, dance of empty", "empty"}
    assert result["summary"]["held-out time"]["SSIM, person"]["clips"] == 1
    assert not [event for event in events if "dancer" in event.stage]

    monkeypatch.setattr(page, "SHOWN_SIZES", ("smoke",))
    lines = page.write_page(out).read_text("utf-8").splitlines()
    shown = f"{scores['SSIM, person']:.3f}"
    assert any(line.startswith("| dancer |") and shown in line for line in lines)
    assert any(line.startswith("- empty: prepare: no person was found") for line in lines)
