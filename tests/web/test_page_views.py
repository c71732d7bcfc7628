"""What the page says: nothing of users or videos becomes markup, and people, gaps and times are told plainly."""

from typing import Any

import pytest

from dancenow.web.job import Job
from dancenow.web.views import check_view, duration, gallery_view, result_view, status_view

EVIL = "<script>alert(1)</script>"
NUMBER = "ab" * 16


def job(**fields: Any) -> Job:
    return Job(NUMBER, "me", 0.0, "source.mp4", EVIL, "target.mp4", EVIL, **fields)


def check(**changes: Any) -> dict[str, Any]:
    facts = {"seconds": 12.0, "frames": 360, "width_px": 640, "height_px": 480, "people": 1}
    gaps = [{"start_s": float(start), "stop_s": start + 1.5, "what": "arms up", "advice": EVIL} for start in range(0, 10, 2)]
    return {"source": facts, "target": facts, "advice": [EVIL], "summary": EVIL, "gaps": gaps} | changes


def test_nothing_of_users_becomes_markup() -> None:
    evil = job(state="failed", error=EVIL)
    views = [
        status_view(evil, {}, 0, 0.0, is_stopping=False),
        status_view(job(state="running"), {"stage": EVIL, "share": 0.5, "left_s": 90}, 0, 0.0, is_stopping=False),
        check_view(evil, check(), has_plot=True),
        result_view(job(state="done"), {"result": "result.mp4", "notes": [EVIL]}, ["result.mp4", "beside.mp4"]),
        gallery_view([evil], {NUMBER: "result.jpg"}),
    ]
    for view in views:
        assert view
        assert "<script" not in view.lower()


def test_several_people_are_shown_with_their_numbers() -> None:
    several = check(source={**check()["source"], "people": 3})
    view = check_view(job(), several, has_plot=False)
    assert "3 people: choose below" in view
    assert "source_people.jpg" in view
    assert "target_pose.jpg" in view


def test_gaps_lie_on_the_timeline_where_they_are() -> None:
    view = check_view(job(), check(), has_plot=False)
    assert view.count("<i style=") == 5
    assert "left:16.67%;width:12.50%" in view
    assert "2.0-3.5 s" in view


def test_a_queued_job_tells_its_place_and_a_stopping_one_that_it_stops() -> None:
    assert "2 before it, about 5 minutes to go" in status_view(job(), {}, 2, 300.0, is_stopping=False)
    assert "Stopping" in status_view(job(state="running"), {}, 0, 0.0, is_stopping=True)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(3, "less than a minute"), (61, "about 1 minute"), (600, "about 10 minutes"), (9000, "about 2.5 hours")],
)
def test_times_are_words(seconds: float, words: str) -> None:
    assert duration(seconds) == words
