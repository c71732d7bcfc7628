"""The web server: gate, files of jobs, and the page in one application, on this machine's own address unless told otherwise."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from dancenow.errors import DependencyError, InputError, OptionError
from dancenow.storage.atomic_io import data_dir
from dancenow.web.gate import USER, Gate
from dancenow.web.job_queue import MAX_SECONDS, JobQueue, job_command
from dancenow.web.job_store import JobStore
from dancenow.web.passwords import VARIABLE, Users, read_passwords

LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")
_MOVING: Final = (".mp4", ".m4v", ".mov", ".mkv", ".webm")


@dataclass(frozen=True)
class WebConfig:
    """Where the page is and what it takes. data: folder of jobs and uploads. max_mb: of an upload. max_seconds: of a video."""

    data: Path
    host: str = "127.0.0.1"
    port: int = 7860
    password_file: Path | None = None
    max_mb: int = 500
    max_seconds: int = MAX_SECONDS

    @classmethod
    def at_home(cls, **options: Any) -> "WebConfig":
        """With the data in the user's data folder."""
        return cls(data_dir("web"), **options)

    def users(self) -> Users:
        """Who may use the page.

        Raises:
            OptionError: the page would be open to other machines without a password, or as `read_passwords`.
        """
        passwords = read_passwords(self.password_file)
        if self.host not in LOOPBACK and not passwords:
            raise OptionError(
                f"--host {self.host} would let other machines in without a password; give --password-file FILE, or set"
                f" {VARIABLE}."
            )
        return Users.of(passwords)


def create_app(config: WebConfig, users: Users, queue: JobQueue) -> Gate:
    """The whole application for `queue`, whose store lies in `config.data`.

    Raises:
        DependencyError: gradio is not installed.
    """
    queue.store.uploads.mkdir(parents=True, exist_ok=True, mode=0o700)
    os.environ["GRADIO_TEMP_DIR"] = str(queue.store.uploads)
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["HF_HUB_OFFLINE"] = "1"
    try:
        import gradio as gr
        from fastapi import FastAPI
    except ImportError as error:
        raise DependencyError("the page needs gradio; install it with `pip install 'dancenow[web]'`.") from error
    from dancenow.web.actions import Actions
    from dancenow.web.page import Page

    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    _serve_files(app, queue.store)
    page = Page(Actions(queue.store, queue), has_logout=users.need_password).build()
    page.queue(api_open=False, default_concurrency_limit=8)
    gr.mount_gradio_app(
        app, page, path="/", server_name=config.host, server_port=config.port, auth_dependency=_user_of, footer_links=[],
        blocked_paths=[str(queue.store.data / "jobs")], max_file_size=config.max_mb << 20, show_error=False, ssr_mode=False,
        enable_monitoring=False, run_history=False, mcp_server=False, pwa=False,
        theme=gr.themes.Default(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"]),
        css=Path(__file__).with_name("page.css").read_text("utf-8"),
    )  # fmt: skip
    return Gate(app, users, loopback=config.host in LOOPBACK, max_bytes=(config.max_mb << 20) + (1 << 20))


def serve(config: WebConfig, announce: Any) -> None:
    """Serve the page until the process is interrupted. announce: called with the address, as one sentence.

    Raises:
        UserError: as `WebConfig.users` and `create_app`; another server uses the data folder or the port.
    """
    from dancenow.storage.cache import only_writer

    users = config.users()
    try:
        import uvicorn
    except ImportError as error:
        raise DependencyError("the page needs gradio; install it with `pip install 'dancenow[web]'`.") from error
    with only_writer(config.data):
        queue = JobQueue(JobStore(config.data), job_command(config.max_seconds))
        try:
            app = create_app(config, users, queue)
            options: dict[str, Any] = {
                "log_level": "error",
                "server_header": False,
                "timeout_graceful_shutdown": 2,
                "ws": "none",
            }
            server = uvicorn.Server(uvicorn.Config(app, config.host, config.port, **options))
            announce(f"http://{'[::1]' if config.host == '::1' else config.host}:{config.port}/")
            with _closing_terminal_is_a_kill():
                server.run()
            if not server.started:
                raise OptionError(f"the port {config.port} is taken; give another with --port.")
        finally:
            queue.close()


@contextmanager
def _closing_terminal_is_a_kill() -> Iterator[None]:
    """Inside it, SIGHUP has the effect of SIGTERM, which uvicorn knows: the server ends in order."""
    number = getattr(signal, "SIGHUP", None)
    in_main = threading.current_thread() is threading.main_thread()
    if number is None or not in_main or signal.getsignal(number) is signal.SIG_IGN:
        yield
        return
    before = signal.signal(number, lambda *_: signal.raise_signal(signal.SIGTERM))
    try:
        yield
    finally:
        signal.signal(number, before)


def _serve_files(app: Any, store: JobStore) -> None:
    """Let users fetch the files of their own jobs."""
    from fastapi import HTTPException, Request
    from fastapi.responses import FileResponse

    @app.get("/files/{number}/{name}")  # type: ignore[untyped-decorator]
    def fetch(number: str, name: str, request: Request) -> FileResponse:
        try:
            return FileResponse(store.file(number, name, _user_of(request)))
        except InputError as error:
            raise HTTPException(404, str(error)) from error


def _user_of(request: Any) -> str:
    """Who sends a request, as the gate found out."""
    return str(request.scope[USER])
