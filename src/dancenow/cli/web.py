"""`dancenow web`: everything on a page in the browser.

The work is in `dancenow.web.server.serve`.
"""

from pathlib import Path

from dancenow.cli.options import Maybe


def web(
    host: str = "127.0.0.1",
    port: int = 7860,
    password_file: Maybe[Path] = None,
    data: Maybe[Path] = None,
    max_mb: int = 500,
    max_minutes: float = 10.0,
) -> None:
    """Open a page in the browser, from two videos to the result.

    - The page is for this machine alone, unless you give --host.
    - Nothing leaves this machine.
    - Work goes on when you close the tab, and after a restart.

    Args:
        host: Address to listen on.
            Any other than 127.0.0.1 lets other machines in.
            It needs passwords.
        port: Port to listen on.
        password_file: Text file with one line NAME:PASSWORD per person.
            Or set DANCENOW_WEB_PASSWORD.
            Everybody sees only their own videos.
        data: Folder of uploads and results.
            By default in your data folder.
        max_mb: Largest upload.
        max_minutes: Longest video.
    """
    from dancenow.cli import console
    from dancenow.errors import OptionError
    from dancenow.storage.atomic_io import data_dir
    from dancenow.web.server import LOOPBACK, WebConfig, serve

    if not 0 < port < 65536 or max_mb < 1 or not 0 < max_minutes <= 24 * 60:
        raise OptionError("--port, --max-mb and --max-minutes must be positive, and a port is at most 65535.")
    config = WebConfig(data or data_dir("web"), host, port, password_file, max_mb, round(60 * max_minutes))

    def announce(address: str) -> None:
        console.message(f"the page is at {address} (stop it with Ctrl-C)")
        if host not in LOOPBACK:
            console.message("passwords travel in clear text unless a proxy adds HTTPS; see docs/how-to/web.md.")

    serve(config, announce)
