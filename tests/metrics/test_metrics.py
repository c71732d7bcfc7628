"""Every metric on a case with a known answer, and under growing damage, which it must follow."""

from collections.abc import Callable
from itertools import pairwise

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from dancenow.metrics.faces import expression_correlation, landmark_distance
from dancenow.metrics.images import PSNR_CEILING_DB, frechet_distance, psnr_db, sharpness, ssim_map
from dancenow.metrics.motion import estimate_motion, flicker_ratio, frame_change, stalling, stalling_curve, warping_error
from dancenow.metrics.poses import (
    FEET,
    PARTS,
    foot_sliding,
    ground_error,
    missed_keypoints,
    pose_distance_px,
    standing_points,
    torso_px,
)
from dancenow.metrics.regions import Box, face_box, person_box
from dancenow.skeleton import INDEX, NUM_KEYPOINTS
from dancenow.types import ImageRGB, Pose, PoseTrack

WIDTH, HEIGHT = 120, 96


def scene(shift_px: float = 0.0) -> ImageRGB:
    """A patterned square on a patterned wall; the square can be moved to the right."""
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)
    wall = 120 + 40 * np.sin(x / 5)[..., None] * np.array([1, 0.6, 0.2]) + 30 * np.cos(y / 7)[..., None]
    u = x - 40 - shift_px
    square = 128 + 90 * (np.sin(u / 2.5) * np.sin(y / 3))[..., None] * np.array([0.3, 1, 0.8])
    inside = ((u >= 0) & (u < 36) & (y >= 30) & (y < 70))[..., None]
    levels: ImageRGB = np.clip(np.where(inside, square, wall), 0, 255).astype(np.uint8)
    return levels


def blurred(image: ImageRGB, amount: float) -> ImageRGB:
    return image if amount == 0 else np.asarray(cv2.GaussianBlur(image, (0, 0), amount), np.uint8)


def shifted(image: ImageRGB, amount: float) -> ImageRGB:
    return np.roll(image, round(amount), axis=1)


def noisy(image: ImageRGB, amount: float) -> ImageRGB:
    noise = np.random.default_rng(0).normal(0, 1, image.shape) * amount
    return np.clip(image + noise, 0, 255).astype(np.uint8)


DAMAGE: list[tuple[Callable[[ImageRGB, float], ImageRGB], list[float]]] = [
    (blurred, [0, 0.7, 1.5, 3]),
    (shifted, [0, 1, 2, 3]),
    (noisy, [0, 4, 10, 25]),
]


@pytest.mark.parametrize(("damage", "amounts"), DAMAGE)
def test_ssim_and_psnr_worsen_with_damage(damage: Callable[[ImageRGB, float], ImageRGB], amounts: list[float]) -> None:
    images = [damage(scene(), amount) for amount in amounts]
    similarities = [float(ssim_map(image, scene()).mean()) for image in images]
    ratios = [psnr_db(image, scene()) for image in images]
    for values in (similarities, ratios):
        assert values == sorted(values, reverse=True)
        assert len(set(values)) == len(values)


def test_equal_images_have_the_best_ssim_and_psnr() -> None:
    np.testing.assert_allclose(ssim_map(scene(), scene()), 1, atol=1e-5)
    assert psnr_db(scene(), scene()) == PSNR_CEILING_DB


def test_psnr_of_a_constant_offset() -> None:
    image = np.full((20, 30, 3), 100, np.uint8)
    assert psnr_db(image + np.uint8(10), image) == pytest.approx(20 * np.log10(255 / 10))
    assert psnr_db(image * 0, image * 0 + 255) == pytest.approx(0)


def test_ssim_of_flat_images_is_their_luminance_term() -> None:
    a, b, c1 = 100.0, 140.0, (0.01 * 255) ** 2
    flat_a, flat_b = np.full((32, 32, 3), a, np.uint8), np.full((32, 32, 3), b, np.uint8)
    np.testing.assert_allclose(ssim_map(flat_a, flat_b), (2 * a * b + c1) / (a * a + b * b + c1), atol=1e-3)


def test_ssim_is_the_published_formula_at_a_pixel() -> None:
    image, reference = noisy(scene(), 12), scene()
    y, x = 40, 50
    axis = np.exp(-0.5 * (np.arange(-5, 6) / 1.5) ** 2)
    window = (np.outer(axis, axis) / axis.sum() ** 2)[..., None]
    a, b = (picture[y - 5 : y + 6, x - 5 : x + 6].astype(float) for picture in (image, reference))
    mean_a, mean_b = (window * a).sum((0, 1)), (window * b).sum((0, 1))
    variance_a, variance_b = (window * a * a).sum((0, 1)) - mean_a**2, (window * b * b).sum((0, 1)) - mean_b**2
    covariance = (window * a * b).sum((0, 1)) - mean_a * mean_b
    c1, c2 = 6.5025, 58.5225
    similarity = (2 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1)
    similarity = similarity * (2 * covariance + c2) / (variance_a + variance_b + c2)
    assert float(ssim_map(image, reference)[y, x]) == pytest.approx(similarity.mean(), abs=1e-4)


def test_ssim_of_a_region_depends_only_on_damage_near_it() -> None:
    damaged = scene()
    damaged[:, :20] = 255 - damaged[:, :20]
    similarity = ssim_map(damaged, scene())
    assert float(Box(0, 0, 20, HEIGHT).crop(similarity).mean()) < 0.5
    assert float(Box(30, 0, WIDTH, HEIGHT).crop(similarity).mean()) == pytest.approx(1, abs=1e-5)


def test_images_of_different_sizes_are_rejected() -> None:
    for measure in (ssim_map, psnr_db):
        with pytest.raises(ValueError, match="same size"):
            measure(scene(), scene()[1:])


def test_frechet_distance_of_shifted_and_of_scaled_sets() -> None:
    points = np.random.default_rng(0).normal(size=(200, 5))
    assert frechet_distance(points, points) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(points + np.array([3, 0, 4, 0, 0]), points) == pytest.approx(25)
    # Equal means, covariances S and 4 S: tr(S + 4 S - 2 * 2 S) = tr S.
    centred = points - points.mean(0)
    assert frechet_distance(2 * centred, centred) == pytest.approx(np.cov(points.T).trace())
    few = points[:4]
    assert np.isfinite(frechet_distance(few, points[4:9]))


def test_motion_is_estimated_and_occluded_pixels_are_excluded() -> None:
    true_motion = estimate_motion(scene(0), scene(4))
    inside = true_motion.to_previous[36:64, 52:72]
    np.testing.assert_allclose(np.median(inside, axis=(0, 1)), [-4, 0], atol=0.5)
    assert true_motion.visible[36:64, 52:72].mean() > 0.9
    assert true_motion.visible[32:68, 41:43].mean() < 0.6  # the wall that the square just uncovered


def test_warping_error_is_small_for_a_steady_video_and_grows_with_flicker() -> None:
    previous, current = scene(0), scene(4)
    true_motion = estimate_motion(previous, current)
    steady = warping_error(previous, current, true_motion)
    assert steady < 5
    still = estimate_motion(previous, previous)
    brighter = np.clip(previous.astype(int) + 7, 0, 255).astype(np.uint8)
    assert warping_error(previous, brighter, still) == pytest.approx(7, abs=0.5)


def test_flicker_grows_with_noise_and_a_frozen_result_is_not_steady() -> None:
    real = [scene(3 * t) for t in range(6)]
    motions = [estimate_motion(a, b) for a, b in pairwise(real)]

    def errors(video: list[ImageRGB]) -> NDArray[np.float64]:
        return np.array([warping_error(a, b, m) for (a, b), m in zip(pairwise(video), motions, strict=True)])

    true_errors = errors(real)
    assert flicker_ratio(true_errors, true_errors) == 1

    def flickering(amount: float) -> list[ImageRGB]:
        random = np.random.default_rng(1)
        return [np.clip(f + random.normal(0, 1, f.shape) * amount, 0, 255).astype(np.uint8) for f in real]

    ratios = [flicker_ratio(errors(flickering(amount)), true_errors) for amount in (0, 3, 8, 20)]
    assert ratios == sorted(ratios)
    assert ratios[-1] > 2
    assert flicker_ratio(errors([real[0]] * 6), true_errors) > 1.2


@pytest.mark.parametrize("hold", [2, 3, 6])
def test_stalling_is_the_fraction_of_the_motion_that_is_missing(hold: int) -> None:
    def changes(frames: list[ImageRGB]) -> NDArray[np.float64]:
        return np.array([np.nan, *(frame_change(*pair) for pair in pairwise(frames))])

    real = [walker(t) for t in range(13)]
    rng = np.random.default_rng(0)
    noisy = [np.clip(f + rng.normal(0, 12, f.shape), 0, 255).astype(np.uint8) for f in real]
    blurred = [np.asarray(cv2.GaussianBlur(f, (0, 0), 2), np.uint8) for f in real]
    true = changes(real)
    assert stalling(true, true) == 0
    assert stalling(changes([real[t - t % hold] for t in range(13)]), true) == pytest.approx(1 - 1 / hold, abs=0.05)
    assert stalling(changes([real[0]] * 13), true) == 1
    assert stalling(changes(noisy), true) < 0.1
    assert stalling(changes(blurred), true) < 0.15
    assert np.isnan(stalling_curve(true, true)[0])
    assert np.isnan(stalling(true[:1], true[:1]))


def walker(t: int) -> ImageRGB:
    """A striped figure that walks 3 px a frame past a wall."""
    image = np.full((128, 128, 3), 150, np.uint8)
    image[20:110, 20 + 3 * t : 44 + 3 * t] = np.where(np.arange(90) // 6 % 2, 40, 120)[:, None, None].astype(np.uint8)
    return image


def test_sharpness_falls_with_blur_and_is_zero_on_a_plain_wall() -> None:
    picture = walker(0)
    values = [sharpness(np.asarray(cv2.GaussianBlur(picture, (0, 0), s), np.uint8)) for s in (0.5, 1.0, 2.0, 4.0)]
    assert sharpness(picture) > values[0]
    assert values == sorted(values, reverse=True)
    assert sharpness(np.full((32, 32, 3), 90, np.uint8)) == 0


def test_a_cut_is_not_flicker() -> None:
    random = np.random.default_rng(2)
    before, after = (random.integers(0, 255, (64, 64, 3), np.uint8) for _ in range(2))
    unknown = warping_error(before, after, estimate_motion(before, after))
    assert np.isnan(unknown) or unknown > 0
    assert flicker_ratio(np.array([np.nan, 2.0]), np.array([5.0, 1.0])) == 2
    assert np.isnan(flicker_ratio(np.array([np.nan]), np.array([1.0])))


def track(frames: int = 40, step_px: float = 0.0) -> PoseTrack:
    """Somebody 100 px tall, torso 40 px, whose left foot stands while the right one walks by `step_px` a frame."""
    xy = np.full((frames, NUM_KEYPOINTS, 2), [60, 50], np.float32)
    for names, x, y in (
        (("nose",), 0, -40), (("right_eye", "right_ear"), -4, -43), (("left_eye", "left_ear"), 4, -43), (("neck",), 0, -25),
        (("right_hip",), -6, 15), (("left_hip",), 6, 15), (("left_heel", "left_toe"), 8, 60),
        (("right_heel", "right_toe"), -8, 60),
    ):  # fmt: skip
        for name in names:
            xy[:, INDEX[name]] = [60 + x, 50 + y]
    for name in ("right_heel", "right_toe"):
        xy[:, INDEX[name], 0] += step_px * np.arange(frames)
    return track_of(xy)


def track_of(xy: NDArray[np.float32], confidence: NDArray[np.float32] | None = None) -> PoseTrack:
    count = len(xy)
    confidence = np.full((count, NUM_KEYPOINTS), 0.9, np.float32) if confidence is None else confidence
    pose = Pose(xy.astype(np.float32), confidence)
    return PoseTrack(pose, np.arange(count) / 30, np.zeros(count, np.uint8), WIDTH, HEIGHT, "made", "0" * 64)


def moved(reference: PoseTrack, offset: NDArray[np.float64] | list[float]) -> PoseTrack:
    return track_of((reference.pose.xy + offset).astype(np.float32), reference.pose.confidence)


def test_torso_length() -> None:
    assert torso_px(track()) == pytest.approx(40)


@pytest.mark.parametrize("part", list(PARTS))
def test_pose_distance_is_the_offset_in_every_part(part: str) -> None:
    np.testing.assert_allclose(pose_distance_px(moved(track(), [3, 4]).pose, track().pose, part), 5, atol=1e-5)


def test_parts_cover_the_body_once() -> None:
    parts = [i for part, columns in PARTS.items() if part != "all" for i in columns]
    assert sorted(parts) == list(range(NUM_KEYPOINTS))


def test_pose_distance_grows_with_jitter_and_with_freezing() -> None:
    reference = track(step_px=4)
    noise = np.random.default_rng(0).normal(size=reference.pose.xy.shape)
    jitters = [pose_distance_px(moved(reference, level * noise).pose, reference.pose).mean() for level in (0, 1, 3, 9)]
    assert jitters == sorted(jitters)
    assert jitters[0] == 0 < jitters[1]
    frozen = track_of(np.repeat(reference.pose.xy[:1], 40, axis=0))
    curve = pose_distance_px(frozen.pose, reference.pose, "feet")
    assert (np.diff(curve) > 0).all()


def test_missed_keypoints_are_those_detected_in_the_reference_only() -> None:
    reference, result = track(), track()
    confidence = result.pose.confidence.copy()
    confidence[5, [INDEX["nose"], INDEX["left_toe"]]] = 0
    found = track_of(result.pose.xy, confidence)
    missed = missed_keypoints(found.pose, reference.pose)
    assert missed[5] == 2
    assert missed.sum() == 2
    assert missed_keypoints(found.pose, reference.pose, "head")[5] == 1
    assert missed_keypoints(reference.pose, found.pose).sum() == 0  # more than the reference is not a miss
    assert np.isfinite(pose_distance_px(found.pose, reference.pose)).all()


def test_distance_without_a_person_is_nan() -> None:
    nobody = track_of(np.zeros((40, NUM_KEYPOINTS, 2), np.float32), np.zeros((40, NUM_KEYPOINTS), np.float32))
    assert np.isnan(pose_distance_px(nobody.pose, track().pose)).all()
    assert np.isnan(foot_sliding(nobody, track())).all()
    assert np.isnan(torso_px(nobody))
    assert (missed_keypoints(nobody.pose, track().pose) == NUM_KEYPOINTS).all()


def test_the_standing_foot_is_found() -> None:
    standing = standing_points(track(step_px=4))
    left = [FEET.index(INDEX["left_heel"]), FEET.index(INDEX["left_toe"])]
    assert standing[:, left].all()
    assert standing.sum() == standing[:, left].sum()


def test_foot_sliding_is_the_speed_of_the_standing_foot() -> None:
    reference = track(step_px=4)
    assert foot_sliding(reference, reference).max() == 0
    slides = []
    for speed_px in (0.5, 1.0, 2.0):
        slip = np.zeros((40, 1, 2))
        slip[:, 0, 0] = speed_px * np.arange(40)
        slides.append(float(foot_sliding(moved(reference, slip), reference).mean()))
    # px per frame times 30 frames a second over a torso of 40 px.
    np.testing.assert_allclose(slides, np.array([0.5, 1.0, 2.0]) * 30 / 40, rtol=1e-4)


def test_ground_error_is_the_height_of_the_standing_feet() -> None:
    np.testing.assert_allclose(ground_error(moved(track(), [0, -6]), track()), 6 / 40, atol=1e-5)
    np.testing.assert_allclose(ground_error(moved(track(), [9, 0]), track()), 0, atol=1e-6)


def test_person_box_holds_the_keypoints_with_a_margin_and_stays_in_the_frame() -> None:
    box = person_box(track().pose[0], 200, 200)
    assert box is not None
    height_px = 103
    assert box.top == 0  # 7 - 10.3 is outside
    assert box.bottom == pytest.approx(110 + 0.1 * height_px + 1, abs=1)
    assert box.left == pytest.approx(52 - 0.1 * height_px, abs=1)


def test_face_box_is_around_the_head_and_absent_without_one() -> None:
    pose = track().pose[0]
    box = face_box(pose, 200, 200)
    assert box is not None
    assert box.left < 56
    assert box.right > 64
    assert box.bottom - box.top == pytest.approx(1.3 * 15, abs=2)
    confidence = pose.confidence.copy()
    confidence[[INDEX[name] for name in ("nose", "right_eye", "left_eye", "right_ear", "left_ear")]] = 0
    assert face_box(Pose(pose.xy, confidence), 200, 200) is None
    assert person_box(Pose(pose.xy, np.zeros_like(confidence)), 200, 200) is None


def test_landmark_distance_is_in_head_heights_and_nan_without_detection() -> None:
    truth = np.zeros((3, 68, 2), np.float32)
    own = truth + np.array([3, 4], np.float32)
    distance = landmark_distance(own, truth, np.full(3, 50, np.float32), np.array([True, True, False]))
    np.testing.assert_allclose(distance, [0.1, 0.1, np.nan])


def test_expression_correlation_of_following_and_frozen_faces() -> None:
    dancer, seen = np.sin(np.arange(30)).astype(np.float32), np.ones(30, np.bool_)
    assert expression_correlation(dancer + dancer, dancer, seen) == pytest.approx(1)
    assert expression_correlation(-dancer, dancer, seen) == pytest.approx(-1)
    assert expression_correlation(np.zeros(30, np.float32), dancer, seen) == 0
    assert np.isnan(expression_correlation(dancer, dancer, seen & (np.arange(30) < 5)))
    assert np.isnan(expression_correlation(dancer, np.zeros(30, np.float32), seen))
    assert np.isnan(expression_correlation(dancer, 0.004 * dancer, seen))  # a mouth at rest, as it is measured
    assert expression_correlation(0.004 * dancer, dancer, seen) == pytest.approx(1)  # hardly moves, but as asked
