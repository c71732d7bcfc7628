"""What the buttons do: consent cannot be skipped, and only uploads and offered values are taken."""

import sys
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from dancenow.errors import InputError, OptionError, UserError
from dancenow.web.actions import Actions, Choices, budget_of, hex_color
from dancenow.web.consent_choices import ConsentChoices
from dancenow.web.job import Job
from dancenow.web.job_queue import JobQueue
from dancenow.web.job_store import JobStore, write_json

AGREED, NOTHING = ConsentChoices("self", "", "", None, True), ConsentChoices(None, "", "", None, False)
FILLED = Choices(4.0, "draft", "target", "#ffffff", None, 0, (0,) * 6, (0,) * 4, (AGREED, *[NOTHING] * 3))
OF_CONSENT = {field.name for field in fields(ConsentChoices)}


def filled(**changes: Any) -> Choices:
    """The form with these changes; those of the consent to the first dancer's."""
    first = replace(AGREED, **{name: value for name, value in changes.items() if name in OF_CONSENT})
    rest = {name: value for name, value in changes.items() if name not in OF_CONSENT}
    return replace(FILLED, consents=(first, *FILLED.consents[1:]), **rest)


@pytest.fixture
def actions(tmp_path: Path) -> Actions:
    """Actions whose queue takes jobs but runs none: one that began to run would not be as the test left it."""
    store = JobStore(tmp_path / "data")
    store.uploads.mkdir(parents=True)
    queue = JobQueue(store, (sys.executable, "-S", "-c", "import sys; sys.exit(3)"))
    queue.close()
    return Actions(store, queue)


def upload(actions: Actions, name: str, content: bytes = b"x") -> str:
    path = actions.store.uploads / name
    path.write_bytes(content)
    return str(path)


@pytest.fixture
def checked(actions: Actions) -> Job:
    job = actions.store.add("me", Path(upload(actions, "a.mp4")), Path(upload(actions, "b.mp4")), ("a", "b"))
    write_json(
        actions.store.folder(job.number) / "check.json", {"source": {"frames": 100, "people": 1}, "target": {"people": 1}}
    )
    return actions.store.update(job, state="waiting")


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"who": None}, "who is in the video"),
        ({"agreed": False}, "tick the box"),
        ({"who": "licensed"}, "name of the person"),
        ({"who": "licensed", "name": "Ann"}, "license"),
        ({"who": "licensed", "name": "Ann", "licence": "CC-BY-ND-4.0"}, "forbids derivatives"),
        ({"who": "anybody"}, "unknown kind of consent"),
        ({"minutes": None}, "training time"),
        ({"minutes": 1e9}, "training time"),
        ({"preset": "paper"}, "no quality"),
        ({"scene": "/etc/passwd"}, "no scene"),
        ({"scene": "picture"}, "picture of the scene first"),
        ({"scene": "picture", "picture": "/etc/passwd"}, "was not uploaded"),
        ({"scene": "color", "color": "url(x)"}, "choose a color"),
        ({"source_person": 99}, "no person"),
    ],
)
def test_a_form_that_is_not_complete_trains_nothing(
    actions: Actions, checked: Job, changes: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(UserError, match=complaint):
        actions.start("me", checked.number, filled(**changes))
    assert actions.store.get(checked.number).state == "waiting"


def test_the_consent_of_the_form_is_that_of_the_command_line(actions: Actions, checked: Job) -> None:
    document = upload(actions, "signed.pdf", b"signed")
    chosen = filled(who="licensed", name=" Ann ", document=document, scene="color", color="rgba(255, 0, 15.6, 1)")
    job = actions.start("me", checked.number, chosen)
    assert job.consent is not None
    assert (job.consent["kind"], job.consent["person"], job.consent["document"]) == ("licensed", "Ann", "signed.pdf")
    assert len(job.consent["document_sha256"]) == 64
    assert not Path(document).exists(), "the document itself is not kept"
    assert job.settings.scene == "#ff0010"
    assert job.settings.budget == "4m"


def test_a_picture_of_a_scene_is_written_anew(actions: Actions, checked: Job) -> None:
    encoded = cv2.imencode(".png", np.full((8, 8, 3), 90, np.uint8))[1].tobytes()
    picture = upload(actions, "place.png", encoded + b"<script>")
    assert actions.start("me", checked.number, replace(FILLED, scene="picture", picture=picture)).settings.scene == "scene.png"
    assert b"<script>" not in (actions.store.folder(checked.number) / "scene.png").read_bytes()
    actions.queue.stop(checked.number, "me", "cancelled")


def test_only_uploads_become_jobs(actions: Actions, tmp_path: Path, checked: Job) -> None:
    outside = tmp_path / "outside.mp4"
    outside.write_bytes(b"x")
    inside = actions.store.uploads / "link.mp4"
    inside.symlink_to(outside)
    for path in (str(outside), str(inside), "/etc/passwd", str(actions.store.uploads / "../jobs")):
        with pytest.raises(InputError, match="not uploaded"):
            actions.add("me", path, path, "")
    with pytest.raises(InputError, match="dance first"):
        actions.add("me", None, None, "")
    with pytest.raises(InputError, match="no such job"):
        actions.add("me", upload(actions, "c.mp4"), None, f"{checked.number}/model.safetensors")  # it has no model
    for name in ("", "job.json", "source.mp4", "../model.safetensors", "model2.safetensors"):
        with pytest.raises(InputError, match="no such model"):
            actions.add("me", upload(actions, "c.mp4"), None, f"{checked.number}/{name}")
    assert outside.exists()


def test_budgets_and_colors() -> None:
    assert [budget_of(0.2), budget_of(1), budget_of(90.5)] == ["12s", "1m", "90.5m"]
    assert hex_color("#A0B1C2") == "#a0b1c2"
    with pytest.raises(OptionError):
        budget_of(-1)
