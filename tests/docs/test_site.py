"""The documentation site that `make docs` built: links lead somewhere, pages fit a phone, nothing comes from the network."""

import json
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

SITE = Path(__file__).parents[2] / "build" / "site"
PHONE_WIDTH_PX = 390
TIMEOUT_S = 120
CHROMIUM_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--enable-logging=stderr",
)  # fmt: skip
CHECK = """<!doctype html><meta charset="utf-8"><title>check</title><body><script>
(async () => {
  const results = [];
  for (const page of PAGES) {
    const frame = document.createElement("iframe");
    frame.style.cssText = "width: WIDTHpx; height: 800px; border: 0";
    frame.src = page;
    await new Promise((loaded) => { frame.onload = loaded; document.body.append(frame); });
    await new Promise((drawn) => setTimeout(drawn, 100));
    const view = frame.contentDocument;
    for (const image of view.images) image.loading = "eager";
    await Promise.all([...view.images].map((image) => image.decode().catch(() => null)));
    results.push({
      page,
      width_px: view.documentElement.scrollWidth,
      broken_images: [...view.images].filter((image) => !image.naturalWidth).map((image) => image.src),
      elsewhere: frame.contentWindow.performance.getEntriesByType("resource").map((entry) => entry.name)
        .filter((name) => !name.startsWith(location.origin) && !name.startsWith("data:") && !name.startsWith("blob:")),
    });
    frame.remove();
  }
  await fetch("/check-result", {method: "POST", body: JSON.stringify(results)});
})();
</script></body>"""

pytestmark = pytest.mark.skipif(not (SITE / "index.html").exists(), reason="the site is not built: make docs")


class _Page(HTMLParser):
    """The links and the anchors of one page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in ("href", "src") and value and tag != "base":
                self.links.append(value)
            elif name in ("id", "name") and value:
                self.anchors.add(value)


def _pages() -> list[Path]:
    return sorted(path for path in SITE.rglob("*.html") if path.name != "404.html")


def test_every_link_leads_to_a_file_and_an_anchor() -> None:
    pages = {path: _Page(path) for path in _pages()}
    assert len(pages) > 20
    broken = []
    for path, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            file = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            file = file / "index.html" if file.is_dir() else file
            if not file.exists():
                broken.append(f"{path.relative_to(SITE)}: {link}")
            elif parts.fragment and file in pages and unquote(parts.fragment) not in {*pages[file].anchors, "__top"}:
                broken.append(f"{path.relative_to(SITE)}: no anchor {link}")
    assert not broken


class _Handler(SimpleHTTPRequestHandler):
    """Serve the site, the page that checks it, and take the result."""

    def __init__(self, *args: Any, results: list[Any], done: threading.Event, **kwargs: Any) -> None:
        self.results, self.done = results, done
        super().__init__(*args, directory=str(SITE), **kwargs)

    def do_GET(self) -> None:
        if self.path != "/check.html":
            return super().do_GET()
        pages = json.dumps([f"/{path.relative_to(SITE).as_posix()}" for path in _pages()])
        body = CHECK.replace("PAGES", pages).replace("WIDTH", str(PHONE_WIDTH_PX)).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(body)
        return None

    def do_POST(self) -> None:
        self.results += json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(204)
        self.end_headers()
        self.done.set()

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@contextmanager
def _served(results: list[Any], done: threading.Event) -> Iterator[int]:
    def handler(*args: Any, **kwargs: Any) -> _Handler:
        return _Handler(*args, results=results, done=done, **kwargs)

    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("chromium") is None, reason="chromium is not installed")
def test_every_page_fits_a_phone_and_loads_without_an_error(tmp_path: Path) -> None:
    results: list[dict[str, Any]] = []
    done = threading.Event()
    log = tmp_path / "chromium.log"
    with _served(results, done) as port, log.open("w") as stderr:
        command = [
            "chromium",
            *CHROMIUM_FLAGS,
            f"--user-data-dir={tmp_path / 'profile'}",
            f"http://127.0.0.1:{port}/check.html",
        ]
        browser = subprocess.Popen([*command, "--remote-debugging-port=0"], stdout=subprocess.DEVNULL, stderr=stderr)
        try:
            assert done.wait(TIMEOUT_S), log.read_text("utf-8", "replace")[-2000:]
        finally:
            browser.terminate()
            browser.wait(30)
    assert len(results) == len(_pages())
    assert not {each["page"]: each["width_px"] for each in results if each["width_px"] > PHONE_WIDTH_PX}
    assert not [image for each in results for image in each["broken_images"]]
    assert not [address for each in results for address in each["elsewhere"]]
    assert not [line for line in log.read_text("utf-8", "replace").splitlines() if "CONSOLE" in line]
