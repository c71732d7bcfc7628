"""BVH files: a small generated one is retargeted; invalid ones are explained."""

from pathlib import Path

import numpy as np
import pytest

from dancenow.errors import UserError
from dancenow.research.studio.body import Body
from dancenow.research.studio.bvh import read_bvh, retarget
from dancenow.skeleton import INDEX

pytestmark = pytest.mark.slow  # whole paths, each some seconds

LIMBS = {
    "Spine": ("Hips", (0, 20, 0)), "Neck": ("Spine", (0, 30, 0)), "Head": ("Neck", (0, 10, 0)),
    **{
        f"{side}{part}": (parent.format(side=side), tuple(np.multiply(offset, (sign, 1, 1))))
        for side, sign in (("Left", 1), ("Right", -1))
        for part, (parent, offset) in {
            "Arm": ("Spine", (18, 28, 0)), "ForeArm": ("{side}Arm", (28, 0, 0)), "Hand": ("{side}ForeArm", (25, 0, 0)),
            "UpLeg": ("Hips", (9, -5, 0)), "Leg": ("{side}UpLeg", (0, -42, 0)), "Foot": ("{side}Leg", (0, -40, 0)),
            "ToeBase": ("{side}Foot", (0, -6, 14)),
        }.items()
    },
}  # fmt: skip


def bvh_text(arm_deg: list[float]) -> str:
    """A T-pose skeleton, y up and facing z, that raises both arms by the given angles, frame by frame."""
    columns: list[str] = []

    def joint(name: str, offset: tuple[float, ...], depth: int) -> str:
        root = name == "Hips"
        columns.extend([name] * (6 if root else 3))
        kinds = ("Xposition Yposition Zposition " if root else "") + "Zrotation Xrotation Yrotation"
        children = [joint(child, where, depth + 1) for child, (parent, where) in LIMBS.items() if parent == name]
        inner = "".join(children) or "End Site { OFFSET 0 1 0 }\n"
        place = " ".join(str(float(value)) for value in offset)
        return f"{'ROOT' if root else 'JOINT'} {name}\n{{\nOFFSET {place}\nCHANNELS {6 if root else 3} {kinds}\n{inner}}}\n"

    hierarchy = joint("Hips", (0.0, 0.0, 0.0), 0)
    rows = []
    for angle in arm_deg:
        row = [0.0] * len(columns)
        row[1] = 95.0
        row[columns.index("LeftArm")] = angle
        row[columns.index("RightArm")] = -angle
        rows.append(" ".join(map(str, row)))
    return f"HIERARCHY\n{hierarchy}MOTION\nFrames: {len(rows)}\nFrame Time: 0.1\n" + "\n".join(rows) + "\n"


def test_arms_follow_the_file(tmp_path: Path, ada: Body) -> None:
    path = tmp_path / "arms.bvh"
    path.write_text(bvh_text([0.0, 30.0, 60.0, 85.0]))
    performance = retarget(read_bvh(path), ada, fps=10.0)
    assert len(performance) == 4
    for angle, rotations, root in zip((0, 30, 60, 85), performance.rotations, performance.root, strict=True):
        points = ada.keypoints(rotations, ada.posed_joints(rotations, root))
        left = points[INDEX["left_wrist"]] - points[INDEX["left_shoulder"]]
        assert np.degrees(np.arctan2(left[2], left[0])) == pytest.approx(angle, abs=3)
        right = points[INDEX["right_wrist"]] - points[INDEX["right_shoulder"]]
        assert np.degrees(np.arctan2(right[2], -right[0])) == pytest.approx(angle, abs=3)
        assert points[INDEX["left_shoulder"], 0] > points[INDEX["right_shoulder"], 0]
        assert points[INDEX["nose"], 1] < points[INDEX["neck"], 1]
        assert abs(points[INDEX["left_heel"], 2]) < 0.06


def test_frames_are_resampled_to_the_requested_rate(tmp_path: Path, ada: Body) -> None:
    path = tmp_path / "arms.bvh"
    path.write_text(bvh_text([float(i) for i in range(20)]))
    assert len(retarget(read_bvh(path), ada, fps=30.0)) == 60
    assert len(retarget(read_bvh(path), ada, fps=30.0, seconds=0.5)) == 15


def test_a_spine_joint_inside_the_neck_is_ignored(tmp_path: Path, ada: Body) -> None:
    path = tmp_path / "cmu.bvh"
    path.write_text(bvh_text([0.0]).replace("JOINT Neck\n{\nOFFSET 0.0 30.0 0.0", "JOINT Neck\n{\nOFFSET 0.0 0.0 0.0"))
    performance = retarget(read_bvh(path), ada, fps=10.0)
    points = ada.keypoints(performance.rotations[0], ada.posed_joints(performance.rotations[0], performance.root[0]))
    assert points[INDEX["nose"], 1] < points[INDEX["neck"], 1]
    assert points[INDEX["nose"], 2] > points[INDEX["neck"], 2]


def test_the_file_is_read_exactly(tmp_path: Path) -> None:
    path = tmp_path / "arms.bvh"
    path.write_text(bvh_text([90.0]))
    motion = read_bvh(path)
    wrist = motion.positions[0, motion.names.index("LeftHand")]
    assert wrist == pytest.approx([18.0, 95 + 20 + 28 + 53, 0.0], abs=1e-6)
    assert motion.fps == pytest.approx(10)


@pytest.mark.parametrize(
    ("spoil", "word"),
    [
        (lambda text: text[: len(text) * 2 // 3], "complete"),
        (lambda text: text.replace("HIERARCHY", "HIERACHY"), "complete"),
        (lambda text: text.replace("Frames: 1", "Frames: 0"), "complete"),
        (lambda _: "", "complete"),
    ],
)
def test_a_bad_file_is_explained(tmp_path: Path, spoil: object, word: str) -> None:
    path = tmp_path / "bad.bvh"
    path.write_text(spoil(bvh_text([0.0])))  # type: ignore[operator]
    with pytest.raises(UserError, match=word):
        read_bvh(path)


def test_a_missing_file_is_explained(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot read"):
        read_bvh(tmp_path / "none.bvh")


def test_a_skeleton_without_legs_is_explained(tmp_path: Path, ada: Body) -> None:
    path = tmp_path / "odd.bvh"
    path.write_text(bvh_text([0.0]).replace("LeftUpLeg", "LeftTentacle"))
    with pytest.raises(UserError, match="upperleg01"):
        retarget(read_bvh(path), ada, fps=10.0)
