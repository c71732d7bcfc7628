"""The plan of a batch: what is shared, what is divided, and what is missing."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

from dancenow.batch.plan import make_plan, part_ranges
from helpers.batch_world import a_job


def test_jobs_share_poses_subjects_and_models() -> None:
    jobs = [a_job(source, target) for target in ("ann", "bob") for source in ("waltz", "jig", "polka")]
    plan = make_plan(jobs, device="cpu", part_s=60)
    assert Counter(step.kind for step in plan.steps.values()) == {"poses": 3, "subject": 2, "model": 2, "video": 6}
    order = list(plan.steps)
    assert all(order.index(need) < order.index(key) for key, step in plan.steps.items() for need in step.needs)


def test_everything_that_decides_a_result_is_in_its_key() -> None:
    first = a_job("waltz", "ann", scene="picture.png", scene_sha256="1")
    others = [
        a_job("jig", "ann"), a_job("waltz", "bob"), a_job("waltz", "ann"), a_job("waltz", "ann", budget="4m"),
        a_job("waltz", "ann", seed=1), a_job("waltz", "ann", normalize="paper"), a_job("waltz", "ann", scene="source"),
        a_job("waltz", "ann", scene="picture.png", scene_sha256="2"), a_job("waltz", "ann", target_person=2),
        a_job("waltz", "ann", keep="lower"), a_job("waltz", "ann", keep="upper"), a_job("waltz", {1: "ann"}),
        a_job("waltz", {1: "ann", 2: "bob"}), a_job("waltz", {2: "ann", 1: "bob"}), a_job("waltz", {2: "bob", 1: "ann"}),
    ]  # fmt: skip
    keys = [key for _, key in make_plan([first, *others], device="cpu", part_s=60).videos]
    assert len(set(keys)) == len(keys)
    (_, again), (_, on_gpu) = (make_plan([first], device=device, part_s=60).videos[0] for device in ("cpu", "cuda"))
    assert again == keys[0] != on_gpu


def test_dancers_of_one_video_share_their_work_with_other_videos() -> None:
    duets = [a_job("duet", {1: "ann", 2: "bob"}), a_job("duet", {2: "ann", 1: "bob"}), a_job("duet", {1: "ann", 2: "ann"})]
    plan = make_plan([*duets, a_job("waltz", "ann"), a_job("duet", "ann", source_person=1)], device="cpu", part_s=60)
    assert Counter(step.kind for step in plan.steps.values()) == {"poses": 3, "subject": 2, "model": 2, "video": 5}
    assert all(len(step.needs) == len(set(step.needs)) for step in plan.steps.values())
    labels = {step.label for step in plan.steps.values() if step.kind == "poses"}
    assert labels == {"poses of duet, person 1 and 2", "poses of duet, person 1", "poses of waltz"}


def test_a_learned_face_belongs_to_a_part() -> None:
    plan = make_plan([a_job("duet", {1: "ann", 2: "ann"}, face="cyclegan")], device="cpu", part_s=60)
    assert Counter(step.kind for step in plan.steps.values()) == {"poses": 1, "subject": 1, "model": 2, "video": 1}


def test_targets_of_one_name_in_two_folders_are_two_targets() -> None:
    one, other = a_job("waltz", "ann"), a_job("waltz", "bob")
    name = one.dancers[0].target.path.name
    moved = replace(other.dancers[0], target=replace(other.dancers[0].target, path=Path("elsewhere") / name))
    other = replace(other, dancers=(moved,))
    plan = make_plan([one, other], device="cpu", part_s=60)
    assert Counter(step.kind for step in plan.steps.values()) == {"poses": 1, "subject": 2, "model": 2, "video": 2}


def test_a_face_is_learned_for_each_dancer_of_a_source() -> None:
    for face, models in (("cyclegan", 2), ("residual", 1)):
        plan = make_plan([a_job("duet", "ann", face=face, source_person=n) for n in (1, 2)], device="cpu", part_s=60)
        assert Counter(step.kind for step in plan.steps.values())["model"] == models


def test_long_videos_are_divided_and_their_parts_cover_every_frame_once() -> None:
    for num_frames in (100, 1199, 1200, 1201, 1500, 1501, 36_000):
        ranges = list(part_ranges(a_job("waltz", "ann", num_frames=num_frames), 60))
        assert [frame for start, stop in ranges for frame in range(start, stop)] == list(range(num_frames))
        assert (len(ranges) > 1) == (num_frames > 1200)
        assert all(300 <= stop - start <= 900 for start, stop in ranges[1:])
    whole_frames = a_job("waltz", "ann", num_frames=36_000, preset="paper")
    assert list(part_ranges(whole_frames, 60)) == [(0, 36_000)]


def test_only_what_is_missing_is_needed() -> None:
    plan = make_plan([a_job("long", "ann", num_frames=2000), a_job("waltz", "ann")], device="cpu", part_s=60)
    by_kind = {kind: [key for key, step in plan.steps.items() if step.kind == kind] for kind in ("part", "video")}
    long_video, short_video = (key for _, key in plan.videos)
    assert plan.needed({long_video, short_video}) == []
    assert [step.kind for step in plan.needed({short_video, *by_kind["part"]})] == ["video"]
    missing = plan.needed({short_video, by_kind["part"][0]})
    assert Counter(step.kind for step in missing) == {
        "poses": 1, "subject": 1, "model": 1, "transfer": 1, "part": len(by_kind["part"]) - 1, "video": 1,
    }  # fmt: skip
