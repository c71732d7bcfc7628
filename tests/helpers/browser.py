"""A headless Chromium driven over a pipe by its DevTools protocol: enough to open a page, use it and collect its errors."""

import base64
import fcntl
import json
import os
import select
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

CHROMIUM = next((found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None)
PATIENCE_S = 60.0


class Browser:
    """One page. errors: messages of the console, the log and scripts. requests: URLs other than data and blobs."""

    def __init__(self, profile: Path) -> None:
        assert CHROMIUM is not None
        # Chromium reads from file descriptor 3 and writes to 4.
        to_it, from_it = os.pipe(), os.pipe()
        theirs = [fcntl.fcntl(fd, fcntl.F_DUPFD, 20) for fd in (to_it[0], from_it[1])]
        nowhere = (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0)
        actions = [(os.POSIX_SPAWN_DUP2, theirs[0], 3), (os.POSIX_SPAWN_DUP2, theirs[1], 4), nowhere]
        words = ["--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe", "--mute-audio",
                 "--disable-dev-shm-usage", "--no-first-run", f"--user-data-dir={profile}", "about:blank"]  # fmt: skip
        self._process = os.posix_spawn(CHROMIUM, [CHROMIUM, *words], os.environ, file_actions=actions, setpgroup=0)
        for fd in (to_it[0], from_it[1], *theirs):
            os.close(fd)
        self._to_it, self._from_it = to_it[1], from_it[0]
        self._count, self._held, self._session = 0, b"", ""
        self.errors: list[str] = []
        self.requests: list[str] = []

    def __enter__(self) -> Self:
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        os.killpg(self._process, signal.SIGKILL)
        os.waitpid(self._process, 0)
        os.close(self._to_it)
        os.close(self._from_it)

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send one command of the protocol and return its result."""
        self._count += 1
        message: dict[str, Any] = {"id": self._count, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._to_it, json.dumps(message).encode() + b"\0")
        for event in self._events():
            if event.get("id") == self._count:
                assert "error" not in event, event
                result: dict[str, Any] = event["result"]
                return result
        raise AssertionError("Chromium has gone")

    def run(self, script: str) -> Any:
        """Evaluate an expression in the page."""
        done = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in done, done
        return done["result"].get("value")

    def wait_for(self, condition: str) -> None:
        """Wait until the expression is true."""
        end = time.monotonic() + PATIENCE_S
        while not self.run(condition):
            assert time.monotonic() < end, f"never came true: {condition}; {self.errors}"
            time.sleep(0.05)

    def open(self, page: Path) -> None:
        """Load a file from disk."""
        self.call("Page.navigate", url=page.absolute().as_uri())
        self.wait_for("document.readyState === 'complete'")

    def click(self, selector: str, share_x: float = 0.5) -> None:
        """Click on the element, at this fraction of its width."""
        self.run(f"document.querySelector({selector!r}).scrollIntoView({{block: 'center', behavior: 'instant'}})")
        box = f"(() => {{const b = document.querySelector({selector!r}).getBoundingClientRect();"
        x, y = self.run(f"{box} return [b.left + {share_x} * b.width, b.top + b.height / 2]}})()")
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def press(self, key: str) -> None:
        """Press a key by its DOM name."""
        code = {" ": 32, "ArrowLeft": 37, "ArrowRight": 39}[key]
        for kind in ("rawKeyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, windowsVirtualKeyCode=code)

    def look(self, width: int, height: int, *, dark: bool = False) -> None:
        """Set the window size and the color scheme."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 500)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])

    def screenshot(self, path: Path, *, whole: bool = False) -> None:
        """A PNG of the window, or of the whole page."""
        shot = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(shot["data"]))

    def _events(self) -> Iterator[dict[str, Any]]:
        while True:
            ready, _, _ = select.select([self._from_it], [], [], PATIENCE_S)
            assert ready, "Chromium does not answer"
            block = os.read(self._from_it, 1 << 20)
            if not block:
                return
            *messages, self._held = (self._held + block).split(b"\0")
            for message in messages:
                event = json.loads(message)
                self._note(event)
                yield event

    def _note(self, event: dict[str, Any]) -> None:
        method, params = event.get("method"), event.get("params", {})
        if method == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning", "assert"):
            self.errors.append(str(params["args"]))
        elif method == "Runtime.exceptionThrown":
            self.errors.append(str(params["exceptionDetails"]))
        elif method == "Log.entryAdded":
            self.errors.append(str(params["entry"]))
        elif method == "Network.requestWillBeSent" and not params["request"]["url"].startswith(("data:", "blob:")):
            self.requests.append(params["request"]["url"])


@contextmanager
def browser(folder: Path) -> Iterator[Browser]:
    """A browser with its own profile in `folder`."""
    with Browser(folder / "profile") as opened:
        yield opened
