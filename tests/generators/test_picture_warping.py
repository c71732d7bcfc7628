"""Pictures of the person are warped onto poses and put into images, on every device in its own way."""

import dataclasses
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from dancenow.generators.crop.dataset import CropDataset
from dancenow.generators.references import cpu_finish, gpu_finish
from dancenow.generators.references.body_parts import NUM_PARTS
from dancenow.generators.references.cell_warper import CellWarper
from dancenow.generators.references.fine_pictures import FinePictures
from dancenow.generators.references.image_finishing import finish_image
from dancenow.generators.references.patch_warper import PatchWarper
from dancenow.generators.references.picture_warper import PictureWarper, create_warper
from dancenow.generators.references.prepared_pictures import FINE_PER_CANVAS_PX, PreparedPictures
from dancenow.generators.references.reference_choice import ReferenceChoice, choose_nearest
from dancenow.generators.references.reference_selection import ReferenceOptions, build_reference_set, selected_frames
from dancenow.generators.references.reference_set import ReferenceSet
from dancenow.progress import ignore_progress
from dancenow.subject.subject import Subject
from dancenow.types import Pose

CPU = torch.device("cpu")
CANVAS_PX = 64

Create = Callable[[PreparedPictures, int], PictureWarper]
every_warper = pytest.mark.parametrize("create", [CellWarper, PatchWarper])


@pytest.fixture(scope="module")
def references(drawn_subject: Subject) -> ReferenceSet:
    dataset = CropDataset.build(drawn_subject, CANVAS_PX, 2, 32)
    options = ReferenceOptions(count=5, gap_s=0.2)
    return build_reference_set(drawn_subject, dataset, selected_frames(drawn_subject, 2, 32), options, ignore_progress)


@pytest.fixture(scope="module")
def pictures(references: ReferenceSet) -> PreparedPictures:
    return PreparedPictures(references, CPU)


def on_canvas(references: ReferenceSet, number: int) -> tuple[Tensor, Tensor, Tensor]:
    """The pose of a picture as if the picture was the canvas."""
    pose, scale = references.pose[number : number + 1], np.float32(references.px_per_canvas_px)
    pose = Pose((pose.xy + 0.5) / scale - 0.5, pose.confidence, pose.depth / scale)
    return torch.from_numpy(pose.xy), torch.from_numpy(pose.confidence), torch.from_numpy(pose.depth)


def chosen(number: int) -> ReferenceChoice:
    """One slot that shows one picture."""
    return ReferenceChoice(torch.full((1, 1, 1, NUM_PARTS), number), torch.ones(1, 1, 1, NUM_PARTS))


@every_warper
def test_a_picture_warped_onto_its_own_pose_is_itself(
    references: ReferenceSet, pictures: PreparedPictures, create: Create
) -> None:
    number = 2
    warped = create(pictures, CANVAS_PX).warp(
        *on_canvas(references, number), chosen(number), torch.zeros(1, NUM_PARTS, len(references))
    )
    image = F.pixel_shuffle(warped[:, :64], 4)[0]
    height, width = (round(side / references.px_per_canvas_px) for side in references.rgba.shape[1:3])
    small = cv2.resize(references.rgba[number], (width, height), interpolation=cv2.INTER_AREA)
    height, width = min(height, CANVAS_PX), min(width, CANVAS_PX)
    color, valid = image[:3, :height, :width] / (image[3:, :height, :width] + 1e-3), image[3, :height, :width] > 0.7
    assert float(valid.sum()) > 0.4 * (small[:height, :width, 3] > 200).sum()
    off = (color.permute(1, 2, 0) + 1) * 127.5 - torch.from_numpy(small[:height, :width, :3].astype(np.float32))
    assert float(off.abs()[valid].mean()) < 8


def test_pictures_are_sharper_by_what_interpolation_takes_away(references: ReferenceSet, pictures: PreparedPictures) -> None:
    def detail(image: np.ndarray[Any, Any]) -> float:
        return float(np.abs(cv2.Laplacian(image.astype(np.float32), cv2.CV_32F))[inside].mean())

    rgba, prepared = references.rgba[0], pictures.premultiplied[0]
    if rgba.shape != prepared.shape:
        rgba = cv2.resize(rgba, prepared.shape[1::-1], interpolation=cv2.INTER_CUBIC)
    inside = cv2.erode((rgba[..., 3] == 255).astype(np.uint8), np.ones((7, 7), np.uint8)) > 0
    plain = rgba[..., 0]
    sharper, moved = detail(prepared[..., 0]), []
    for image in (prepared[..., 0], plain):
        for _ in range(2):
            image = cv2.warpAffine(image, np.array([[1, 0, 0.3], [0, 1, 0.3]]), image.shape[::-1])
        moved.append(abs(np.log(detail(image) / detail(plain))))
    assert sharper > 1.2 * detail(plain)
    assert moved[0] < 0.75 * moved[1]  # nearer to the picture itself


@every_warper
def test_the_generator_sees_means_of_the_fine_pictures(
    references: ReferenceSet, pictures: PreparedPictures, create: Create
) -> None:
    warper = create(pictures, CANVAS_PX)
    pose = on_canvas(references, 1)
    distances = pictures.distances(*pose)
    choice = choose_nearest(distances, 2, None)
    coarse, (fine,) = warper.warp_finely(*pose, choice, distances)
    torch.testing.assert_close(coarse, warper.warp(*pose, choice, distances))
    means = fine.halved()
    canvas = torch.zeros(2, 4, CANVAS_PX, CANVAS_PX)
    height, width = means.pixels.shape[2:]
    canvas[:, :, means.y_px : means.y_px + height, means.x_px : means.x_px + width] = means.pixels
    seen = F.pixel_shuffle(coarse, 4).reshape(2, 4, CANVAS_PX, CANVAS_PX)
    torch.testing.assert_close(canvas[:, 3], seen[:, 3], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(2 * canvas[:, :3] - canvas[:, 3:], seen[:, :3], atol=1e-5, rtol=1e-5)
    known, valid = fine.head[4], fine.head[3]
    assert float(known.max()) > 0.5
    assert (valid <= known + 1e-5).all()
    assert float(valid.max()) > 0.5
    assert ((known > 0.3) & (valid == 0)).any(), "that somebody is not there is known, too"


def test_all_warpers_agree(references: ReferenceSet, pictures: PreparedPictures) -> None:
    pose = on_canvas(references, 3)
    distances = pictures.distances(*pose)
    choice = choose_nearest(distances, 2, None)
    one, other = (
        F.pixel_shuffle(create(pictures, CANVAS_PX).warp(*pose, choice, distances), 4) for create in (CellWarper, PatchWarper)
    )
    heads = [torch.zeros(5, 2 * CANVAS_PX, 2 * CANVAS_PX) for _ in range(2)]
    warpers: tuple[PictureWarper, ...] = (CellWarper(pictures, CANVAS_PX), PatchWarper(pictures, CANVAS_PX))
    for warper, canvas in zip(warpers, heads, strict=True):
        fine = warper.warp_finely(*pose, choice, distances)[1][0]
        height, width = fine.head.shape[1:]
        canvas[:, fine.y_px : fine.y_px + height, fine.x_px : fine.x_px + width] = fine.head
    assert float(heads[0][3].max()) > 0.5
    inside = (heads[0][4] > 0.3) & (heads[1][4] > 0.3)
    assert float((heads[0] - heads[1]).abs()[:, inside].mean()) < 0.03
    moved = (one[..., 1:] - one[..., :-1]).square().mean()
    assert (one - other).square().mean() < 0.1 * moved  # much less than a px of displacement
    assert isinstance(create_warper(references, CANVAS_PX, CPU), PatchWarper)


@every_warper
def test_where_nobody_is_nothing_is_warped(pictures: PreparedPictures, create: Create) -> None:
    xy = torch.zeros(1, pictures.parts.xy.shape[1], 2)
    distances = torch.zeros(1, NUM_PARTS, 5)
    coarse, (fine,) = create(pictures, CANVAS_PX).warp_finely(xy, xy[..., 0], xy[..., 0], chosen(0), distances)
    assert not coarse.any()
    assert not fine.pixels.any()
    assert not fine.head.any()
    assert not fine.halved().pixels.any()


def striped_plan(shade: bool) -> tuple[Tensor, FinePictures, Tensor]:
    """The plan of a gray square that is copied where pictures show something, such a picture with stripes, and the stripes."""
    plan = torch.zeros(1, 4 + 4 * 2 + shade, 32, 32)
    plan[:, 3, 8:24, 8:24] = 1.0
    plan[:, 4:6] = 6.0
    plan[:, 12:] = 0.25
    stripes = torch.where(torch.arange(24, 40) % 2 == 0, 1.0, 0.0)
    pixels = torch.zeros(2, 4, 16, 16)
    pixels[0, :3], pixels[0, 3] = stripes, 1.0
    return plan, FinePictures(24, 24, pixels, torch.zeros(5, 16, 16)), 2 * stripes - 1


@pytest.mark.parametrize("shade", [False, True])
def test_a_fine_image_shows_the_plan_and_the_detail_of_the_pictures(shade: bool) -> None:
    plan, pictures, stripes = striped_plan(shade)
    image = finish_image(plan, pictures, FINE_PER_CANVAS_PX * plan.shape[2])
    assert image.shape == (1, 4, 64, 64)
    torch.testing.assert_close(image[0, 0, 30, 26:38], stripes[2:-2], atol=0.02, rtol=0)
    torch.testing.assert_close(image[0, 3, 30, 20:44], torch.ones(24), atol=0.02, rtol=0)
    assert image[0, 0, 30, 20:23].abs().max() < 0.02  # generated
    torch.testing.assert_close(image[0, 3, 2], torch.full((64,), 0.25 * shade))  # nothing but shadow
    assert image[0, 0, 2].max() <= 0


def test_an_image_is_finished_alike_on_every_device() -> None:
    random = torch.Generator().manual_seed(0)
    plan = F.interpolate(torch.rand(1, 13, 8, 8, generator=random), size=(32, 32), mode="bilinear")
    plan[:, 12] = 0.0
    pixels = F.interpolate(torch.rand(2, 4, 16, 16, generator=random), size=(48, 48), mode="bilinear")
    pixels[:, :3] *= pixels[:, 3:]
    head, box = torch.rand(5, 48, 48, generator=random), (slice(2, 30), slice(0, 32))
    head[4] = 1.0  # a head that is a little larger than what is generated
    head[3] = 1.15 * F.interpolate(plan[:, 3:4], scale_factor=2, mode="bilinear")[0, 0, 4:52, 8:56]
    head[:3] *= head[3:4]
    pictures = FinePictures(8, 4, pixels, head)
    one, other = finished_by_both(plan, pictures, box)
    visible = other[..., 3:] > 0.1
    assert visible.float().mean() > 0.5
    # Kernels differ in the last place, and OpenCV looks up 32nds of px.
    assert float(((one - other) * visible).abs().mean()) < 0.01
    without = finished_by_both(plan, FinePictures(8, 4, pixels, torch.zeros_like(head)), box)
    for found, plain in zip((one, other), without, strict=True):
        assert float((found - plain)[..., 3].abs().mean()) > 0.01, "the outline of the head is copied"


def finished_by_both(plan: Tensor, pictures: FinePictures, box: tuple[slice, slice]) -> tuple[Tensor, Tensor]:
    """A part of an image [1,64,64,4] by OpenCV and by torch."""
    one, other = torch.zeros(1, 64, 64, 4), torch.zeros(1, 64, 64, 4)
    cpu_finish.finish_box(plan[0].numpy(), pictures, one[0].numpy(), box)
    gpu_finish.finish_box(plan, pictures, other, box)
    return one, other


def outlined(side_px: int, left_px: int) -> Tensor:
    """Alpha and red [2,32,32] of a generated gray square, from px 8 to 24, whose left half is known to be a head: red, from
    `left_px` to 16 and from row 8 to 24."""
    plan = torch.zeros(1, 4 + 4 * 2, 128, 128)
    plan[:, 3, 32:96, 32:96] = 1.0
    plan[:, 0] = -1.0
    head = torch.zeros(5, 256, 256)
    head[4, :, :128] = 1.0
    head[0, 64:192, 8 * left_px : 128], head[3, 64:192, 8 * left_px : 128] = 1.0, 1.0
    pictures = FinePictures(0, 0, torch.zeros(2, 4, 256, 256), head)
    image = finish_image(plan, pictures if side_px == 256 else pictures.halved(), side_px)
    return F.avg_pool2d(image[:, [3, 0]], side_px // 32)[0]


@pytest.mark.parametrize("side_px", [128, 256])
def test_the_outline_of_a_head_is_copied_where_it_is_known(side_px: int) -> None:
    wider, narrower, same = outlined(side_px, 7), outlined(side_px, 9), outlined(side_px, 8)
    assert wider[0, 12, 7] > same[0, 12, 7] + 0.3, "more than is generated, as far as outlines are moved"
    assert narrower[0, 12, 8] < same[0, 12, 8] - 0.2
    assert wider[1, 12, 7] > same[1, 12, 7] + 0.3
    for alpha, _ in (wider, narrower):
        assert alpha[12, 20] > 0.95, "unknown, so generated"


@pytest.mark.parametrize("side_px", [128, 256])
def test_a_head_of_another_size_is_not_copied(side_px: int) -> None:
    alpha, _ = outlined(side_px, 1)
    assert alpha[12, 7] < 0.05
    assert alpha[12, 9] > 0.95


def test_sharp_edges_lose_their_stairs_and_soft_ones_stay() -> None:
    y, x = np.mgrid[:32, :32].astype(np.float32)
    hard = (x + 0.4 * y > 20).astype(np.float32)  # a slanted edge, all or nothing in each px
    enlarged = np.asarray(cv2.resize(hard, (96, 96), interpolation=cv2.INTER_CUBIC), np.float32).clip(0, 1)
    smooth = cpu_finish.smooth_edges(enlarged, 3.0)
    rows = np.arange(12, 84)

    def stairs_px(image: np.ndarray[Any, Any]) -> float:
        """How far the edge is off a straight line."""
        edge_px = image.shape[1] - image[rows].sum(axis=1)
        return float(np.std(edge_px - np.polyval(np.polyfit(rows, edge_px, 1), rows)))

    assert stairs_px(smooth) < 0.75 * stairs_px(enlarged)
    assert np.abs(np.diff(smooth[48])).max() > np.abs(np.diff(enlarged[48])).max()  # steeper
    soft = np.tile(np.linspace(0, 1, 96, dtype=np.float32), (96, 1))
    np.testing.assert_array_equal(cpu_finish.smooth_edges(soft, 3.0), soft)


def test_half_of_fine_pictures_are_their_means() -> None:
    pixels = torch.arange(64.0).reshape(1, 4, 4, 4)
    half = FinePictures(6, 2, pixels, torch.zeros(5, 4, 4)).halved()
    assert (half.x_px, half.y_px) == (3, 1)
    assert float(half.pixels[0, 0, 0, 0]) == 2.5


def test_a_head_that_is_cut_off_keeps_its_generated_outline(references: ReferenceSet) -> None:
    cut = PreparedPictures(dataclasses.replace(references, whole_head=np.zeros(len(references), np.bool_)), CPU)
    pose = on_canvas(references, 3)
    warpers: tuple[PictureWarper, ...] = (CellWarper(cut, CANVAS_PX), PatchWarper(cut, CANVAS_PX))
    for warper in warpers:
        distances = cut.distances(*pose)
        (fine,) = warper.warp_finely(*pose, choose_nearest(distances, 2, None), distances)[1]
        assert not fine.head.any()
        assert fine.pixels.any()
