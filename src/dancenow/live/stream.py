"""The stream of a live transfer: a small page on this machine alone, with the images as motion JPEG."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

import cv2

from dancenow.errors import OptionError
from dancenow.live.player import LiveImage, LiveMeter

_HOST: Final = "127.0.0.1"
_NAMES: Final = ("127.0.0.1", "localhost")
_QUALITY: Final = 85
_PAGE: Final = b"""<!doctype html><html lang="en"><meta charset="utf-8"><title>dancenow live: synthetic</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">
<style>body{margin:0;background:#111;color:#ddd;font:16px system-ui,sans-serif;text-align:center}
img{max-width:100%;max-height:88vh}p{margin:.5rem}</style>
<img src="/stream" alt="The live picture"><p id="facts">This picture is synthetic.</p><script>
setInterval(async () => { const f = await (await fetch('/facts')).json(); document.getElementById('facts').textContent =
`Synthetic. ${f.fps.toFixed(0)} frames a second, ${f.latency_ms.toFixed(0)} ms late (95%: ${f.latency_95_ms.toFixed(0)} ms)`
}, 1000)
</script></html>"""


class LiveStream:
    """Serves the newest image to everybody who looks. `show` is what `LivePlayer.play` calls."""

    def __init__(self, port: int, meter: LiveMeter) -> None:
        """Raises OptionError: the port is taken."""
        self._condition, self._jpeg, self._count, self._is_over = threading.Condition(), b"", 0, False
        self._meter = meter
        stream = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                stream.answer(self)

            def log_message(self, *_: Any) -> None:
                """Print nothing."""

        try:
            self._server = ThreadingHTTPServer((_HOST, port), Handler)
        except OSError as error:
            raise OptionError(f"the port {port} is taken; give another with --port.") from error
        self._server.daemon_threads = True
        self.address = f"http://{_HOST}:{self._server.server_address[1]}/"

    @contextmanager
    def served(self) -> Iterator[None]:
        """Inside it, the stream can be watched."""
        thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        thread.start()
        try:
            yield
        finally:
            with self._condition:
                self._is_over = True
                self._condition.notify_all()
            self._server.shutdown()
            self._server.server_close()
            thread.join()

    def show(self, image: LiveImage) -> None:
        """Show an image."""
        bgr = cv2.cvtColor(image.image_rgb, cv2.COLOR_RGB2BGR)
        encoded = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1].tobytes()
        with self._condition:
            self._jpeg, self._count = encoded, self._count + 1
            self._condition.notify_all()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        """Answer one request; other sites' names do not lead here."""
        if (request.headers.get("Host") or "").partition(":")[0] not in _NAMES:
            request.send_error(403)
        elif request.path == "/":
            _send(request, "text/html; charset=utf-8", _PAGE)
        elif request.path == "/facts":
            median_ms, worst_ms = self._meter.latency_ms
            facts = {"fps": self._meter.fps, "latency_ms": median_ms, "latency_95_ms": worst_ms}
            _send(request, "application/json", json.dumps(facts).encode())
        elif request.path == "/stream":
            with suppress(OSError):  # whoever looked has gone
                self._send_images(request)
        else:
            request.send_error(404)

    def _send_images(self, request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Type", "multipart/x-mixed-replace; boundary=image")
        request.send_header("Cache-Control", "no-store")
        request.end_headers()
        seen = 0
        while True:
            with self._condition:
                self._condition.wait_for(lambda seen=seen: self._count > seen or self._is_over)  # type: ignore[misc]
                if self._is_over:
                    return
                jpeg, seen = self._jpeg, self._count
            request.wfile.write(
                b"--image\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(jpeg) + jpeg + b"\r\n"
            )


def _send(request: BaseHTTPRequestHandler, kind: str, body: bytes) -> None:
    request.send_response(200)
    request.send_header("Content-Type", kind)
    request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    request.wfile.write(body)
