"""The page, built with gradio: a start with two videos, or one job with its progress, form and result.

Which of the two is shown, the address says (`/?job=NUMBER`), so that a closed tab, a reload or another browser finds the job.
A timer asks for news of the job; what has not changed is not sent again, so that a playing video goes on.
"""

from collections.abc import Callable, Sequence
from html import escape
from typing import Any, Final

import gradio as gr

from dancenow.errors import InputError, UserError
from dancenow.web import views
from dancenow.web.actions import Actions
from dancenow.web.form import Form, build_form, choices_of
from dancenow.web.job import Job
from dancenow.web.job_store import SUFFIXES

REFRESH_S: Final = 1.0
_FILES: Final = ("coverage.png", "result.mp4", "result.webm", "beside.mp4", "report.html")
_PICTURES: Final = ("result.jpg", "target_pose.jpg", "source_pose.jpg")
_HEADER: Final = (
    '<h1><a href="/">dancenow</a></h1><p>The person in one video dances what the dancer in another video dances.'
    " Everything stays on this machine.</p>"
)
_START: Final = (
    "<p>Drop two videos: a <b>dance</b>, and the <b>person</b> who will dance it, filmed from one place with the whole body in"
    " the picture for at least 20 seconds. They are checked first; nothing is trained yet.</p>"
)
_OPEN_JOB: Final = "(number) => { if (number) { setTimeout(() => { window.location.search = '?job=' + number }, 100) } }"
_OPEN_START: Final = "(number) => { if (!number) { setTimeout(() => { window.location.href = '/' }, 100) } }"
"""The page is left when the event that leaves it is over: one that is cut off is an error in the console."""
_TO_TOP: Final = "() => { window.scrollTo({ top: 0, behavior: 'smooth' }) }"
"""There the page says what is wrong, or how far the job is."""
_HIDDEN: Final = {"show_progress": "hidden"}


class Page:
    """Builds the page and answers its events."""

    def __init__(self, actions: Actions, *, has_logout: bool) -> None:
        self._actions, self._store, self._queue = actions, actions.store, actions.queue
        self._has_logout = has_logout

    def build(self) -> Any:
        """The page as gradio Blocks."""
        header = _HEADER + ('<nav><a href="/logout">Log out</a></nav>' if self._has_logout else "")
        with gr.Blocks(title="dancenow", analytics_enabled=False, delete_cache=(3600, 12 * 3600)) as page:
            self._number, self._seen = gr.Textbox(visible="hidden", label="Job"), gr.State("")
            gr.HTML(_block(header))
            self._message = gr.HTML()
            with gr.Column(visible=False) as self._start:
                self._build_start()
            with gr.Column(visible=False) as self._work:
                self._build_work()
            timer = gr.Timer(REFRESH_S, active=False)
            news = [self._number, self._seen, *self._form.place[:2]]
            shown = [self._status, self._preview, self._seen, *self._changing()]
            page.load(
                self._open, None, [self._number, self._message, self._start, self._work, timer, self._gallery, self._model],
                **_HIDDEN,
            ).then(self._refresh, news, shown, **_HIDDEN)  # fmt: skip
            timer.tick(self._refresh, news, shown, **_HIDDEN)
        return page

    def _build_start(self) -> None:
        gr.HTML(_block(_START))
        with gr.Row():
            source = gr.File(label="The dance", file_types=list(SUFFIXES), elem_id="source", height=150, min_width=280)
            target = gr.File(label="The person", file_types=list(SUFFIXES), elem_id="target", height=150, min_width=280)
        self._model = gr.Dropdown(
            [], label="... or somebody from an earlier video, without a new training", visible=False, value=None
        )
        check = gr.Button("Check the videos", variant="primary", elem_id="check")
        gr.HTML(_block("<h3>Your videos</h3>"))
        self._gallery = gr.HTML()
        created = gr.Textbox(visible="hidden", label="New job")
        check.click(self._add, [source, target, self._model], [created, self._message]).then(None, created, None, js=_OPEN_JOB)

    def _build_work(self) -> None:
        self._status, self._preview = gr.HTML(), gr.HTML()
        with gr.Row():
            self._pause, self._resume = gr.Button("Pause", elem_id="pause"), gr.Button("Continue", variant="primary")
            self._cancel = gr.Button("Cancel", elem_id="cancel")
        self._result, self._check = gr.HTML(), gr.HTML()
        self._form: Form = build_form()
        self._remove = gr.Button("Delete this job ...", elem_id="delete", size="sm")
        self._really = gr.Button("Really delete it and all of its files", variant="stop", visible=False, size="sm")
        number, message = self._number, self._message
        queue = self._queue
        for button, act in (
            (self._pause, lambda number, user: queue.stop(number, user, "paused")),
            (self._cancel, lambda number, user: queue.stop(number, user, "cancelled")),
            (self._resume, lambda number, user: queue.resume(number, user)),
        ):
            button.click(_answering(act), number, message, **_HIDDEN)
        self._remove.click(lambda: [gr.update(visible=False), gr.update(visible=True)], None, [self._remove, self._really])
        self._really.click(self._delete, number, [number, message]).then(None, number, None, js=_OPEN_START)
        self._listen_to_form()

    def _listen_to_form(self) -> None:
        form, number, message = self._form, self._number, self._message
        inputs = [number, self._seen, *form.inputs]
        clicks = [
            form.start.click(self._make, inputs, message, **_HIDDEN),
            form.cast.check_again.click(self._check_again, inputs, message, **_HIDDEN),
            form.cast.add.click(
                self._add_dancer, [number, form.cast.another_video, form.cast.another_model], message, **_HIDDEN
            ),
        ]
        for dancer in form.dancers[1:]:
            clicks.append(dancer.remove.click(self._removing(dancer.number), [number, self._seen], message, **_HIDDEN))
        for click in clicks:
            click.then(None, None, None, js=_TO_TOP)
        for component in form.deciding_time:
            component.input(self._estimate, [number, *form.deciding_time], form.estimate, **_HIDDEN)

    def _changing(self) -> list[Any]:
        """What changes only with the state of the job."""
        buttons = [self._pause, self._resume, self._cancel, self._remove, self._really]
        return [self._result, self._check, *buttons, self._form.estimate, *self._form.outputs]

    def _open(self, request: gr.Request) -> list[Any]:
        """Show the job of the address, or the start."""
        user, number, problem = _user(request), str(request.query_params.get("job", "")), ""
        try:
            if number:
                self._store.get(number, user)
        except UserError as error:
            number, problem = "", _problem(error)
        people = [] if number else self._actions.people(user)
        gallery = "" if number else _block(views.gallery_view(self._store.all(user), self._pictures(user)))
        return [
            number, problem, gr.update(visible=not number), gr.update(visible=bool(number)), gr.Timer(active=bool(number)),
            gallery, gr.update(choices=people, visible=bool(people)),
        ]  # fmt: skip

    def _refresh(self, number: str, seen: str, minutes: float | None, preset: str, request: gr.Request) -> list[Any]:
        """News of a job: its status always, the rest if it has changed."""
        unchanged = [gr.skip() for _ in self._changing()]
        try:
            job = self._store.get(number, _user(request))
        except UserError:
            return [gr.skip(), gr.skip(), gr.skip(), *unchanged]
        is_stopping = self._queue.is_stopping(number)
        ahead, wait_s = self._actions.wait_s(job) if job.state == "queued" else (0, 0.0)
        progress = self._store.read(number, "progress.json")
        status = _block(views.status_view(job, progress, ahead, wait_s, is_stopping=is_stopping))
        folder = self._store.folder(number)
        version = int(found.stat().st_mtime) if (found := folder / "preview.png").is_file() else 0
        preview = _block(views.preview_view(job, version))
        now = _state_of(job, is_stopping=is_stopping)
        changed = unchanged if now == seen else self._changes(job, minutes, preset, is_stopping=is_stopping)
        return [status, preview, now, *changed]

    def _changes(self, job: Job, minutes: float | None, preset: str, *, is_stopping: bool) -> list[Any]:
        names = [*_FILES, *(dancer.model_name for dancer in job.dancers)]
        files = [name for name in names if (self._store.folder(job.number) / name).is_file()]
        check = {} if job.is_active and job.step == "check" else self._store.read(job.number, "check.json")
        result = self._store.read(job.number, "result.json")
        visible = (
            job.is_active and not is_stopping, job.can_resume, job.is_active and not is_stopping, not job.is_active, False
        )  # fmt: skip
        return [
            _block(views.result_view(job, result, files)),
            _block(views.check_view(job, check, has_plot="coverage.png" in files)),
            gr.update(visible=visible[0]),
            gr.update(visible=visible[1], value="Try again" if job.state == "failed" else "Continue"),
            *(gr.update(visible=each) for each in visible[2:]),
            self._estimate_of(job, minutes, preset, job.settings.parts) if check else "",
            *self._form.updates(job, check, self._actions.people(job.owner, but=job.number)),
        ]

    def _pictures(self, user: str) -> dict[str, str]:
        """Number of a job -> the picture on its card."""
        pictures = {}
        for job in self._store.all(user):
            there = [name for name in _PICTURES if (self._store.folder(job.number) / name).is_file()]
            if there:
                pictures[job.number] = there[0]
        return pictures

    def _add(self, source: str | None, target: str | None, model: str | None, request: gr.Request) -> list[str]:
        try:
            return [self._actions.add(_user(request), source, target, model or "").number, ""]
        except UserError as error:
            return ["", _problem(error)]

    def _make(self, request: gr.Request, number: str, seen: str, *form: Any) -> str:
        return self._answer(lambda user: self._actions.start(user, number, choices_of(form)), request, number, seen)

    def _check_again(self, request: gr.Request, number: str, seen: str, *form: Any) -> str:
        return self._answer(lambda user: self._actions.check_again(user, number, choices_of(form)), request, number, seen)

    def _add_dancer(self, number: str, video: str | None, model: str | None, request: gr.Request) -> str:
        return self._answer(lambda user: self._actions.add_dancer(user, number, video, model or ""), request)

    def _removing(self, dancer: int) -> Callable[[str, str, gr.Request], str]:
        """An event that takes one of the other dancers out."""

        def remove(number: str, seen: str, request: gr.Request) -> str:
            return self._answer(lambda user: self._queue.remove_dancer(number, user, dancer), request, number, seen)

        return remove

    def _answer(self, act: Callable[[str], Job], request: gr.Request, number: str = "", seen: str = "") -> str:
        """Do something for the user; returns what is wrong. number, seen: of the job that is shown, if its order matters."""
        try:
            if number and not _is_shown(self._store.get(number, _user(request)), seen):
                raise InputError("this job was changed elsewhere in the meantime; look at it again.")
            act(_user(request))
        except UserError as error:
            return _problem(error)
        return ""

    def _delete(self, number: str, request: gr.Request) -> list[str]:
        try:
            self._store.remove(number, _user(request))
        except UserError as error:
            return [number, _problem(error)]
        return ["", ""]

    def _estimate(self, request: gr.Request, number: str, minutes: float | None, preset: str, *parts: int | None) -> str:
        try:
            return self._estimate_of(self._store.get(number, _user(request)), minutes, preset, parts)
        except UserError as error:
            return _problem(error)

    def _estimate_of(self, job: Job, minutes: float | None, preset: str, parts: Sequence[int | None]) -> str:
        try:
            seconds = self._actions.expected_s(job, self._actions.chosen(job, minutes, preset, parts))
        except UserError as error:
            return _problem(error)
        return _block(f"<p>On this machine: <b>{views.duration(seconds)}</b> until the video is finished.</p>")


def _answering(act: Callable[[str, str], Job]) -> Callable[[str, gr.Request], str]:
    """An event that does something with a job, and returns what is wrong."""

    def answer(number: str, request: gr.Request) -> str:
        try:
            act(number, _user(request))
        except UserError as error:
            return _problem(error)
        return ""

    return answer


def _state_of(job: Job, *, is_stopping: bool) -> str:
    """What decides what is shown of a job, but for its progress."""
    return f"{job.state} {job.step} {job.queued_s} {is_stopping}"


def _is_shown(job: Job, seen: str) -> bool:
    """Whether the page shows the job as it is: a form is filled in for its present dancers."""
    return f" {job.queued_s} " in seen


def _user(request: gr.Request) -> str:
    """Who asks; the gate has made sure that it is somebody."""
    return str(request.username)


def _block(html: str) -> str:
    return f'<div class="dn">{html}</div>' if html else ""


def _problem(error: UserError) -> str:
    text = str(error)
    return _block(f'<p class="error" role="alert">{escape(text[:1].upper() + text[1:])}</p>')
