"""The page as a person uses it, in a browser: from upload to download, with everything that can come in between."""

import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from helpers.browser import CHROMIUM
from helpers.drawn_world import dancer_track, film
from helpers.web_server import drawn_server
from helpers.web_world import drawn_videos, film_duet

sync_api = pytest.importorskip("playwright.sync_api")
pytest.importorskip("gradio")
pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")]

PATIENCE_MS = 240_000
CUT_OFF = ("console: AbortError: signal is aborted", "console: Unexpected error Connection errored out")
"""What gradio says, in this order, if a page is left while it asks for news."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.fixture
def chromium(browser: Any) -> Iterator[Any]:
    """The browser; its pages are closed after a test, or they would go on asking for a server that is gone."""
    yield browser
    for context in browser.contexts:
        context.close()


class Tab:
    """A page in a browser profile of its own, which notes errors and requests to other machines."""

    def __init__(self, chromium: Any, url: str, width: int = 1100, height: int = 900) -> None:
        self.context = chromium.new_context(viewport={"width": width, "height": height}, accept_downloads=True)
        self.page, self.problems, self._is_left = self.context.new_page(), list[str](), False
        self.page.set_default_timeout(PATIENCE_MS)
        self.page.on("console", lambda message: self._note(message.type == "error", f"console: {message.text}"))
        self.page.on("pageerror", lambda error: self._note(True, f"script: {error}"))
        own = (url.partition("?")[0], "data:", "blob:")
        self.page.on("request", lambda request: self._note(not request.url.startswith(own), request.url))
        self.page.goto(url)

    def _note(self, is_problem: bool, what: str) -> None:
        if is_problem:
            expected = CUT_OFF[: 1 + self._is_left]
            self._is_left = what.startswith(CUT_OFF[0])
            if not what.startswith(expected):
                self.problems.append(what)

    def upload(self, role: str, video: Path) -> None:
        for _ in range(6):  # a page that is still being built loses what is dropped on it
            self.page.set_input_files(f"#{role} input[type=file]", str(video))
            with suppress(sync_api.TimeoutError):
                # Not the file's name: it can also be in what showed the progress, which is hidden.
                self.page.locator(f"#{role} button[aria-label=Clear]").wait_for(timeout=PATIENCE_MS / 8)
                return
        raise AssertionError(f"{video} was not uploaded")

    def wait_for(self, text: str) -> None:
        self.page.get_by_text(text).first.wait_for()

    def check(self, source: Path, target: Path) -> None:
        self.upload("source", source)
        self.upload("target", target)
        self.page.click("#check")
        self.page.wait_for_url("**job=*")

    def is_as_wide_as_the_window(self) -> bool:
        return bool(self.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"))


def test_from_upload_to_download(tmp_path: Path, chromium: Any) -> None:
    with drawn_server(tmp_path) as port:
        url = f"http://127.0.0.1:{port}/"
        tab = Tab(chromium, url)
        page = tab.page
        page.click("#check")
        tab.wait_for("Drop the video of the dance first.")
        tab.check(*drawn_videos(tmp_path))
        tab.wait_for("Which moves does the footage show?")
        page.get_by_label("The person", exact=False).first.wait_for(state="attached")

        page.click("#make")
        tab.wait_for("Say who is in the video of the person.")
        page.get_by_label("Nobody real: drawn or rendered").check()
        page.click("#make")
        tab.wait_for("Tick the box")
        page.locator("#agreed input").check()
        page.locator("#minutes input").fill("0.15")
        page.locator("#minutes input").blur()
        tab.wait_for("until the video is finished")
        page.click("#make")
        tab.wait_for("Learning how the person looks")
        page.reload()
        tab.wait_for("Learning how the person looks")

        other = Tab(chromium, page.url, width=360, height=740)
        other.wait_for("Learning how the person looks")
        assert other.is_as_wide_as_the_window()
        other.page.click("#cancel")
        tab.wait_for("Cancelled")
        page.get_by_role("button", name="Continue").click()
        tab.wait_for("Left the dance, right the result")
        other.page.locator("video").wait_for()
        assert other.is_as_wide_as_the_window()
        page.wait_for_function("document.querySelector('video').readyState > 1 && document.querySelector('video').duration > 1")
        with page.expect_download() as download:
            page.get_by_role("link", name="Video", exact=True).click()
        saved = tmp_path / "saved.mp4"
        download.value.save_as(saved)
        assert saved.read_bytes()[4:8] == b"ftyp"

        page.goto(url)
        tab.wait_for("me dances dance")
        page.get_by_label("somebody from an earlier video", exact=False).click()
        page.get_by_role("option").first.click()
        tab.upload("source", drawn_videos(tmp_path)[0])
        page.click("#check")
        page.wait_for_url("**job=*")
        tab.wait_for("Which moves does the footage show?")
        assert not page.locator("#agreed").is_visible(), "the model has its consent"
        assert tab.problems == []
        assert other.problems == []


def test_two_people_dance_a_duet(tmp_path: Path, chromium: Any) -> None:
    friend = film(tmp_path / "friend.mp4", dancer_track(50))
    with drawn_server(tmp_path) as port:
        tab = Tab(chromium, f"http://127.0.0.1:{port}/")
        page = tab.page
        tab.check(film_duet(tmp_path / "duet.mp4"), drawn_videos(tmp_path)[1])
        page.get_by_role("button", name="Add another dancer").click()
        page.click("#add")
        tab.wait_for("Drop the video of the other person first.")
        tab.upload("target-another", friend)
        page.click("#add")
        tab.wait_for("Person 2, danced by friend")
        assert page.locator("figure").count() == 3
        assert not page.locator("#another").is_visible(), "everybody is danced"

        phone = Tab(chromium, page.url, width=360, height=740)
        phone.wait_for("Person 2, danced by friend")
        assert phone.is_as_wide_as_the_window()
        page.locator("#who").get_by_label("Nobody real: drawn or rendered").check()
        page.locator("#agreed input").check()
        page.locator("#minutes input").fill("0.02")
        page.click("#make")
        tab.wait_for("“friend”: say who is in the video")
        page.locator("#who2").get_by_label("Nobody real: drawn or rendered").check()
        page.locator("#agreed2 input").check()
        page.click("#make")
        tab.wait_for("Left the dance, right the result")
        page.get_by_role("link", name="Trained model of friend").wait_for()

        again = Tab(chromium, f"http://127.0.0.1:{port}/")
        again.check(film_duet(tmp_path / "duet.mp4"), drawn_videos(tmp_path)[1])
        again.page.get_by_role("button", name="Add another dancer").click()
        again.page.locator("#another").get_by_label("somebody from an earlier video", exact=False).click()
        again.page.get_by_role("option").filter(has_text="friend").click()
        again.page.click("#add")
        again.wait_for("Person 2, danced by friend")
        again.page.get_by_text("“friend” was learned before, with consent").wait_for()
        assert again.page.locator("#agreed").is_visible()
        assert not again.page.locator("#agreed2").is_visible(), "the model has its consent"
        again.page.locator("#remove2").wait_for()
        assert again.problems == []
        assert tab.problems == []
        assert phone.problems == []


def test_a_broken_file_and_a_strange_name(tmp_path: Path, chromium: Any) -> None:
    source, target = drawn_videos(tmp_path)
    broken = tmp_path / "<img src=x onerror=alert(1)>.mp4"
    broken.write_bytes(source.read_bytes()[:900])
    with drawn_server(tmp_path) as port:
        tab = Tab(chromium, f"http://127.0.0.1:{port}/", width=360, height=740)
        assert tab.is_as_wide_as_the_window()
        tab.check(broken, target)
        tab.wait_for("Did not work")
        text = tab.page.locator(".error").first.inner_text()
        assert text.startswith("The video of the dance was cut off")
        assert str(tmp_path) not in text
        assert tab.page.locator(".title img").count() == 0
        tab.page.click("#delete")
        tab.page.get_by_role("button", name="Really delete").click()
        tab.wait_for("Nothing here yet.")
        assert list((tmp_path / "data" / "jobs").iterdir()) == []
        assert tab.problems == []


def test_a_job_goes_on_after_a_restart(tmp_path: Path, chromium: Any) -> None:
    with drawn_server(tmp_path) as port:
        tab = Tab(chromium, f"http://127.0.0.1:{port}/")
        tab.check(*drawn_videos(tmp_path))
        number = tab.page.url.rpartition("=")[2]
    with drawn_server(tmp_path) as port:
        again = Tab(chromium, f"http://127.0.0.1:{port}/?job={number}")
        again.wait_for("Which moves does the footage show?")
        time.sleep(0.1)
        assert again.problems == []


def test_users_see_their_own_videos_alone(tmp_path: Path, chromium: Any) -> None:
    with drawn_server(tmp_path, passwords="ann:correct horse\nbob:battery staple\n") as port:
        url = f"http://127.0.0.1:{port}/"
        ann, bob = (Tab(chromium, url) for _ in range(2))
        for tab, name, password in ((ann, "ann", "correct horse"), (bob, "bob", "battery staple")):
            tab.page.get_by_label("Name").fill(name)
            tab.page.get_by_label("Password").fill(password)
            tab.page.get_by_role("button", name="Log in").click()
            tab.wait_for("Your videos")
        ann.check(*drawn_videos(tmp_path))
        job = ann.page.url
        bob.page.goto(job)
        bob.wait_for("There is no such job")
        bob.wait_for("Nothing here yet.")
        ann.page.goto(url)
        ann.wait_for("me dances dance")
        ann.page.get_by_role("link", name="Log out").click()
        ann.page.get_by_role("button", name="Log in").wait_for()
        ann.page.goto(job)
        assert "log in" in ann.page.content().lower()
        assert ann.page.get_by_text("me dances dance").count() == 0
