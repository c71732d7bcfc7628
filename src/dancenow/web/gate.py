"""What every request passes before it reaches the page: where it comes from, who sends it, and whether the page needs it.

Everything that is not on the list of paths is refused, so that routes which the page does not use, and which serve files,
fetch other sites or write recordings, cannot be reached at all. Nobody reaches anything but the login without a session.
"""

import re
import urllib.parse
from collections.abc import Awaitable, Callable, MutableMapping
from http.cookies import CookieError, SimpleCookie
from importlib.resources import files
from typing import Any, Final

from dancenow.web.passwords import SESSION_S, Users

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

COOKIE: Final = "dancenow"
USER: Final = "dancenow.user"
"""Where the scope of a request that passed holds its user."""
_GET: Final = (
    "/config", "/theme.css", "/gradio_api/theme.css", "/favicon.ico", "/gradio_api/queue/data", "/gradio_api/startup-events",
    "/gradio_api/upload_progress", "/gradio_api/app_id", "/gradio_api/info", "/logout",
)  # fmt: skip
_GET_BELOW: Final = ("/assets/", "/static/", "/svelte/", "/gradio_api/heartbeat/", "/files/")
_POST: Final = ("/gradio_api/queue/join", "/gradio_api/upload", "/gradio_api/reset", "/gradio_api/cancel")
_LOOPBACK: Final = re.compile(r"(localhost|127\.0\.0\.1|\[::1\])(:\d{1,5})?")
_LOGIN_BYTES: Final = 4096
_HEADERS: Final = {
    "content-security-policy": "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; frame-ancestors 'none';"
    " form-action 'self'; base-uri 'self'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",  # with less, browsers do not say where a form was sent from
    "cache-control": "private, no-cache",
}
"""The browser, too, refuses to load anything from elsewhere."""


class Gate:
    """An ASGI application around another one.

    loopback: only requests to this machine's own names are answered, so that no other site's name can lead here. max_bytes:
    of a request.
    """

    def __init__(self, app: App, users: Users, *, loopback: bool, max_bytes: int) -> None:
        self._app, self._users, self._loopback, self._max_bytes = app, users, loopback, max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or pass it on."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            return
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        method, path = scope["method"], scope["path"]
        if problem := self._problem(method, headers):
            await _answer(send, 403, problem)
            return
        token = _cookie(headers)
        user = self._users.user_of(token)
        if self._users.need_password and path == "/login":
            await self._log_in(method, headers, receive, send)
        elif user is None:
            await _redirect(send, "/login") if method == "GET" and path == "/" else await _answer(send, 401, "Please log in.")
        elif path == "/logout":
            self._users.log_out(token)
            await _redirect(send, "/login", f"{COOKIE}=; Max-Age=0; Path=/")
        elif not _is_needed(method, path):
            await _answer(send, 404, "There is no such page.")
        elif int(headers.get("content-length", "0") if headers.get("content-length", "0").isdigit() else "0") > self._max_bytes:
            await _answer(send, 413, "The file is too large.")
        else:
            scope[USER] = user
            await self._app(scope, receive, _with_headers(send))

    def _problem(self, method: str, headers: dict[str, str]) -> str:
        """Why a request comes from the wrong place; empty if it does not."""
        host = headers.get("host", "")
        if self._loopback and _LOOPBACK.fullmatch(host) is None:
            return "This page answers to localhost alone."
        foreign = headers.get("origin") not in (None, f"http://{host}", f"https://{host}")
        if method != "GET" and (foreign or headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none")):
            return "This page takes nothing from other sites."
        return ""

    async def _log_in(self, method: str, headers: dict[str, str], receive: Receive, send: Send) -> None:
        if method == "GET":
            await _answer(send, 200, _login_page(""), "text/html")
            return
        body = b""
        while method == "POST" and len(body) <= _LOGIN_BYTES:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        form = urllib.parse.parse_qs(body[:_LOGIN_BYTES].decode("utf-8", "replace"))
        token = self._users.log_in(*(form.get(name, [""])[0] for name in ("name", "password")))
        if token is None:
            await _answer(send, 401, _login_page("That is not right. Wait a moment and try again."), "text/html")
            return
        secure = "; Secure" if headers.get("x-forwarded-proto") == "https" else ""
        cookie = f"{COOKIE}={token}; HttpOnly; SameSite=Strict; Path=/; Max-Age={SESSION_S:.0f}{secure}"
        await _redirect(send, "/", cookie)


def _is_needed(method: str, path: str) -> bool:
    """Whether the page needs this path. Dots that climb are no part of any."""
    if ".." in path or "\\" in path or "\0" in path or "//" in path:
        return False
    if method in ("GET", "HEAD"):
        return path == "/" or path in _GET or path.startswith(_GET_BELOW)
    return method == "POST" and path in _POST


def _cookie(headers: dict[str, str]) -> str:
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return ""
    return found.value if found else ""


def _login_page(problem: str) -> str:
    return (files("dancenow.web") / "login.html").read_text("utf-8").replace("{problem}", problem)


def _with_headers(send: Send) -> Send:
    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            kept = [pair for pair in message.get("headers", []) if pair[0].lower().decode("latin-1") not in _HEADERS]
            message["headers"] = kept + [(name.encode(), value.encode()) for name, value in _HEADERS.items()]
        await send(message)

    return sent


async def _answer(send: Send, status: int, text: str, kind: str = "text/plain") -> None:
    headers = [(b"content-type", f"{kind}; charset=utf-8".encode())]
    sent = _with_headers(send)
    await sent({"type": "http.response.start", "status": status, "headers": headers})
    await sent({"type": "http.response.body", "body": text.encode()})


async def _redirect(send: Send, to: str, cookie: str = "") -> None:
    headers = [(b"location", to.encode())] + ([(b"set-cookie", cookie.encode())] if cookie else [])
    sent = _with_headers(send)
    await sent({"type": "http.response.start", "status": 303, "headers": headers})
    await sent({"type": "http.response.body", "body": b""})
